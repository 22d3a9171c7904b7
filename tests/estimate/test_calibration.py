"""Scales and calibrations, against numbers that are computed here by other means."""

from __future__ import annotations

import csv
import json
import math
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from seaformer.core import paper, zoo
from seaformer.core.errors import ArtifactError, CorruptArtifact, UnknownName, UsageError
from seaformer.core.estimate import CYCLES, INSTRUCTIONS
from seaformer.estimate import calibration as calibrations
from seaformer.estimate import evidence as rows
from seaformer.estimate.calibration import Calibration, calibrate, load, save, shipped
from seaformer.estimate.figures import Figure
from seaformer.estimate.published import does_the_same_work, published
from seaformer.estimate.scale import (
    WIDEST,
    Point,
    Rule,
    best_rule,
    fit,
    interval_factor,
    left_out_errors,
    make_scale,
)

# Two families: what one family is estimated by is the median of the other's ratios (of logarithms).
POINTS = (
    Point("a1", "a", 100.0, 10.0),
    Point("a2", "a", 200.0, 22.0),
    Point("b1", "b", 100.0, 8.0),
    Point("b2", "b", 400.0, 40.0),
)
PAPER = Path(paper.__file__).parent / "paper"


def test_a_row_is_estimated_by_the_other_families_alone() -> None:
    of_a, of_b = math.sqrt(0.1 * 0.11), math.sqrt(0.08 * 0.1)
    errors = left_out_errors(POINTS)
    assert errors["a1"] == pytest.approx(of_b * 100 / 10 - 1)
    assert errors["a2"] == pytest.approx(of_b * 200 / 22 - 1)
    assert errors["b1"] == pytest.approx(of_a * 100 / 8 - 1)
    assert errors["b2"] == pytest.approx(of_a * 400 / 40 - 1)


def test_the_interval_is_students_of_as_many_families_as_there_are() -> None:
    logs = [math.log1p(error) for error in left_out_errors(POINTS).values()]
    rms = math.sqrt(statistics.fmean(one * one for one in logs))
    assert interval_factor(POINTS) == pytest.approx(min(math.exp(6.314 * rms), 2.0))
    three = (*POINTS, Point("c1", "c", 100.0, 9.3))
    logs = [math.log1p(error) for error in left_out_errors(three).values()]
    rms = math.sqrt(statistics.fmean(one * one for one in logs))
    assert interval_factor(three) == pytest.approx(math.exp(2.920 * rms))


def test_the_interval_of_many_rows_is_what_nine_of_ten_do_not_exceed() -> None:
    times = [10 + 0.1 * k for k in range(20)]
    many = [Point(f"{k}", "ab"[k % 2], 100.0, ms) for k, ms in enumerate(times)]
    sizes = sorted(abs(math.log1p(error)) for error in left_out_errors(many).values())
    assert interval_factor(many) == pytest.approx(math.exp(sizes[18]))
    fewer = many[:19]
    sizes = [math.log1p(error) for error in left_out_errors(fewer).values()]
    rms = math.sqrt(statistics.fmean(one * one for one in sizes))
    assert interval_factor(fewer) == pytest.approx(math.exp(6.314 * rms))


def test_models_of_a_single_family_stand_for_families() -> None:
    errors = left_out_errors(POINTS[:2])
    assert errors == pytest.approx({"a1": 0.11 * 100 / 10 - 1, "a2": 0.1 * 200 / 22 - 1})
    assert interval_factor(POINTS[:1]) == WIDEST
    models = [Point(f"a{i}", "a", 100.0, ms) for i, ms in enumerate((10.0, 10.2, 10.4, 10.6))]
    logs = [math.log1p(error) for error in left_out_errors(models).values()]
    rms = math.sqrt(statistics.fmean(one * one for one in logs))
    assert interval_factor(models) == pytest.approx(math.exp(6.314 * rms))  # as of two families
    assert make_scale(("executorch", "fp32", CYCLES), POINTS[:1]).errors == {}


def _csv(name: str) -> list[dict[str, str]]:
    with (PAPER / f"{name}.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def _counts(model: str) -> dict[str, float]:
    document = json.loads(Path(rows.__file__).with_suffix(".json").read_text(encoding="utf-8"))
    (row,) = [
        row
        for row in document["rows"]
        if (row["model"], row["engine"], row["precision"]) == (model, "executorch", "fp32")
    ]
    return dict(row)


def test_a_family_that_is_left_out_is_not_in_the_calibration() -> None:
    calibration = calibrate("sd865", ["seaformer"])
    assert calibration.left_out == ("seaformer",)
    assert not [row for row in calibration.rows if "seaformer" in row.model]
    scale = calibration.scale("executorch", "fp32", INSTRUCTIONS)
    assert scale is not None
    assert "seaformer" not in scale.families
    rivals = [row for row in calibration.rows if row.engine == "executorch" and row.inside]
    rivals = [row for row in rivals if row.precision == "fp32"]
    by_hand = statistics.median(math.log(row.ms / row.instructions) for row in rivals)
    assert scale.ns == pytest.approx(1e6 * math.exp(by_hand))


def test_a_row_that_is_far_off_moves_no_scale_of_many_rows() -> None:
    rows = [Point(f"a{i}", f"{i % 3}", 100.0, ms) for i, ms in enumerate((9.0, 10.0, 11.0, 10.0))]
    far = [*rows, Point("far", "far", 100.0, 100.0)]
    assert fit(far) == pytest.approx(fit(rows)) == pytest.approx(1e6 * 0.1)


def test_the_rivals_alone_foretell_seaformers_published_latencies() -> None:
    scale = calibrate("sd865", ["seaformer"]).scale("executorch", "fp32", CYCLES)
    assert scale is not None
    lines = {line["backbone"]: line for line in _csv("table02_ade20k")}
    errors = []
    for size in "tsbl":
        ms = float(lines[f"SeaFormer-{size.upper()}"]["latency_ms"])
        counted = _counts(f"seaformer_{size}.ade20k")["cycles"]
        errors.append(abs(scale.ms(counted, attends=True) / ms - 1))
    assert statistics.fmean(errors) < 0.02
    assert max(errors) < 0.04


def test_the_calibrations_of_the_package_are_what_calibrate_makes() -> None:
    assert calibrations.shipped_cores() == ("rpi5", "sd855", "sd865")
    for core in calibrations.shipped_cores():
        assert shipped(core) == calibrate(core), f"seaformer estimate calibrate --core {core}"


def test_a_published_row_whose_model_does_other_work_is_not_bound() -> None:
    assert "seaformer_b.ade20k" in {each.model for each in published("sd865")}
    entry = zoo.entries()["seaformer_b.ade20k"]  # 1.76 G of convolutions here, 1.8 G in the paper
    assert does_the_same_work(entry)
    for factor in (0.8, 1.2):
        macs = round(factor * entry.macs)
        assert not does_the_same_work(replace(entry, macs=macs, paper_flops=macs)), factor
    widths = {each.model: each.ms for each in published("sd855")}
    assert widths["mobilenetv2_100.imagenet"] == 20.74
    assert widths["mobilenetv1_x025.imagenet"] == 2.88


def test_a_calibration_comes_back_from_its_file(tmp_path: Path) -> None:
    made = calibrate("sd865", ["topformer", "mobilenetv2"])
    save(tmp_path / "c.json", made)
    assert load(tmp_path / "c.json") == made


@pytest.mark.parametrize(
    ("name", "version"), [("executorch", "1.4.0+cpu"), ("llvm", "20.1.0"), ("qemu", "9.0.0")]
)
def test_other_versions_are_refused_with_the_reason(name: str, version: str) -> None:
    calibration = shipped("sd865")
    calibration.check_version(name, calibration.versions[name])
    calibration.check_version("qemu", "8.2.2")
    with pytest.raises(ArtifactError, match=f"holds for {name} .*got {version[:5]}"):
        calibration.check_version(name, version)


def test_what_no_calibration_covers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No calibration covers the core 'rpi9'"):
        shipped("rpi9")
    with pytest.raises(UsageError, match="does not cover onnxruntime") as refused:
        shipped("sd865").check_engine("onnxruntime")
    assert "or the file, for one of them (seaformer export" in refused.value.hint
    with pytest.raises(UnknownName, match="Unknown family"):
        calibrate("sd865", ["seaformers"])
    with pytest.raises(UsageError, match="Too few rows are left"):
        calibrate("sd865", sorted({row.family for row in shipped("sd865").rows}))
    (tmp_path / "d.json").write_text("{", encoding="utf-8")
    with pytest.raises(CorruptArtifact):
        load(tmp_path / "d.json")
    empty: Calibration = replace(shipped("sd865"), scales=())
    save(tmp_path / "e.json", empty)
    with pytest.raises(ArtifactError, match="has no scale"):
        load(tmp_path / "e.json")


def test_a_core_without_latencies_has_the_scale_of_its_kin_by_the_clocks_and_says_so() -> None:
    board, kin = shipped("rpi5"), shipped("sd855")
    for scale, other in zip(board.scales, kin.scales, strict=True):
        assert scale.ns == pytest.approx(other.ns * 2.84 / 2.4)
        assert (scale.factor, scale.errors) == (WIDEST, {})
    assert board.doubts == (
        "no latency of rpi5 is known, its scale is that of sd855, by clocks of 2.84 and 2.4 GHz",
    )
    assert kin.doubts == ()


def points(families: str, times: tuple[float, ...], *, attends: bool = False) -> list[Point]:
    pairs = zip(families, times, strict=True)
    return [Point(f"{name}1", name, 100.0, ms, attends) for name, ms in pairs]


def test_networks_that_attend_are_estimated_by_such_where_that_is_no_worse() -> None:
    alike = points("abcd", (10, 11, 10, 10), attends=True)
    others = points("efgh", (14, 15, 16, 17))
    scale = make_scale(("e", "p", "cycles"), [*alike, *others])
    assert scale.ms(100.0, attends=True) == pytest.approx(10.0)
    assert scale.ms(100.0) == pytest.approx(fit([*alike, *others]) / 1e4)
    assert scale.errors["a1"] == pytest.approx(0.0)
    few = make_scale(("e", "p", "cycles"), [*alike[:2], *others])
    assert few.ms(100.0, attends=True) == few.ms(100.0)
    apart = points("abcd", (8, 8, 16, 16), attends=True)
    between = points("efghi", (11, 11, 11, 11, 11))
    assert make_scale(("e", "p", "cycles"), [*apart, *between]).attending_ns is None


def test_a_cycle_is_one_of_the_clock_where_that_is_better_for_networks_that_do_not_attend() -> None:
    alike = points("abcd", (13, 13, 13, 13), attends=True)
    others = points("efgh", (10, 11, 10, 9))
    clock = 1e5  # nanoseconds: 100 cycles take 10 ms
    rule = best_rule([*alike, *others], clock)
    assert rule == Rule(kin=True, clock_ns=clock)
    scale = make_scale(("e", "p", CYCLES), [*alike, *others], rule=rule)
    assert scale.ms(100.0) == pytest.approx(10.0)
    assert scale.ms(100.0, attends=True) == pytest.approx(13.0)
    assert scale.errors["f1"] == pytest.approx(10 / 11 - 1)
    assert best_rule([*alike, *others], 3 * clock).clock_ns is None
    assert best_rule(alike, clock).clock_ns is None  # nothing here that it would be better for


def test_networks_that_attend_have_rows_of_such_where_the_errors_are_nearly_equal() -> None:
    some = points("abcdef", (10.0, 10.9, 10.0, 10.9, 10.5, 10.4), attends=True)
    assert best_rule([*some, *points("xyz", (10.3, 10.3, 10.3))]).kin  # errors are 1 % more by that
    assert not best_rule([*some, *points("xyz", (10.4, 10.4, 10.4))]).kin  # and 16 % more


def test_measured_rows_are_not_held_against_a_clock() -> None:
    scale = shipped("sd865").scale("executorch", "fp32", CYCLES)
    assert scale is not None
    assert scale.rule.clock_ns == pytest.approx(1 / 2.84)
    models = ("seaformer_t.ade20k", "mobilenetv2_100.imagenet", "mobilenetv3_l.imagenet")
    figures = [Figure(model, "fp32", 50.0, "a phone", measured=True) for model in models]
    mine = calibrate("mine", figures=figures).scale("executorch", "fp32", CYCLES)
    assert mine is not None
    assert mine.rule.clock_ns is None


def test_an_interval_of_two_families_is_no_narrower_than_that_in_single_precision() -> None:
    near = (Point("a1", "a", 100.0, 10.0), Point("b1", "b", 100.0, 10.1))
    wide = (*near, Point("c1", "c", 100.0, 12.0))
    assert 1 < interval_factor(near) < interval_factor(wide) < WIDEST
    assert interval_factor(near, wide) == interval_factor(wide)
    assert interval_factor(wide, near) == interval_factor(wide)


@pytest.mark.parametrize("field", ["ns", "attending_ns", "factor"])
@pytest.mark.parametrize("value", [-1.0, 0.0])
def test_a_calibration_whose_numbers_scale_nothing_is_refused(
    field: str, value: float, tmp_path: Path
) -> None:
    whole = shipped("sd865")
    changed = replace(whole, scales=(replace(whole.scales[0], **cast(Any, {field: value})),))
    save(tmp_path / "c.json", changed)
    with pytest.raises(ArtifactError, match=rf"c\.json: {field} of .* must be "):
        load(tmp_path / "c.json")
