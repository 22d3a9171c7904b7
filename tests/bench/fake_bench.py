"""A bench on a machine that is made up, and what its measurements are marked with."""

from __future__ import annotations

from typing import Any

from seaformer.bench.run import Bench
from seaformer.bench.target import Target
from seaformer.core.artifact import Artifact
from seaformer.core.measurement import Measurement
from seaformer.core.plan import RunPlan
from seaformer.store.results import ResultStore
from tests.fakes.target import Change, FakeTarget


def measure(
    store: ResultStore, artifacts: list[Artifact], change: Change | None = None, **plan: Any
) -> tuple[list[Measurement], FakeTarget]:
    target = FakeTarget() if change is None else FakeTarget(change)
    return bench(target, store, RunPlan(**plan)).run(artifacts), target


def bench(target: Target, store: ResultStore, plan: RunPlan | None = None) -> Bench:
    return Bench(target, plan or RunPlan(), store)


def flags(measurement: Measurement) -> dict[str, bool]:
    return {flag.name: flag.fatal for flag in measurement.flags}


def detail(measurement: Measurement, name: str) -> str:
    return next(flag.detail for flag in measurement.flags if flag.name == name)
