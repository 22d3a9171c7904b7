"""Latencies from tables of others and from measurements, and scales that are made of them."""

from __future__ import annotations

import itertools
import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.core.errors import CorruptArtifact, UnknownName, UsageError
from seaformer.core.estimate import CYCLES
from seaformer.core.measurement import Measurement, summary
from seaformer.estimate.calibration import calibrate
from seaformer.estimate.evidence import evidence
from seaformer.estimate.figures import Figure, measured_figures, table_figures
from tests.fakes.measurements import measurement

WIDE = """model,FLOPS,size,pixel4|1large|float|mean,pixel4|1large|float|std,pixel4|1large|quant|mean
mobilenet_wd2,1,1,9100.5,20,4000
mobilenetv2_w1,1,1,20000.0,1,9000
mobilenetv2_w3d4,1,1,,,
bagnet9,1,1,908365.0,1460.0,1
"""


def _file(folder: Path, text: str) -> Path:
    path = folder / "rows.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_with_a_column_for_each_phone_is_read_in_microseconds(tmp_path: Path) -> None:
    path = _file(tmp_path, WIDE)
    found = table_figures(path, "pixel4|1large|float")
    assert [(each.model, each.ms, each.precision) for each in found] == [
        ("mobilenetv1_x050.imagenet", 9.1005, "fp32"),
        ("mobilenetv2_100.imagenet", 20.0, "fp32"),
    ]
    with pytest.raises(UnknownName, match=r"Known: pixel4\|1large\|float, pixel4\|1large\|quant"):
        table_figures(path, "pixel4")
    with pytest.raises(UsageError, match="must be one of float"):
        table_figures(path, "pixel4|1large|quant")


def test_a_table_with_a_line_for_each_figure_is_read(tmp_path: Path) -> None:
    text = (
        "# a phone\nmodel,precision,engine,latency_ms\nseaformer_t.ade20k,fp16,ncnn,12.5\nx,,,1\n"
    )
    (found,) = table_figures(_file(tmp_path, text))
    assert found == Figure("seaformer_t.ade20k", "fp16", 12.5, "rows.csv", "ncnn")


def test_a_named_column_of_milliseconds_is_read_in_the_place_of_the_usual_one(
    tmp_path: Path,
) -> None:
    text = "model,latency_ms,pixel\nseaformer_t.ade20k,12.5,31\nseaformer_s.ade20k,20,\n"
    path = _file(tmp_path, text)
    assert [figure.ms for figure in table_figures(path)] == [12.5, 20]
    assert table_figures(path, "pixel") == (
        Figure("seaformer_t.ade20k", "fp32", 31, "rows.csv pixel"),
    )
    with pytest.raises(UnknownName, match=r"Unknown column 'pixle'.*pixel"):
        table_figures(path, "pixle")
    with pytest.raises(UnknownName, match="Unknown column 'model'"):
        table_figures(path, "model")
    bare = _file(tmp_path, "model,pixel\nseaformer_t.ade20k,31\n")
    assert [figure.ms for figure in table_figures(bare, "pixel")] == [31]
    with pytest.raises(CorruptArtifact, match="must have the columns model and latency_ms"):
        table_figures(bare)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name,ms\na,1\n", "must have the columns model and latency_ms"),
        ("", "got nothing"),
        ("model,latency_ms\nseaformer_t.ade20k,fast\n", "must be a number"),
        ("model,latency_ms\nseaformer_t.ade20k\n", "must be a number"),
        ("model,latency_ms\nseaformer_t.ade20k,-1\n", "must be above 0"),
        ("model,latency_ms\nseaformer_t.ade20k,nan\n", "must be above 0"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(CorruptArtifact, match=reason):
        table_figures(_file(tmp_path, text))


def _measured(model: str, size: int, **changes: object) -> Measurement:
    made = measurement()
    changed = {"model": model, "input_shape": (1, 3, size, size), "runtime": "executorch"} | changes
    return replace(made, **changed)  # type: ignore[arg-type]


def test_valid_measurements_of_one_device_are_figures() -> None:
    one = _measured("seaformer_t.ade20k", 512, id="a")
    latency = summary(one)
    assert latency is not None
    (found,) = measured_figures([one, _measured("seaformer_t.ade20k", 64, id="b")])
    assert found == Figure(
        "seaformer_t.ade20k", "fp32", latency.median_ms, "a", "executorch", measured=True
    )
    other = replace(one, id="c", device=replace(one.device, id="other"))
    with pytest.raises(UsageError, match="Measurements are of 2 devices") as raised:
        measured_figures([one, other])
    assert "--device" in raised.value.hint
    assert len(measured_figures([one, other], "oth*")) == 1
    with pytest.raises(UsageError, match="No valid measurement of nothing"):
        measured_figures([one], "nothing")
    emulated = replace(one, source="emulated")
    with pytest.raises(UsageError, match="No valid measurement"):
        measured_figures([emulated, replace(one, failure="died")])


def _phone(models: tuple[str, ...], ns: float) -> tuple[Figure, ...]:
    """A phone that takes ``ns`` for each cycle."""
    counted = {e.model: e for e in evidence() if (e.engine, e.precision) == ("executorch", "fp32")}
    return tuple(
        Figure(m, "fp32", counted[m].cycles * ns / 1e6, m, "executorch", True) for m in models
    )


def test_three_measured_models_calibrate_a_phone_and_replace_what_was_published() -> None:
    models = ("seaformer_t.ade20k", "topformer_s.ade20k", "mobilenetv3_s.imagenet")
    made = calibrate("my-phone", figures=_phone(models, 0.5))
    scale = made.scale("executorch", "fp32", CYCLES)
    assert scale is not None
    assert scale.ns == pytest.approx(0.5)
    assert scale.factor == pytest.approx(1.0)
    assert (
        calibrate("sd865", figures=_phone(models, 0.5)).scale("executorch", "fp32", CYCLES) == scale
    )
    with pytest.raises(UsageError, match="Too few rows are left to calibrate my-phone"):
        calibrate("my-phone", figures=_phone(models[:2], 0.5))


def test_fewer_measured_models_join_the_published_rows() -> None:
    joined = calibrate("sd865", figures=_phone(("seaformer_t.ade20k",), 0.5))
    (row,) = [
        row
        for row in joined.rows
        if (row.model, row.engine, row.precision) == ("seaformer_t.ade20k", "executorch", "fp32")
    ]
    assert row.source == "seaformer_t.ade20k"
    assert len(joined.rows) == len(calibrate("sd865").rows)


def test_more_measured_models_estimate_the_others_better() -> None:
    """Every choice of so many published rows as a phone's measurements."""
    rows = [row for row in calibrate("sd865").rows if row.engine == "executorch" and row.inside]
    ratios = [row.ms / row.cycles for row in rows if row.precision == "fp32"]
    errors = []
    for count in (1, 3):
        sizes = []
        for chosen in itertools.combinations(range(len(ratios)), count):
            scale = statistics.geometric_mean(ratios[index] for index in chosen)
            others = (ratio for index, ratio in enumerate(ratios) if index not in chosen)
            sizes += [abs(scale / ratio - 1) for ratio in others]
        errors.append(statistics.fmean(sizes))
    assert errors[1] < errors[0]


def test_a_table_that_a_spreadsheet_wrote_is_read(tmp_path: Path) -> None:
    (found,) = table_figures(_file(tmp_path, "\ufeffmodel,latency_ms\nseaformer_t.ade20k,40\n"))
    assert (found.model, found.ms) == ("seaformer_t.ade20k", 40)


def test_a_table_without_a_model_of_the_zoo_names_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no line is of a model of the zoo \(got mine, yours\)"):
        table_figures(_file(tmp_path, "model,latency_ms\nmine,40\nyours,3\n"))


def test_a_table_with_two_latencies_of_one_model_is_refused(tmp_path: Path) -> None:
    text = "model,latency_ms,engine\nseaformer_t.ade20k,40,{0}\nseaformer_t.ade20k,80,{1}\n"
    with pytest.raises(UsageError, match=r"2 lines of seaformer_t\.ade20k fp32"):
        table_figures(_file(tmp_path, text.format("ncnn", "ncnn")))
    assert len(table_figures(_file(tmp_path, text.format("ncnn", "executorch")))) == 2


def test_a_core_without_rows_is_refused_with_every_core_that_there_is() -> None:
    with pytest.raises(UnknownName, match="Known: rpi5, sd855, sd865"):
        calibrate("sd999")
