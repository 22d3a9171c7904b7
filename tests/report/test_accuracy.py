"""Measured accuracy in the report: beside the latency of the same file, and only where there is."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from seaformer.cli import app
from seaformer.core.accuracy import Accuracy
from seaformer.core.measurement import MethodRun
from seaformer.core.runs import Runs
from seaformer.report import make_report
from seaformer.report.accuracy import accuracy_rows, cells
from seaformer.report.table import build
from seaformer.store.accuracy import append
from tests.fakes.accuracies import accuracy as made_accuracy
from tests.fakes.measurements import measurement, method, process

SIZE = (1, 3, 512, 512)  # of the measurements made up


def accuracy(number: int, **changes: Any) -> Accuracy:
    return made_accuracy(number, **{"input_shape": SIZE} | changes)


def test_accuracy_is_beside_the_latency_of_the_same_file(tmp_path: Path) -> None:
    timed = measurement(1)
    records = (
        accuracy(1, artifact_sha256=timed.artifact_sha256, miou=20.0),
        accuracy(2, artifact_sha256=timed.artifact_sha256, miou=40.0),
        accuracy(3, format="", artifact_sha256="", miou=41.5, data="<b>|set"),
    )
    runs = Runs((timed,), accuracies=records)
    made = {file.name: file.text for file in make_report(tmp_path, runs).files}
    rows = list(csv.DictReader(made["tables/accuracy.csv"].splitlines()))
    by_format = {row["format"]: row for row in rows}
    assert sorted(by_format) == ["eager", "onnx"]
    assert by_format["onnx"]["miou"] == "40"
    assert by_format["onnx"]["measurement_id"] == timed.id
    assert float(by_format["onnx"]["median_ms"]) > 0
    assert by_format["eager"]["median_ms"] == ""
    latency = by_format["onnx"]["median_ms"]
    for name in ("report.md", "report.html"):
        assert "38.50–41.25" in made[name], name
        assert f"{float(latency):.2f}" in made[name], name
        assert "<b>|set" not in made[name], name


def test_precisions_of_a_network_are_side_by_side_with_accuracy_and_latency(tmp_path: Path) -> None:
    scores = {"fp32": 40.0, "fp16": 39.9, "int8": 39.2}
    timed = tuple(
        measurement(
            number, precision=name, artifact_sha256=str(number) * 64,
            methods={"forward": method(40.0 - 10 * number)},
        )
        for number, name in enumerate(scores, 1)
    )  # fmt: skip
    records = tuple(
        accuracy(i, precision=each.precision, miou=scores[each.precision],
                 artifact_sha256=each.artifact_sha256)
        for i, each in enumerate(timed, 1)
    )  # fmt: skip
    made = {
        file.name: file.text
        for file in make_report(tmp_path, Runs(timed, accuracies=records)).files
    }
    rows = list(csv.DictReader(made["tables/accuracy.csv"].splitlines()))
    assert {row["precision"]: float(row["miou"]) for row in rows} == scores
    latencies = {row["precision"]: float(row["median_ms"]) for row in rows}
    assert latencies["fp32"] > latencies["fp16"] > latencies["int8"] > 0
    for name in ("report.md", "report.html"):
        for precision, score in scores.items():
            assert f"onnx {precision} logits" in made[name], (name, precision)
            assert f"{score:.2f}" in made[name], (name, precision)
            assert f"{latencies[precision]:.2f}" in made[name], (name, precision)


def test_a_file_that_took_no_time_is_in_the_table_and_not_in_the_picture(tmp_path: Path) -> None:
    timed = measurement(1, methods={"forward": MethodRun((0, 0), (process(2),))})
    runs = Runs((timed,), accuracies=(accuracy(1, artifact_sha256=timed.artifact_sha256),))
    made = {file.name: file.text for file in make_report(tmp_path, runs).files}
    (row,) = csv.DictReader(made["tables/accuracy.csv"].splitlines())
    assert row["median_ms"] == "0"
    assert "evaluated-title" not in made["report.html"]


def test_two_files_that_differ_in_their_ranges_alone_are_two_rows(tmp_path: Path) -> None:
    files = ("t__int8.onnx", "t__int8__mse.onnx", "t__int8.onnx")
    records = [
        accuracy(n, precision="int8", artifact_file=file, miou=10.0 * n)
        for n, file in enumerate(files, 1)
    ]
    runs = Runs(accuracies=(*records, accuracy(4, artifact_file="t.onnx")))
    made = {file.name: file.text for file in make_report(tmp_path, runs).files}
    rows = list(csv.DictReader(made["tables/accuracy.csv"].splitlines()))
    assert {(row["artifact_file"], row["miou"]) for row in rows} == {
        ("t__int8.onnx", "30"), ("t__int8__mse.onnx", "20"), ("t.onnx", "40"),
    }  # fmt: skip
    shown = {row[2] for row in cells(accuracy_rows(build(runs)))}
    assert shown == {
        "onnx int8 logits (t__int8.onnx)", "onnx int8 logits (t__int8__mse.onnx)",
        "onnx fp32 logits",
    }  # fmt: skip


def test_an_evaluation_on_a_device_is_a_row_beside_that_of_this_machine(tmp_path: Path) -> None:
    timed = measurement(1)
    places = ("", "emulator", "<i>|")
    records = tuple(
        accuracy(n, device=place, miou=10.0 * n, artifact_sha256=timed.artifact_sha256)
        for n, place in enumerate(places, 1)
    )
    runs = Runs((timed,), accuracies=records)
    made = {file.name: file.text for file in make_report(tmp_path, runs).files}
    rows = list(csv.DictReader(made["tables/accuracy.csv"].splitlines()))
    assert {(row["evaluated_on"], row["miou"]) for row in rows} == {
        ("host", "10"), ("emulator", "20"), ("<i>|", "30"),
    }  # fmt: skip
    shown = {(row[2], row[5], row[8]) for row in cells(accuracy_rows(build(runs)))}
    assert ("onnx fp32 logits", "emulator", "20.00") in shown
    section = made["report.html"].partition('<section id="evaluated"')[2].partition("</section>")[0]
    assert section.count("<circle") == 1
    for name in ("report.md", "report.html"):
        assert "evaluated on" in made[name], name
        assert "<i>|" not in made[name], name


def test_a_picture_has_a_point_for_each_file_with_both(tmp_path: Path) -> None:
    one, two = measurement(1), measurement(2, precision="fp16", artifact_sha256="b" * 64)
    records = (
        accuracy(1, artifact_sha256=one.artifact_sha256),
        accuracy(2, artifact_sha256="b" * 64, precision="fp16", miou=39.5, miou_low=None),
        accuracy(3, artifact_sha256="b" * 64, data="another set"),
        accuracy(4, artifact_sha256="c" * 64, scope="argmax"),
    )
    runs = Runs((one, two), accuracies=records)
    made = {file.name: file.text for file in make_report(tmp_path, runs).files}
    section = made["report.html"].partition('<section id="evaluated"')[2].partition("</section>")[0]
    title = re.search(r'<title id="evaluated-title">([^<]*)<', section)
    assert title is not None
    assert title[1].startswith(
        "Measured accuracy against measured latency: shapes val (40 images, whole), on "
    )
    facts = re.search(r'<desc id="evaluated-desc">([^<]*)<', section)
    assert facts is not None
    assert "seaformer_t.synth 512x512 onnx fp32 logits: 40.00 % (38.50 to 41.25), " in facts[1]
    assert "seaformer_t.synth 512x512 onnx fp16 logits: 39.50 %, " in facts[1]
    assert section.count("<circle") == 2
    assert section.count('class="whisker measured"') == 2


def test_without_evaluations_no_document_has_them(tmp_path: Path) -> None:
    made = {file.name: file.text for file in make_report(tmp_path, Runs((measurement(1),))).files}
    assert "tables/accuracy.csv" not in made
    assert "## Accuracy" not in made["report.md"]
    assert "Measured accuracy" not in made["report.html"]


def test_a_folder_of_evaluations_alone_is_reported(tmp_path: Path) -> None:
    append(tmp_path, accuracy(1))
    shown = CliRunner().invoke(app, ["report", "--results", str(tmp_path)])
    assert shown.exit_code == 0, shown.output
    for each in ("seaformer_t.synth", "mIoU", "40.00", "report.html", "seaformer bench"):
        assert each in shown.output, each
    assert "seaformer_t.synth" in (tmp_path / "tables" / "accuracy.csv").read_text()
    summary = CliRunner().invoke(app, ["report", "--results", str(tmp_path), "--github"])
    assert "| seaformer_t.synth | 512x512 |" in summary.output


def test_a_latency_is_of_the_size_and_the_number_of_images_that_were_evaluated() -> None:
    sha = "d" * 64
    timed = [
        measurement(1, model="net", artifact_sha256=sha),
        measurement(2, model="net", artifact_sha256=sha, input_shape=(1, 3, 64, 64)),
        measurement(3, model="net[2x3x512x512]", artifact_sha256=sha, input_shape=(2, 3, 512, 512)),
    ]
    records = (
        accuracy(1, model="net", artifact_sha256=sha),
        accuracy(2, model="net", artifact_sha256=sha, input_shape=(1, 3, 128, 128)),
    )
    report = build(Runs(tuple(timed), accuracies=records))
    joined = {row.accuracy.input_shape: row.latency for row in accuracy_rows(report)}
    assert joined[1, 3, 128, 128] is None
    latency = joined[SIZE]
    assert latency is not None
    assert latency.measurement_id == timed[0].id
    assert len(accuracy_rows(report)) == 2
