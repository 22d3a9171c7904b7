"""The paper's table with our column beside it: what is ours is never in the paper's column."""

from __future__ import annotations

from dataclasses import replace

from seaformer.core.counts import Counts
from seaformer.core.measurement import Flag, Measurement, MethodRun
from seaformer.reproduce import table as reproduction
from seaformer.reproduce.page import MISSING, Page
from seaformer.reproduce.plan import TABLES, Work, plan
from seaformer.reproduce.run import Answer
from seaformer.reproduce.table import ReproducedRow, measured_page
from tests.fakes.measurements import emulated, measurement, method

TABLE = TABLES["table2"]
PLAN = plan(TABLE)


def ours(**by_model: Measurement) -> dict[Work, Answer]:
    return {
        work: Answer(work, by_model[work.model.partition(".")[0]])
        for work in PLAN.works
        if work.model.partition(".")[0] in by_model
    }


def all_lines(measurement: Measurement | None, reason: str) -> dict[Work, Answer]:
    return {work: Answer(work, measurement, reason) for work in PLAN.works}


def counted(instructions: int) -> MethodRun:
    run = method(processes=1, count=1)
    return replace(run, counts=(Counts(instructions, *(9,) * 8, 0, 9, 9),))


def line_of(found: Page[ReproducedRow], name: str) -> dict[str, str]:
    row = next(row for row in found.rows if row.planned.label[0] == name)
    return {column.title: column.text(row) for column in found.columns}


def test_a_measured_line_has_ratio_interval_and_scope_beside_the_papers() -> None:
    small = measurement(2, model="seaformer_s.ade20k", methods={"forward": method(40.0)})
    found = measured_page(PLAN, ours(seaformer_t=measurement(1), seaformer_s=small))
    told = line_of(found, "SeaFormer-S*")
    assert told["paper ms"] == "67"
    assert (told["paper M"], told["paper G"], told["paper mIoU"]) == ("4", "1.1", "39.4")
    assert not {"params M", "GFLOPs", "mIoU"} & set(told)
    assert told["Example CPU 9 ms"].startswith(("39.", "40."))
    assert "–" in told["95 % interval ms"]
    assert told["ratio to paper"].startswith(("0.59", "0.60"))
    assert (told["paper, relative"], told["scope"]) == ("1.68", "logits")
    assert told["ours, relative"].startswith(("1.9", "2.0"))
    assert reproduction.reference_of(found.rows) == "SeaFormer-T Light Head"
    assert any("ratio compares machines" in note for note in found.notes)


def test_the_papers_column_is_the_papers_whatever_was_measured() -> None:
    alone = measured_page(PLAN, {})
    filled = measured_page(PLAN, ours(seaformer_t=measurement(1)))
    for one, other in zip(alone.rows, filled.rows, strict=True):
        before = line_of(alone, one.planned.label[0])["paper ms"]
        assert before == line_of(filled, other.planned.label[0])["paper ms"]


def test_an_emulated_core_fills_instructions_and_no_time_anywhere() -> None:
    run = {"forward": counted(123_000_000)}
    found = measured_page(PLAN, ours(seaformer_t=emulated(1, methods=run)))
    told = line_of(found, "SeaFormer-T")
    assert told["qemu Cortex-A76 instructions M"] == "123.00"
    assert told["ratio to paper"] == "-"
    assert not any(name.endswith(" ms") and name != "paper ms" for name in told)
    text = found.markdown()
    assert "20." not in text.partition("SeaFormer-T |")[2].partition("\n")[0]
    assert "no time" in text


def test_a_line_without_a_model_has_no_figure_and_the_reason_why() -> None:
    planned = plan(TABLES["table14"])
    work = next(work for work in planned.works if work.model == "seaformer_t.imagenet")
    found = measured_page(planned, {work: Answer(work, measurement(1))})
    told = line_of(found, "AxialFormer")
    assert found.notes[0] == (
        "1 of 32 lines measured. 1 line has no model, for the reason in the note."
    )
    assert told["note"].endswith("whose classification network is not described")
    unknown = measured_page(plan(TABLE, models=[]), {})
    assert line_of(unknown, "SeaFormer-T")["note"] == MISSING
    assert (told["paper ms"], told["Example CPU 9 ms"], told["ratio to paper"]) == ("151", "-", "-")


def test_the_reason_is_in_the_line() -> None:
    answers = all_lines(None, "not exported: no")
    assert line_of(measured_page(PLAN, answers), "SeaFormer-B")["note"] == "not exported: no"
    left = measured_page(PLAN, {})
    assert line_of(left, "SeaFormer-B")["note"] == "not measured"
    doubtful = measurement(1, flags=(Flag("busy machine", False, "x"),))
    found = measured_page(PLAN, ours(seaformer_t=doubtful))
    assert line_of(found, "SeaFormer-T")["note"] == "busy machine"


def test_figure_10_compares_shares_with_shares() -> None:
    table = TABLES["figure10"]
    planned = plan(table)
    parts = {"forward": 20.0, "stem": 10.0, "context": 6.0, "spatial": 2.0, "head": 1.0}
    runs = {name: method(ms, seed=i) for i, (name, ms) in enumerate(parts.items())}
    one = measurement(1, methods=runs)
    found = measured_page(planned, {work: Answer(work, one) for work in planned.works})
    shares = {row.planned.method: row.share for row in found.rows}
    assert {name: round(share or 0) for name, share in shares.items()} == {
        "stem": 50,
        "context": 30,
        "spatial": 10,
        "head": 5,
    }
    assert all(row.ratio is None for row in found.rows)
    first = {column.title: column.text(found.rows[0]) for column in found.columns}
    assert (first["component"], first["paper %"]) == ("shared STEM", "49")
    assert first["Example CPU 9 %"].startswith(("49.", "50."))


def test_a_failed_run_has_no_figure() -> None:
    one = measurement(1, methods={}, failure="it died")
    answers = all_lines(one, "failed: it died")
    found = measured_page(PLAN, answers)
    assert line_of(found, "SeaFormer-T")["note"] == "failed: it died"
    assert all(row.median_ms is None for row in found.rows)
