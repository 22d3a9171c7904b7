"""The paper's tables with estimates beside them: never in the paper's column, never stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from seaformer.core.artifact import Artifact
from seaformer.core.errors import ExportError, UsageError
from seaformer.core.estimate import Estimate, PartEstimate
from seaformer.reproduce.estimated import Estimates, Estimating
from seaformer.reproduce.estimated_table import EstimatedRow, estimated_page
from seaformer.reproduce.page import Page
from seaformer.reproduce.plan import TABLES, Work, plan
from seaformer.reproduce.run import Factory
from tests.commands.program import seaformer
from tests.commands.test_estimate import ROW

TABLE = TABLES["table2"]
PLAN = plan(TABLE, "seaformer_?.*")


def estimate_of(work: Work, **changes: object) -> Estimate:
    return replace(ROW, model=work.model, precision=work.precision, **cast(Any, changes))


def cells(page: Page[EstimatedRow], name: str) -> dict[str, str]:
    (row,) = [row for row in page.rows if row.planned.label[0] == name]
    return {column.title: column.text(row) for column in page.columns}


def test_an_estimate_is_beside_the_papers_figure_with_its_interval_and_difference() -> None:
    small, base = (work for work in PLAN.works if work.model[:11] in ("seaformer_s", "seaformer_b"))
    answers = {
        small: estimate_of(small, estimate_ms=73.7, interval_ms=(60.0, 90.0)),
        base: estimate_of(base, inside=False, outside_because=("not delegated: aten.erf (3)",)),
    }
    page = estimated_page(PLAN, answers, {})
    line = cells(page, "SeaFormer-S*")
    assert (line["paper ms"], line["estimate, sd865 ms"]) == ("67", "73.70")
    assert (line["90 % interval ms"], line["difference"]) == ("60.00–90.00", "+10.0 %")
    assert (line["domain"], line["note"]) == ("inside", "")
    outside = cells(page, "SeaFormer-B*")
    assert (outside["domain"], outside["note"]) == ("outside", "not delegated: aten.erf (3)")
    missing = cells(page, "SeaFormer-T")
    assert (missing["paper ms"], missing["estimate, sd865 ms"]) == ("40", "-")
    assert missing["note"] == "not estimated"
    count, difference = page.notes
    assert count.startswith("4 of 8 lines estimated")  # two lines of the paper for each
    assert "10.0 % on average, 10.0 % at most" in difference
    assert "| 73.70 |" in page.markdown()


def test_shares_of_components_are_beside_figure_10() -> None:
    table = TABLES["figure10"]
    planned = plan(table)
    (work,) = planned.works
    parts = (PartEstimate("stem", 1, 1.0, 20.0), PartEstimate("head", 1, 1.0, 5.0))
    rows = estimated_page(planned, {work: estimate_of(work, components=parts)}, {}).rows
    shares = {row.planned.name: row.share for row in rows}
    assert shares["shared STEM"] == pytest.approx(100 * 20.0 / ROW.estimate_ms)
    assert shares["light segmentation head"] == pytest.approx(100 * 5.0 / ROW.estimate_ms)
    assert shares["context branch"] is None


class Estimator:
    """Estimates what a factory made; the second file is interrupted."""

    def __init__(self, interrupt: bool) -> None:
        self._left = 1 if interrupt else 99

    def has_counted(self, artifact: Work, *, components: bool) -> bool:
        return artifact.model.startswith("seaformer_t")

    def estimate(self, artifact: Work, **_: object) -> Estimate:
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        return estimate_of(artifact)


def _make(work: Work, say: Callable[[str], None]) -> Artifact:
    say("export")
    if work.model.startswith("seaformer_l"):
        raise ExportError("too large")
    return cast(Artifact, work)


@pytest.mark.parametrize("interrupt", [False, True])
def test_what_cannot_be_exported_has_its_reason_and_an_interruption_keeps_the_rest(
    interrupt: bool,
) -> None:
    works = PLAN.works
    seen: list[str] = []
    made = Estimates(
        cast(Any, Estimator(interrupt)),
        Factory(find=lambda _: None, make=_make),
        lambda step: seen.append(f"{step.done} of {step.total}: {step.what}"),
    )
    made.run(works)
    assert seen[0] == f"0 of {len(works)}: {works[0].model} fp32: export"
    assert made.interrupted == interrupt
    if interrupt:
        assert len(made.answers) == 1
        return
    (large,) = made.reasons
    assert made.reasons[large] == "not estimated: too large"
    assert made.exit_code == ExportError.exit_code
    assert set(made.answers) | {large} == set(works)


def test_stored_answers_with_what_was_counted_before_and_makes_nothing() -> None:
    def make(work: Work, say: Callable[[str], None]) -> Artifact:
        raise AssertionError(f"{work.model} was exported")

    factory = Factory(find=lambda work: cast(Artifact, work), make=make)
    run = Estimates(cast(Any, Estimator(False)), factory, lambda _: None, stored=True)
    run.run(PLAN.works)
    assert [work.model for work in run.answers] == ["seaformer_t.ade20k"]
    assert len(run.reasons) == len(PLAN.works) - 1
    assert set(run.reasons.values()) == {"not estimated: not counted before"}
    assert run.exit_code == 0


def test_networks_above_the_limit_are_left_out_with_their_work() -> None:
    factory = Factory(find=lambda _: None, make=_make)
    run = Estimates(cast(Any, Estimator(False)), factory, lambda _: None, limit=0.8)
    run.run(PLAN.works)
    assert [work.model for work in run.answers] == ["seaformer_t.ade20k"]
    assert all("above --limit 0.8" in reason for reason in run.reasons.values())
    assert set(run.answers) | set(run.reasons) == set(PLAN.works)


@pytest.mark.parametrize("option", [("--threads", "4"), ("--again",), ("--runs", "5")])
def test_options_of_a_measurement_are_refused_where_estimates_are_asked_for(
    option: tuple[str, ...], tmp_path: Path
) -> None:
    done = seaformer("reproduce", "table2", "--device", "estimate", *option, cwd=tmp_path)
    assert done.code == 2
    assert f"{option[0]} is for measurements" in done.complaint


def test_a_core_or_file_without_calibration_is_refused(tmp_path: Path) -> None:
    factory = Factory(find=lambda _: None, make=_make, engines=("executorch",))
    with pytest.raises(UsageError, match="No calibration covers the core 'sd999'"):
        Estimating("estimate:sd999", factory, lambda _: None).reproduce(PLAN, lambda _: None)
    done = seaformer("reproduce", "table2", "--device", "estimate:x.json", cwd=tmp_path)
    assert done.code == 3
    assert "x.json" in done.complaint


def test_the_plan_of_estimates_runs_nothing(tmp_path: Path) -> None:
    done = seaformer(
        "reproduce", "table2", "--device", "estimate", "--dry-run", cwd=tmp_path,
        SEAFORMER_CACHE=str(tmp_path / "cache"),
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "export, estimate" in done.out
    assert "files are to be estimated" in done.out
    assert not (tmp_path / "results").exists()
