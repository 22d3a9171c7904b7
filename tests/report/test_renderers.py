"""What the tables look like."""

from __future__ import annotations

import csv as reader
import io
import re
import xml.etree.ElementTree as Xml
from dataclasses import replace

import pandas as pd
import pytest

from seaformer.core.files import DamagedFile
from seaformer.core.measurement import Flag, Measurement
from seaformer.report.renderers import _shapes, csv, github, html, markdown, svg, terminal
from seaformer.report.table import Report, table_of
from tests.fakes.measurements import (
    NOISY,
    OFF_CORE,
    counted,
    emulated,
    failed,
    measurement,
    method,
)
from tests.fakes.reports import report_of

PARTS = {"forward": method(38.0), "stem": method(14.0), "head": method(6.0)}
MADE = (
    measurement(1),
    measurement(2, format="onnx", runtime="onnxruntime", flags=(NOISY,)),
    measurement(3, model="seaformer_s.ade20k", methods=PARTS, paper_latency_ms=67.0),
    measurement(4, model="seaformer_b.ade20k", flags=(OFF_CORE,), paper_latency_ms=None),
    failed(5),
)
HOSTILE = "\x1b[31m| `<script>` [link](x)\n# not a title \ud800 ]]> _so_ [bold]"


def report() -> Report:
    return report_of([*MADE, emulated(6)], [DamagedFile("runs/x/bad.json", "is cut short")])


def parsed(text: str) -> list[dict[str, str]]:
    return list(reader.DictReader(io.StringIO(text)))


def test_the_terminal_shows_every_figure_and_the_paper_on_its_own_side() -> None:
    text = terminal.text(table_of(MADE))
    line = next(line for line in text.splitlines() if "seaformer_s.ade20k" in line)
    ours, paper = line.split("║")
    assert ours.split()[0] == "seaformer_s.ade20k"
    assert "37.9" in ours
    assert "–" in ours
    assert paper.strip() == "67"
    for header in ("95 % interval", "p90", "p99", "min", "peak", "load", "size", "SD865, TNN"):
        assert header in text


def test_the_terminal_says_what_is_wrong_with_a_number() -> None:
    text = terminal.text(table_of(MADE))
    assert "no: pinning_broken" in text
    assert "invalid: pinning_broken: 3 of 120 samples were taken off cpu1" in text
    assert "failed: The runner was killed by signal 9." in text
    assert "yes (noisy)" in text


def test_the_terminal_says_once_what_holds_for_every_row_and_the_rest_in_a_line_each() -> None:
    busy = Flag("busy machine", False, "other programs took 23 % of all cores")
    wide = [Flag("wide interval", False, f"{part}: +-2 %") for part in ("stem", "head")]
    rows = (
        measurement(1, flags=(busy, *wide)),
        measurement(2, model="seaformer_s.ade20k", flags=(busy,)),
    )
    text = terminal.text(table_of(rows))
    assert text.count("other programs took 23 %") == 1
    assert "every row: note: busy machine: other programs took 23 % of all cores" in text
    assert "note: wide interval: stem: +-2 %; wide interval: head: +-2 %" in text
    assert "yes (busy machine, wide interval)" in text


def test_the_terminal_shows_components_with_their_sum_and_remainder() -> None:
    text = terminal.text(table_of(MADE))
    assert "Components of seaformer_s.ade20k" in text
    assert "remainder" in text


def test_a_part_that_was_measured_alone_has_a_row_under_its_own_name() -> None:
    alone = measurement(7, methods={"stem": method(9.0)}, paper_latency_ms=None)
    found = report_of([*MADE, alone])
    assert "seaformer_t.ade20k:stem" in terminal.text(found.table)
    assert "| seaformer_t.ade20k:stem |" in markdown.document(found)
    assert "seaformer_s.ade20k:stem" not in markdown.document(found)


def test_the_size_of_the_input_is_in_every_row() -> None:
    wide = measurement(7, input_shape=(1, 3, 512, 1024))
    rows = [line.split() for line in terminal.text(table_of([measurement(1), wide])).splitlines()]
    assert [row[1] for row in rows if row[:1] == ["seaformer_t.ade20k"]] == ["512x512", "512x1024"]


def test_an_empty_table_is_a_sentence_with_the_next_command() -> None:
    assert "seaformer bench --variant t" in terminal.text(table_of([]))


def test_an_emulated_row_shows_what_was_counted_and_not_one_millisecond() -> None:
    made = report_of([emulated()])
    for shown in (terminal.text(made.table), markdown.document(made)):
        words = " ".join(shown.split())
        for told in (
            "264.73",
            "0.0001 %",
            "1231.8",
            "109.5",
            "4577",
            "1943",
            "5.7e-05",
            "fp32",
            "132.5",
            "100.00",
        ):
            assert told in words, told
        assert "It is not a latency" in words
        assert "Peak memory includes the emulator's own" in words
        assert "emulated" in words
        assert "6000" not in words  # the milliseconds that the emulator took
    assert "### Latency" not in markdown.document(made)
    assert not terminal.text(made.table).startswith("Latency")
    assert "No latency has been measured yet." in svg.picture(made)


def test_an_emulated_row_has_no_column_of_times_on_the_terminal_or_in_markdown() -> None:
    made = report_of([emulated()])
    shown = terminal.text(made.table) + markdown.document(made).partition("### Emulated")[2]
    header = [line for line in shown.splitlines() if "ms" in line.replace("|", " ").split()]
    assert header == []


def test_an_emulated_row_without_counts_has_dashes_and_no_milliseconds() -> None:
    bare = emulated(methods={"forward": method(6000.0)})
    for shown in (terminal.text(table_of([bare])), markdown.document(report_of([bare]))):
        assert "6000" not in shown
        assert "5999" not in shown
        assert shown.count(" - ") >= 5


def everywhere(*made: Measurement) -> dict[str, str]:
    """What every renderer says of these, in one line each."""
    report = report_of(made)
    shown = {
        "terminal": terminal.text(report.table),
        "markdown": markdown.document(report),
        "github": github.summary(report),
        "html": re.sub(r"<[^>]*>", " ", html.page(report)),
    }
    return {name: " ".join(text.split()) for name, text in shown.items()}


def test_nothing_says_of_an_emulated_row_that_it_was_counted_when_nothing_counted_it() -> None:
    whole, bare = emulated(1), emulated(2, methods={"forward": method(6000.0)})
    known, none, some = everywhere(whole), everywhere(bare), everywhere(whole, bare)
    long, short = (
        "Nothing was counted there",
        "the answer alone; nothing was counted, and no latency",
    )
    said = {"terminal": long, "markdown": long, "github": short, "html": short}
    for name, words in said.items():
        assert "exact" in known[name], name
        assert words not in known[name], name
        assert words in none[name], name
        assert "counted exactly" not in none[name], name
    for name in ("terminal", "markdown"):
        assert "counted exactly" in some[name]
        assert "Rows without instructions ran where nothing counts them" in some[name]
    assert short in some["github"]  # the newest of either alone
    assert "where they were counted; no latency" in some["html"]
    assert "ran where nothing counts them" in some["html"]


def test_emulated_and_measured_rows_stand_in_tables_of_their_own() -> None:
    shown = terminal.text(table_of([measurement(1), emulated(2)]))
    latency, counts = shown.split("Emulated: ")
    assert "264.73" not in latency
    assert "20.0" in latency
    assert "median" not in counts


def test_components_of_an_emulated_run_are_shares_of_instructions() -> None:
    parts = {"forward": counted(200_000_000), "stem": counted(90_000_000)}
    made = report_of([emulated(methods=parts)])
    for shown in (terminal.text(made.table), markdown.document(made)):
        assert "90.00" in shown
        assert "45.00 %" in shown
        assert "55.00 %" in shown
        assert "median" not in shown.partition("omponents of")[2].split("Files skipped")[0]


def test_the_csv_of_emulated_rows_holds_every_count_and_no_time() -> None:
    (line,) = parsed(csv.table(table_of([emulated()]), emulated=True))
    assert [name for name in line if name.endswith(("_ms", "_mhz"))] == []
    assert line["source"] == "emulated"
    assert (line["instructions"], line["executed"]) == ("264728048", "fp32")
    assert (line["loaded_bytes"], line["system_misses"]) == ("1231790283", "1943000")
    assert line["vector_fma"] == line["fma_fp32"]
    assert (line["n"], line["processes"], line["valid"]) == ("3", "3", "true")
    bare = emulated(methods={"forward": method(6000.0)})
    (line,) = parsed(csv.table(table_of([bare]), emulated=True))
    assert (line["instructions"], line["l1_misses"], line["counts_spread"]) == ("", "", "")


def test_the_csv_of_emulated_rows_has_the_digits_of_a_tiny_error() -> None:
    run = counted()
    assert run.output is not None
    tiny = replace(run, output=replace(run.output, max_abs=3.14159265e-08))
    (line,) = parsed(csv.table(table_of([emulated(methods={"forward": tiny})]), emulated=True))
    assert line["output_max_abs"] == "3.14159e-08"
    assert float(line["counts_spread"]) == pytest.approx(300 / 264_728_048, rel=1e-5)


def test_the_csv_of_measured_rows_has_no_column_of_counts() -> None:
    assert not {"instructions", "l1_misses", "executed"} & set(csv.COLUMNS)


def test_csv_holds_every_row_with_units_in_the_names() -> None:
    lines = parsed(csv.table(table_of(MADE)))
    assert len(lines) == 7
    first = lines[0]
    assert float(first["median_ms"]) == pytest.approx(20.0, rel=0.01)
    assert (first["cpus"], first["valid"], first["failure"]) == ("1", "true", "")
    assert lines[-1]["median_ms"] == ""
    assert lines[-1]["failure"] == "The runner was killed by signal 9."
    assert lines[5]["flags"].startswith("pinning_broken (fatal): 3 of 120")


def test_csv_is_read_by_pandas_as_numbers() -> None:
    frame = pd.read_csv(io.StringIO(csv.table(table_of(MADE))))
    assert frame["median_ms"].dtype == "float64"
    assert frame["n"].dtype == "int64"


def test_csv_has_a_line_per_process() -> None:
    lines = parsed(csv.processes(report().processes))
    assert len(lines) == 6 * 3
    assert [line["process"] for line in lines[:3]] == ["1", "2", "3"]
    assert lines[0]["n"] == "40"
    assert lines[0]["sample_cpus"] == "1"


def test_empty_tables_keep_their_header() -> None:
    assert csv.table(table_of([])) == ",".join(csv.COLUMNS) + "\n"
    assert csv.processes([]) == ",".join(csv.PROCESS_COLUMNS) + "\n"


def test_the_report_names_conditions_reasons_failures_and_skipped_files() -> None:
    text = markdown.document(report())
    for told in (
        "6 measurements on 2 devices, 1 emulated, 1 not valid, 1 failed, 1 file skipped",
        "](report.svg)",
        "## Example CPU 9",
        "| logits |",
        "cpp release",
        "prime = cpu1 Example CPU 9",
        "2990 to 3000 MHz",
        "0123456789abcdef",
        "**invalid**: pinning_broken: 3 of 120 samples",
        "## Failed runs",
        "The runner was killed by signal 9.",
        "`runs/x/bad.json`: is cut short",
        "paper (SD865, TNN, 1 core) ms",
    ):
        assert told in text, told


def test_every_line_of_a_markdown_table_has_as_many_cells_as_its_header() -> None:
    flags = (Flag("a|b", True, "|"),)
    made = report_of([measurement(1, model=HOSTILE, runner=HOSTILE, flags=flags)])
    text = markdown.document(made)
    width = None
    for line in text.splitlines():
        if not line.startswith("|"):
            width = None
            continue
        cells = line.replace("\\|", "").count("|")
        assert width is None or cells == width
        width = cells


def test_text_from_devices_and_files_stays_text() -> None:
    damaged = [DamagedFile(f"runs/{HOSTILE}.json", HOSTILE)]
    made = report_of([measurement(1, model=HOSTILE), failed(2, HOSTILE)], damaged)
    text = markdown.document(made)
    assert "<script>" not in text.partition("## Files skipped")[0]
    assert "&lt;script&gt;" in text
    assert "\n# not" not in text
    for shown in (text, terminal.text(made.table), csv.table(made.table), svg.picture(made)):
        assert "\x1b" not in shown
        shown.encode()
    assert "[bold]" in terminal.text(made.table)


def drawn(found: Report) -> Xml.Element:
    return Xml.fromstring(svg.picture(found))


def words(picture: Xml.Element) -> str:
    return " ".join(picture.itertext())


def test_the_picture_is_well_formed_whatever_the_names_are() -> None:
    drawn(report_of([measurement(1, model=HOSTILE, runtime=HOSTILE)]))


def test_the_picture_has_a_bar_a_whisker_and_words_for_every_latency() -> None:
    picture = drawn(report())
    space = "{http://www.w3.org/2000/svg}"
    styles = [bar.get("class") for bar in picture.iter(f"{space}rect")]
    assert styles == ["ground", "doubt", "bar", "bar", "bar"]
    assert picture.get("role") == "img"
    assert words(picture).count("not valid") == 2
    assert "seaformer_s.ade20k 512x512, executorch 1.5.1 fp32" in words(picture)
    assert "prefers-color-scheme: dark" in words(picture)


def test_a_bar_is_as_long_as_its_median_and_the_whisker_as_its_interval() -> None:
    made = report_of([measurement(1)])
    row = made.table.rows[0]
    picture, space = drawn(made), "{http://www.w3.org/2000/svg}"
    bar = list(picture.iter(f"{space}rect"))[1]
    lines = [one for one in picture.iter(f"{space}line") if one.get("class") == "whisker"]
    assert row.median_ms is not None
    assert row.ci95_low_ms is not None
    start = float(bar.get("x", "0"))
    scale = float(bar.get("width", "0")) / row.median_ms
    low = start + row.ci95_low_ms * scale
    assert float(lines[0].get("x1", "0")) == pytest.approx(low, abs=0.02)


@pytest.mark.parametrize(
    ("value", "limit"), [(0.0, 1.0), (0.9, 1.0), (1.0, 1.0), (61.3, 100.0), (1000.0, 1000.0)]
)
def test_an_axis_ends_at_a_round_number(value: float, limit: float) -> None:
    assert _shapes.nice_limit(value) == limit


def test_the_same_measurements_give_the_same_bytes() -> None:
    for render in (markdown.document, svg.picture):
        assert render(report()) == render(report())
    assert terminal.text(report().table) == terminal.text(report().table)
    assert csv.table(report().table) == csv.table(report().table)
