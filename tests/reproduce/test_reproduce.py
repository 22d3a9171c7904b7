"""Reproducing a table on a machine that is made up: planned, resumed, and never lost."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from seaformer.bench.runner_io import RunnerReport, RunnerRequest
from seaformer.core import paper, zoo
from seaformer.core.artifact import Artifact
from seaformer.core.errors import MissingExtra, ParityError, RunnerFailed, UsageError
from seaformer.core.plan import RunPlan
from seaformer.core.spec import PaperRow
from seaformer.core.zoo import ZooEntry
from seaformer.reproduce.page import Progress
from seaformer.reproduce.plan import PERCENT, TABLES, Plan, PlannedRow, Work, plan
from seaformer.reproduce.run import Answer, Factory, Reproduction
from seaformer.store.results import ResultStore
from tests.fakes import target as fake
from tests.fakes.measurements import HOST
from tests.fakes.target import FakeTarget

T, S, S16 = Work("t", "fp32", macs=1), Work("s", "fp32", macs=2), Work("s", "fp16", macs=2)
B = Work("b", "fp32", macs=3)
MACS = {"t": 1, "s": 2}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAFORMER_CACHE", str(tmp_path / "cache"))


# The plan.


@pytest.mark.parametrize("name", TABLES)
def test_every_line_of_the_paper_is_planned(name: str) -> None:
    table = TABLES[name]
    rows = plan(table).rows
    assert len(rows) == len(paper.lines(table.csv)) * len(table.latency)
    assert all(row.published is not None for row in rows)
    assert any(row.model for row in rows)
    assert [row.name for row in rows if not row.model and not row.absent] == []


@pytest.mark.parametrize("name", [name for name in TABLES if not TABLES[name].components])
def test_every_model_that_names_a_line_is_planned_with_its_own_latency(name: str) -> None:
    table = TABLES[name]
    planned = {(row.model, row.precision): row for row in plan(table).rows}
    specs = [entry.spec for entry in zoo.entries().values()]
    named = [s for s in specs if s.paper and s.paper.table == (table.rows_of or table.csv)]
    for spec in named:
        assert spec.paper is not None
        if (spec.name, "fp32") in planned:
            assert planned[spec.name, "fp32"].published == spec.paper.latency_ms
        if (spec.name, "fp16") in planned and spec.paper.latency_fp16_ms is not None:
            assert planned[spec.name, "fp16"].published == spec.paper.latency_fp16_ms
    if name != "table16":  # which leaves the rivals out
        assert {spec.name for spec in named} == {model for model, _ in planned if model}


@pytest.mark.parametrize("name", ["table2", "table3", "table14", "figure1"])
def test_a_line_has_either_a_model_or_the_reason_why_there_is_none(name: str) -> None:
    rows = plan(TABLES[name]).rows
    assert all(bool(row.model) != bool(row.absent) for row in rows)
    reasons = {row.reason for row in paper.absent() if row.table == TABLES[name].csv}
    assert {row.absent for row in rows} - {""} == reasons


def line(label: str, model: str, table: str = "table02_ade20k") -> ZooEntry:
    spec = replace(fake.SPEC, name=model, paper=PaperRow(table, label, latency_ms=1.0))
    return ZooEntry(spec, params=1, macs=1, paper_flops=1)


def test_a_model_added_to_the_zoo_takes_its_line_without_being_named_here() -> None:
    entries = [
        line("SeaFormer-S++(KD)", "a"),
        line("SegFormer MiT-B0", "b"),
        line("TopFormer-T*", "c"),
    ]
    rows = plan(TABLES["table2"], models=entries).rows
    found = {row.name: row.model for row in rows if row.model}
    assert found == {
        "SeaFormer-S++(KD) Light Head": "a",
        "MiT-B0 SegFormer": "b",
        "TopFormer-T Simple Head": "c",
        "TopFormer-T* Simple Head": "c",
    }


def test_the_components_of_figure_10_are_methods_of_one_measurement() -> None:
    planned = plan(TABLES["figure10"])
    assert [(row.method, row.published) for row in planned.rows] == [
        ("stem", 49.0),
        ("context", 34.0),
        ("spatial", 8.0),
        ("head", 8.0),
    ]
    assert {(row.model, row.unit, row.components) for row in planned.rows} == {
        ("seaformer_t.ade20k", PERCENT, True)
    }
    macs = zoo.entries()["seaformer_t.ade20k"].macs
    assert planned.works == (Work("seaformer_t.ade20k", "fp32", True, macs),)


def test_lines_can_be_chosen_by_model_and_choosing_none_is_refused() -> None:
    rows = plan(TABLES["table2"], "seaformer_t.*").rows
    assert {row.model for row in rows} == {"seaformer_t.ade20k"}
    with pytest.raises(UsageError, match="No line of table2 is a model called 'nothing'"):
        plan(TABLES["table2"], "nothing")


def test_two_lines_of_one_network_are_one_work_and_the_cheapest_comes_first() -> None:
    rows = [
        PlannedRow("x", (name,), "fp32", 1.0, model=name[0], macs=MACS[name[0]])
        for name in ("s", "t", "t*")
    ]
    rows.append(PlannedRow("x", ("none",), "fp32", 1.0))
    assert Plan(TABLES["table2"], tuple(rows)).works == (T, S)


# The run.


@dataclass
class Bench:
    """A reproduction with everything made up, and what it told."""

    root: Path
    broken: dict[Work, Exception] = field(default_factory=dict)
    made: list[Work] = field(default_factory=list)
    steps: list[Progress] = field(default_factory=list)
    files: dict[Work, Artifact] = field(default_factory=dict)

    def factory(self) -> Factory:
        def make(work: Work, tell: Callable[[str], None]) -> Artifact:
            if work in self.broken:
                raise self.broken[work]
            tell("export")
            self.made.append(work)
            name = f"{work.model}_{work.precision}"
            spec = replace(fake.SPEC, name=work.model)
            folder = self.root / "made"
            self.files[work] = fake.artifact(folder, name, spec=spec, precision=work.precision)
            return self.files[work]

        return Factory(find=self.files.get, make=make)

    def run(self, *works: Work, target: FakeTarget | None = None, **how: float) -> list[Answer]:
        self.target = target or FakeTarget()
        self.reproduction = Reproduction(
            target=self.target,
            store=ResultStore(self.root / "results"),
            plan=RunPlan(processes=2),
            factory=self.factory(),
            progress=self.steps.append,
            command="seaformer reproduce",
            again=bool(how.get("again")),
            stored=bool(how.get("stored")),
            limit=how.get("limit", math.inf),
        )
        self.reproduction.run(works)
        return list(self.reproduction.answers.values())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def stored(bench: Bench) -> int:
    return len(ResultStore(bench.root / "results").load().measurements)


def test_every_work_is_answered_by_a_stored_measurement(bench: Bench) -> None:
    answers = bench.run(T, S, S16)
    assert [answer.work for answer in answers] == [T, S, S16]
    assert all(answer.measurement and not answer.reason for answer in answers)
    assert [a.measurement.precision for a in answers if a.measurement] == ["fp32", "fp32", "fp16"]
    assert stored(bench) == 3
    assert answers[0].measurement is not None
    assert answers[0].measurement.command == "seaformer reproduce"


def test_precisions_of_one_network_are_interleaved_and_networks_are_not(bench: Bench) -> None:
    bench.run(T, S, S16)
    files = bench.target.files
    assert files[:2] == ["t_fp32", "t_fp32"]
    assert {*files[2:4]} == {*files[4:6]} == {"s_fp32", "s_fp16"}


def test_what_was_measured_is_not_measured_again(bench: Bench) -> None:
    first = bench.run(T, S)
    again = bench.run(T, S)
    assert bench.target.requests == []
    assert [answer.resumed for answer in again] == [True, True]
    assert [a.measurement for a in again] == [a.measurement for a in first]
    bench.run(T, again=True)
    assert len(bench.target.requests) == 2


def test_another_device_another_file_or_an_invalid_row_is_measured(bench: Bench) -> None:
    bench.run(T)
    bench.run(T, target=FakeTarget(info=replace(HOST, id="host-other")))
    assert len(bench.target.requests) == 2
    bench.run(T, target=FakeTarget(info=replace(HOST, model="Another CPU 3")))
    assert len(bench.target.requests) == 2


def slow(number: int, request: RunnerRequest, plain: RunnerReport) -> RunnerReport:
    return replace(plain, sample_cpus=(0,) * len(plain.samples_ns))


def test_an_invalid_row_says_why_and_is_measured_the_next_time(bench: Bench) -> None:
    (answer,) = bench.run(T, target=FakeTarget(slow))
    assert answer.reason.startswith("not valid: pinning: 30 samples") or "pinning" in answer.reason
    assert answer.exit_code == 5
    (answer,) = bench.run(T)
    assert (answer.resumed, answer.reason) == (False, "")


def test_what_cannot_be_exported_is_a_reason_and_the_others_go_on(bench: Bench) -> None:
    bench.broken = {S: ParityError("it differs"), T: MissingExtra("torch is not installed")}
    answers = bench.run(T, S, S16)
    assert [(a.work, a.reason, a.exit_code) for a in answers] == [
        (T, "not exported: torch is not installed", 2),
        (S, "not exported: it differs", 3),
        (S16, "", 0),
    ]


def test_a_run_that_fails_is_a_reason_and_the_others_go_on(bench: Bench) -> None:
    def dies(number: int, request: RunnerRequest, plain: RunnerReport) -> RunnerReport:
        if Path(request.model).stem == "t_fp32":
            raise RunnerFailed("killed by signal 9")
        return plain

    first, second = bench.run(T, S, target=FakeTarget(dies))
    assert (first.reason, first.exit_code) == ("failed: killed by signal 9", 4)
    assert second.reason == ""
    assert stored(bench) == 2


def test_after_an_interruption_it_goes_on_where_it_stopped(bench: Bench) -> None:
    def interrupted(number: int, request: RunnerRequest, plain: RunnerReport) -> RunnerReport:
        if number == 3:
            raise KeyboardInterrupt
        return plain

    with pytest.raises(KeyboardInterrupt):
        bench.run(T, S, target=FakeTarget(interrupted))
    assert list(bench.reproduction.answers) == [T]
    assert stored(bench) == 2  # the second one as what it is: interrupted
    answers = bench.run(T, S)
    assert [answer.resumed for answer in answers] == [True, False]
    assert set(bench.target.files) == {"s_fp32"}


def test_nothing_is_exported_or_measured_where_only_what_is_stored_is_asked_for(
    bench: Bench,
) -> None:
    (before,) = bench.run(T)
    bench.factory().make(B, lambda _: None)  # exported, and never measured
    bench.made.clear()
    known, missing, unmeasured = bench.run(T, S, B, stored=True)
    assert (known.measurement, known.resumed) == (before.measurement, True)
    assert [missing.reason, unmeasured.reason] == ["not measured", "not measured"]
    assert (bench.made, bench.target.requests) == ([], [])


def test_a_network_above_the_limit_is_left_out_and_says_so(bench: Bench) -> None:
    small, large = replace(T, macs=10**9), replace(S, macs=3 * 10**11)
    answers = {answer.work: answer for answer in bench.run(small, large, limit=60)}
    assert answers[small].reason == ""
    assert answers[large].reason == "left out: 300 G multiply-accumulates, above --limit 60"
    assert answers[large].exit_code == 0
    assert bench.made == [small]


def test_the_time_of_an_export_is_in_the_guess_of_what_is_left(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("seaformer.reproduce.run.time.monotonic", lambda: now[0])
    make = bench.factory().make

    def slow(work: Work, tell: Callable[[str], None]) -> Artifact:
        artifact = make(work, tell)
        now[0] += 600
        return artifact

    monkeypatch.setattr(Bench, "factory", lambda _: Factory(find=lambda _: None, make=slow))
    bench.run(T, S)
    (left,) = {step.left_s for step in bench.steps if step.what == "s fp32: look for the file"}
    assert left >= 600  # S costs more than T, which took that long


def test_an_export_of_what_is_measured_already_does_not_slow_the_guess(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.run(T)
    now = [0.0]
    monkeypatch.setattr("seaformer.reproduce.run.time.monotonic", lambda: now[0])
    make = bench.factory().make

    def stale(work: Work, tell: Callable[[str], None]) -> Artifact:
        now[0] += 600 if work == T else 0
        return make(work, tell)

    monkeypatch.setattr(Bench, "factory", lambda _: Factory(find=lambda _: None, make=stale))
    bench.steps.clear()
    bench.run(T, S, B)
    left = {step.what: step.left_s for step in bench.steps}
    assert left["b fp32: look for the file"] < left["s fp32: look for the file"]


def test_the_progress_counts_and_the_time_left_shrinks_to_nothing(bench: Bench) -> None:
    bench.run(T, S)
    assert [step.total for step in bench.steps] == [2] * len(bench.steps)
    assert bench.steps[0].done == 0
    assert bench.steps[0].left_s > bench.steps[-1].left_s
    assert bench.steps[-1].done == 1
    assert any("process 1 of 2" in step.what for step in bench.steps)
    bench.steps.clear()
    bench.run(T, S)
    assert bench.steps[-1].left_s < bench.steps[0].left_s
