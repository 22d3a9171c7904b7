"""``seaformer estimate`` and ``estimate calibrate`` as commands."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from seaformer.core.code_blocks import write_blocks
from seaformer.core.estimate import Estimate, PartEstimate
from seaformer.estimate.calibration import calibrate, load, save, shipped
from seaformer.report.estimate import estimate_page
from seaformer.report.terminal import lines, plain
from tests.commands.program import seaformer
from tests.commands.terminal import on_terminal
from tests.estimate.test_recorded import profile

ROW = Estimate(
    model="seaformer_t.ade20k",
    engine="executorch",
    precision="fp32",
    core="sd865",
    instructions=264_730_000,
    cycles=107_320_000.0,
    estimate_ms=41.36,
    interval_ms=(35.17, 48.64),
    inside=True,
    outside_because=(),
    components=(PartEstimate("stem", 132_000_000, 53_000_000.0, 20.68),),
    by="cycles",
    emulated="cortex-a76",
    scope="logits",
    input_shape=(1, 3, 512, 512),
    artifact_file="t.pte",
    artifact_sha256="0" * 64,
    published_ms=40.0,
    versions={"llvm": "19.1.7"},
)


def test_a_calibration_without_a_family_is_printed_and_written(tmp_path: Path) -> None:
    arguments = ("estimate", "calibrate", "--core", "sd865", "--leave-out", "seaformer,topformer")
    made = seaformer(*arguments, "--out", "rivals.json", cwd=tmp_path)
    assert made.code == 0, made.err
    assert "mobilenetv3_l.ade20k" in made.out
    assert "seaformer_t" not in made.out
    calibration = load(tmp_path / "rivals.json")
    assert calibration.left_out == ("seaformer", "topformer")
    assert "seaformer estimate --calibration rivals.json" in made.err
    again = seaformer(*arguments, "--json", cwd=tmp_path)
    assert again.code == 0, again.err
    assert json.loads(again.out)["left_out"] == ["seaformer", "topformer"]
    assert load(tmp_path / "sd865.calibration.json") == calibration


def test_recorded_code_is_estimated_as_json_by_a_calibration_without_its_family(
    tmp_path: Path,
) -> None:
    write_blocks(tmp_path / "t.blocks.jsonl", profile())
    save(tmp_path / "rivals.json", calibrate("sd865", ("seaformer",)))
    arguments = ("estimate", "t.blocks.jsonl", "--calibration", "rivals.json", "--json")
    done = seaformer(*arguments, cwd=tmp_path)
    assert done.code == 0, done.err
    (row,) = json.loads(done.out)
    assert set(row) >= {
        "model", "engine", "precision", "core", "instructions", "cycles", "estimate_ms",
        "interval_ms", "inside", "outside_because", "components",
    }  # fmt: skip
    assert (row["model"], row["core"]) == ("seaformer_t.imagenet", "sd865")
    assert row["left_out"] == ["seaformer"]
    assert row["interval_ms"][0] < row["estimate_ms"] < row["interval_ms"][1]
    assert isinstance(row["inside"], bool)


def test_a_calibration_of_other_versions_and_a_profile_cut_short_are_refused(
    tmp_path: Path,
) -> None:
    write_blocks(path := tmp_path / "t.blocks.jsonl", profile())
    made = shipped("sd865")
    for name, version in (("qemu", "5.2"), ("executorch", "1.4.0")):
        old = replace(made, versions={**made.versions, name: version})
        save(tmp_path / f"{name}.json", old)
        done = seaformer("estimate", path.name, "--calibration", f"{name}.json", cwd=tmp_path)
        assert done.code == 3
        assert f"The calibration of sd865 holds for {name} {version} (got " in done.complaint
    path.write_bytes(path.read_bytes()[:-20])
    done = seaformer("estimate", path.name, cwd=tmp_path)
    assert done.code == 3
    assert "t.blocks.jsonl" in done.complaint


def test_a_calibration_of_a_core_without_latencies_says_so(tmp_path: Path) -> None:
    made = seaformer("estimate", "calibrate", "--core", "rpi5", "--wide", cwd=tmp_path)
    assert made.code == 0, made.err
    assert "Every estimate is outside: no latency of rpi5 is known" in made.out + made.err


def test_rows_of_two_precisions_are_told_apart_at_80_columns(tmp_path: Path) -> None:
    screen = on_terminal("estimate", "calibrate", columns=80, cwd=tmp_path)
    rows = [line for line in screen.lines if line.startswith("topformer_b.ade20k ")]
    engines = [" ".join(row.split()[1:3]) for row in rows]
    assert sorted(engines) == ["executorch fp16", "executorch fp32", "ncnn fp32"]


def test_what_cannot_be_estimated_is_one_sentence(tmp_path: Path) -> None:
    def complaint(*arguments: str, code: int) -> str:
        done = seaformer("estimate", *arguments, cwd=tmp_path)
        assert done.code == code, done.err
        return done.complaint

    assert "No calibration covers the core 'rpi9'" in complaint(
        "--variant", "t", "--core", "rpi9", code=2
    )
    text = complaint("--variant", "t", "--format", "onnx", code=2)
    assert "does not cover onnxruntime: it covers executorch, ncnn" in text
    assert "none.json" in complaint("--calibration", "none.json", "--variant", "t", code=3)
    old = {"schema": 1, "core": "sd865"}
    (tmp_path / "old.json").write_text(json.dumps(old), encoding="utf-8")
    assert "old.json" in complaint("--calibration", "old.json", "--variant", "t", code=3)
    assert "Unknown family" in complaint("calibrate", "--leave-out", "vgg", code=2)


def test_a_calibration_never_takes_the_place_of_another_file(tmp_path: Path) -> None:
    arguments = ("estimate", "calibrate", "--core", "sd855", "--out", "mine.json")
    assert seaformer(*arguments, cwd=tmp_path).code == 0
    first = (tmp_path / "mine.json").read_bytes()
    assert seaformer(*arguments, cwd=tmp_path).code == 0  # the very same
    other = seaformer(*arguments, "--leave-out", "mobilenetv2", cwd=tmp_path)
    assert other.code == 2
    assert "mine.json exists already, and nothing is overwritten" in other.complaint
    assert "--out" in other.complaint
    assert (tmp_path / "mine.json").read_bytes() == first
    for option, needs in (("--column", "--rows"), ("--device", "--results")):
        lonely = seaformer("estimate", "calibrate", option, "x", cwd=tmp_path)
        assert lonely.code == 2
        assert f"{option} needs {needs}." in lonely.complaint


def test_the_table_fits_a_terminal_and_keeps_the_published_figure_apart() -> None:
    reason = "in no row of the calibration: aten.native_layer_norm (30)"
    outside = replace(ROW, precision="fp16", inside=False, outside_because=(reason,), components=())
    page = estimate_page([ROW, replace(outside, estimate_ms=20.8, interval_ms=(10.4, 41.6))])
    for line in lines(page, 80):
        assert sum(len(span.text) for span in line) <= 80
    text = plain(page)
    assert text.startswith("Estimated, not measured: sd865")
    assert "║ published" in text
    assert f"seaformer_t.ade20k executorch fp16 is outside: {reason}." in text
    assert "Lowest estimate of seaformer_t.ade20k: executorch fp16, 20.80 ms. Try it first" in text
    assert "Intervals overlap: executorch fp32 may be faster." in text
    assert "50.00 %" in text  # the stem's share of the whole
    assert "measured" not in text.replace("not measured", "")
    assert shipped("sd865").core == ROW.core


def test_an_engine_and_precision_are_named_that_should_be_tried_first() -> None:
    half = replace(ROW, engine="ncnn", precision="fp16", estimate_ms=20.0, interval_ms=(18.0, 22.0))
    other = replace(ROW, model="topformer_t.ade20k")
    text = " ".join(plain(estimate_page([ROW, half, other])).split())
    assert (
        "Lowest estimate of seaformer_t.ade20k: ncnn fp16, 20.00 ms. Try it first on the phone."
        in text
    )
    assert "may be faster" not in text
    assert "Lowest estimate of topformer_t" not in text


def test_an_export_that_cannot_be_estimated_is_refused_before_it_begins(tmp_path: Path) -> None:
    done = seaformer("export", "--variant", "t", "--format", "onnx", "--estimate", cwd=tmp_path)
    assert done.code == 2
    assert "does not cover onnxruntime: it covers executorch, ncnn" in done.complaint
    assert not list(tmp_path.glob("artifacts/*"))
