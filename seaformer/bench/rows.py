"""What a bench has so far: rows that fill up, process by process. ``run.py`` turns them into
measurements; nothing of it leaves a bench.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from seaformer.bench import inputs
from seaformer.bench.runner_io import RunnerReport
from seaformer.core.artifact import Artifact
from seaformer.core.counts import Counts
from seaformer.core.measurement import (
    Conditions,
    Flag,
    Measurement,
    MethodRun,
    OutputCheck,
    ProcessRun,
)


@dataclass
class MethodSoFar:
    """What is known of one method so far."""

    name: str
    prepared: inputs.Prepared | None = None
    samples_ns: list[int] = field(default_factory=list)
    processes: list[ProcessRun] = field(default_factory=list)
    counts: list[Counts] = field(default_factory=list)
    output: OutputCheck | None = None
    redone: int = 0
    throttled: str = ""

    def run(self) -> MethodRun:
        samples, processes = tuple(self.samples_ns), tuple(self.processes)
        return MethodRun(samples, processes, self.output, tuple(self.counts))


@dataclass
class RowSoFar:
    """What is known of one artifact so far."""

    artifact: Artifact
    methods: list[MethodSoFar]
    before: Conditions | None = None
    after: Conditions | None = None
    debug: bool = False
    version: str = ""
    failure: str | None = None
    measurement: Measurement | None = None
    events: list[Flag] = field(default_factory=list)

    @property
    def processes(self) -> int:
        """The fewest processes that any method has behind it."""
        return min(len(method.processes) for method in self.methods)


def process_run(report: RunnerReport) -> ProcessRun:
    return ProcessRun(
        count=len(report.samples_ns),
        load_ns=report.load_ns,
        first_ns=report.first_ns,
        warmup_runs=report.warmup.runs,
        warmup_reason=report.warmup.reason,
        stop_reason=report.stop.reason,
        peak_rss_bytes=report.peak_rss_bytes,
        threads=report.threads.effective,
        affinity=tuple(report.affinity.effective),
        sample_cpus=tuple(report.sample_cpus),
        freq_before_khz=report.cpu_freq_khz.before,
        freq_after_khz=report.cpu_freq_khz.after,
        coarse_power_mw=report.coarse_power_mw,
    )


def worse(one: OutputCheck | None, other: OutputCheck | None) -> OutputCheck | None:
    """The worse of two checks; the output of every process is checked."""
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda check: (not check.passed, check.relative_error))
