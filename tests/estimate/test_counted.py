"""Estimates of what emulated benches counted, for reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.core.counts import Counts
from seaformer.core.estimate import INSTRUCTIONS
from seaformer.core.facts import ArtifactFacts, ParityFacts
from seaformer.core.measurement import Measurement
from seaformer.estimate.calibration import calibrate
from seaformer.estimate.counted import counted_estimates
from seaformer.estimate.evidence import evidence
from seaformer.store.results import ResultStore
from tests.commands.program import seaformer
from tests.fakes.measurements import EMULATOR, emulated, method

(KNOWN,) = (
    each
    for each in evidence()
    if (each.model, each.engine, each.precision) == ("seaformer_t.ade20k", "executorch", "fp32")
)


def counted(number: int = 1, **changes: object) -> Measurement:
    counts = Counts(KNOWN.instructions, KNOWN.instructions, *(0,) * 10)
    device = replace(
        EMULATOR, system=f"qemu-user {KNOWN.qemu} on Linux x86_64", properties={"cpu": KNOWN.core}
    )
    made = emulated(
        number,
        runtime=KNOWN.engine,
        format=KNOWN.engine,
        runtime_version=KNOWN.engine_version,
        device=device,
        methods={"forward": replace(method(900.0, processes=1, count=1), counts=(counts,))},
        facts=ArtifactFacts("", "", ParityFacts(""), operators=KNOWN.operators),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_counts_are_scaled_by_a_calibration_that_has_not_seen_the_family() -> None:
    (found,) = counted_estimates([counted()])
    scale = calibrate("sd865", ["seaformer"]).scale("executorch", "fp32", INSTRUCTIONS)
    assert scale is not None
    assert found.estimate_ms == pytest.approx(scale.ms(KNOWN.instructions, attends=True))
    assert found.left_out == ("seaformer",)
    assert found.inside, found.outside_because
    assert (found.published_ms, found.by, found.cycles) == (40, INSTRUCTIONS, None)


def test_only_counts_that_the_calibration_covers_are_estimated() -> None:
    other_core = replace(counted().device, properties={"cpu": "cortex-a55"})
    refused = [
        counted(runtime="onnxruntime"),
        counted(runtime_version="9.9"),
        counted(device=other_core),
        counted(source="measured"),
        counted(failure="killed by signal 9"),
        counted(scope="argmax"),
        counted(methods={"forward": method(900.0)}),
    ]
    assert counted_estimates(refused) == ()


def test_the_newest_count_of_a_network_is_the_one_that_is_estimated() -> None:
    found = counted_estimates([counted(2, artifact_sha256="2" * 64), counted(1)])
    assert [each.artifact_sha256 for each in found] == ["2" * 64]
    quantised = counted(3, precision="int8")
    (first, second) = counted_estimates([counted(1), quantised])
    assert (first.precision, second.precision) == ("fp32", "int8")
    assert "no row of the calibration is in int8" in second.outside_because


def test_what_is_unknown_of_a_file_puts_it_outside() -> None:
    (found,) = counted_estimates([counted(facts=None, model="mine")])
    assert found.outside_because == ("the operators of this file are unknown",)
    assert (found.left_out, found.published_ms) == ((), None)


def test_the_report_shows_what_its_counts_estimate(tmp_path: Path) -> None:
    ResultStore(tmp_path / "results").append(counted())
    done = seaformer("report", cwd=tmp_path)
    assert done.code == 0, done.err
    page = (tmp_path / "results/report.html").read_text(encoding="utf-8")
    assert "published 40 ms, " in page
    summary = seaformer("report", "--github", cwd=tmp_path).out
    assert "### Estimated" in summary
    assert "| inside | 40 |" in summary
