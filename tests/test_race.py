"""The table of engines in the documentation is what ``tools/race.py`` makes of stored runs."""

from __future__ import annotations

from tests.pages import DOCS, read, tool

RACE = tool("race")


def test_the_page_about_engines_has_the_table_of_the_stored_runs() -> None:
    assert RACE.table() in read(DOCS / "engines.md"), "run: python tools/race.py"


def test_the_table_has_every_precision_of_the_engines_that_ran_seaformer_t() -> None:
    rows = [line.split(" | ") for line in RACE.table().splitlines()[2:]]
    seen = {(row[1], row[2]) for row in rows if row[0] == "| seaformer_t.ade20k"}
    engines = ("ExecuTorch", "ONNX Runtime", "LiteRT", "ncnn")
    assert seen >= {(engine, kind) for engine in engines for kind in ("fp32", "fp16")}
    assert all(1 < float(row[4]) < 10 for row in rows)  # nothing is below its floor
