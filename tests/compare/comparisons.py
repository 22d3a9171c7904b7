"""Comparisons of measurements that are made up, and what is found in them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from seaformer.compare.rows import Comparison, Side, compare
from seaformer.compare.verdict import (
    Finding,
)
from seaformer.core.artifact import Delegation
from seaformer.core.counts import Counts
from seaformer.core.facts import ArtifactFacts, ParityFacts
from seaformer.core.measurement import (
    Measurement,
)
from tests.fakes.measurements import HOST, emulated, measurement, method

PHONE = replace(HOST, id="R5CT30", target="phone", model="Mi 10", architecture="aarch64", cores=8)

DELEGATION = Delegation("XnnpackBackend", 1, 286, ())

FACTS = ArtifactFacts(
    exporter="made up",
    weights="seeded:0",
    parity=ParityFacts("prediction", 1e-5, 1e-5, 90.0, 1.0),
    delegation=DELEGATION,
    operators={"aten.convolution": 200, "aten.add": 86},
)


def on_phone(number: int, median_ms: float = 20.0, **changes: Any) -> Measurement:
    told = {"device": PHONE, "target": "phone", "facts": FACTS}
    samples = {"forward": method(median_ms, seed=number)}
    return measurement(number, **told | {"methods": samples} | changes)


def counted(number: int, instructions: int, **changes: Any) -> Measurement:
    counts = Counts(instructions, 9, 9, 9, 9, 9, 9, 9, 9, 0, 9, 9)
    run = replace(method(processes=1, count=1), counts=(counts,))
    return emulated(number, methods={"forward": run}, facts=FACTS, **changes)


def sides(base: Measurement, new: Measurement, **more: Any) -> Comparison:
    return compare(Side("old", (base,)), Side("new", (new,)), **more)


def fact(found: Comparison, name: str) -> Finding:
    (one,) = (f for row in found.rows for f in row.findings if f.fact == name)
    return one


def with_facts(**changes: Any) -> Comparison:
    return sides(on_phone(1), on_phone(2, facts=replace(FACTS, **changes)))
