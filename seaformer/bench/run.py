"""The one loop: artifacts on a target under a plan, one fresh process at a time.

Rounds are interleaved; a block that slowed down is discarded and redone, twice at most; the
measurement of an artifact is stored as soon as its last process is done. A run that fails, or
answers wrongly, is a row. Ctrl-C stores what was measured before it ends.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from seaformer.bench import flags as checks
from seaformer.bench import inputs, schedule
from seaformer.bench.runner_io import Engine, RunnerReport, RunnerRequest
from seaformer.bench.target import Chosen, Target, choose_cores
from seaformer.core import files
from seaformer.core.artifact import Artifact
from seaformer.core.errors import ArtifactError, DeviceLost, ParityError, RunnerFailed
from seaformer.core.measurement import (
    SCHEMA,
    Conditions,
    DeviceInfo,
    Flag,
    Measurement,
    MethodRun,
    OutputCheck,
    ProcessRun,
)
from seaformer.core.plan import RunPlan, check_plan
from seaformer.core.results import ResultStore, new_id

REDOS = 2
Progress = Callable[[str, int, int], None]


@dataclass
class _Row:
    """What is known of one artifact so far."""

    artifact: Artifact
    prepared: inputs.Prepared | None = None
    reports: list[RunnerReport] = field(default_factory=list)
    output: OutputCheck | None = None
    before: Conditions | None = None
    after: Conditions | None = None
    redone: int = 0
    debug: bool = False
    version: str = ""
    failure: str | None = None
    stored: Measurement | None = None


class Bench:
    """One bench of several artifacts on one target.

    Args:
        target: where to run.
        plan: how to run.
        store: where finished measurements go.
        command: the line the user typed, kept in every measurement.
        progress: called with (what, processes done, processes in all).
    """

    def __init__(
        self,
        target: Target,
        plan: RunPlan,
        store: ResultStore,
        *,
        command: str = "",
        progress: Progress | None = None,
    ) -> None:
        self._target = target
        self._plan = plan
        self._store = store
        self._command = command
        self._progress = progress or (lambda what, done, total: None)
        self._device: DeviceInfo = target.device()
        check_plan(plan, self._device.cores)
        self._cores: Chosen = choose_cores(self._device, plan.core, plan.threads)
        self._finished: list[Measurement] = []

    def run(self, artifacts: Sequence[Artifact]) -> list[Measurement]:
        """Measure every artifact; one stored measurement each, in the order given.

        ``KeyboardInterrupt`` passes through after what was measured has been stored. Raises
        ``UsageError`` before anything runs when the results could not be written.
        """
        files.make_dir(self._store.root)
        preflight = self._target.preflight(self._cores.cpus)
        rows = [_Row(artifact) for artifact in artifacts]
        total, done = len(rows) * self._plan.processes, 0
        with tempfile.TemporaryDirectory(prefix="seaformer-bench-") as scratch:
            try:
                for order in schedule.rounds(len(rows), self._plan.processes, self._plan.seed):
                    for index in order:
                        row = rows[index]
                        self._progress(row.artifact.file, done, total)
                        if row.failure is None:
                            self._process(row, Path(scratch) / str(index))
                        done += 1
                        if done > total - len(rows) or row.failure is not None:
                            self._finish(row, preflight)
            except KeyboardInterrupt:
                for row in rows:
                    self._interrupted(row, preflight)
                raise
        self._progress("done", total, total)
        return [row.stored for row in rows if row.stored is not None]

    @property
    def finished(self) -> tuple[Measurement, ...]:
        """What was stored so far, also after an interrupt."""
        return tuple(self._finished)

    def _process(self, row: _Row, folder: Path) -> None:
        """One fresh process; redone when its samples slowed down, at most twice in all."""
        cpu = self._cores.cpus[0]
        try:
            if row.prepared is None:
                row.prepared = inputs.prepare(row.artifact, folder)
            row.before = row.before or self._target.conditions(cpu)
            report = self._once(row, row.prepared, folder)
            while row.redone < REDOS and checks.drifted(report.samples_ns):
                row.redone += 1
                report = self._once(row, row.prepared, folder)
            row.after = self._target.conditions(cpu)
            row.reports.append(report)
        except (RunnerFailed, DeviceLost, ArtifactError, ParityError) as error:
            row.failure = error.message

    def _once(self, row: _Row, prepared: inputs.Prepared, folder: Path) -> RunnerReport:
        with tempfile.TemporaryDirectory(dir=folder) as outputs:
            request = RunnerRequest(
                engine=_engine(row.artifact),
                model=str(row.artifact.path),
                threads=self._plan.threads,
                method=self._plan.method,
                cpus=self._cores.cpus,
                inputs=tuple(map(str, prepared.inputs)),
                seed=self._plan.seed,
                output_dir=outputs,
                warmup=self._plan.warmup,
                stop=self._plan.stop,
            )
            report = self._target.run(request)
            output = inputs.check_output(row.artifact, self._plan.method, report, prepared)
        row.output = _worse(row.output, output)
        row.debug = row.debug or report.runner.debug
        row.version = report.engine.version
        return report

    def _finish(self, row: _Row, preflight: Sequence[Flag], *extra: Flag) -> None:
        if row.stored is not None:
            return
        measurement = self._measurement(row, [*preflight, *extra])
        self._store.append(measurement)
        self._finished.append(measurement)
        row.stored = measurement

    def _interrupted(self, row: _Row, preflight: Sequence[Flag]) -> None:
        """Keep the processes that ended before Ctrl-C, marked as what they are."""
        if not row.reports:
            return
        detail = f"{len(row.reports)} of {self._plan.processes} processes ran"
        with suppress(KeyboardInterrupt):
            self._finish(row, preflight, Flag("interrupted", True, detail))

    def _measurement(self, row: _Row, flags: list[Flag]) -> Measurement:
        artifact, now = row.artifact, dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        run = _method_run(row)
        if row.failure is None:
            flags = flags + checks.sample_flags(run, self._plan, self._cores.cpus)
        if row.debug:
            flags.append(Flag("debug runner", True, "the runner was built without optimisation"))
        if row.redone:
            detail = f"{row.redone} block(s) that slowed down were discarded and redone"
            flags.append(Flag("redone", False, detail))
        return Measurement(
            schema=SCHEMA,
            id=new_id(),
            created_at=now,
            source=self._target.source,
            model=artifact.model,
            format=artifact.format,
            runtime=artifact.runtime,
            precision=artifact.precision,
            scope=artifact.scope,
            input_shape=artifact.spec.input_shape,
            artifact_file=artifact.file,
            artifact_sha256=artifact.sha256,
            artifact_size_bytes=artifact.size_bytes,
            target=self._device.target,
            device=self._device,
            plan=self._plan,
            runner=self._target.runner,
            runner_build=self._target.runner_build,
            methods={self._plan.method: run} if row.reports else {},
            flags=tuple(flags),
            before=row.before or Conditions(at=now),
            after=row.after or Conditions(at=now),
            runtime_version=row.version,
            command=self._command,
            paper_latency_ms=paper_latency_ms(artifact),
            failure=row.failure,
        )


def paper_latency_ms(artifact: Artifact) -> float | None:
    """The paper's latency where this artifact is what the paper timed: logits, at that size."""
    row = artifact.spec.paper
    if row is None or artifact.scope != "logits":
        return None
    return {"fp32": row.latency_ms, "fp16": row.latency_fp16_ms}.get(artifact.precision)


def _engine(artifact: Artifact) -> Engine:
    if artifact.format == "executorch":
        return "executorch"
    if artifact.format == "onnx":
        return "onnxruntime"
    raise RunnerFailed(
        f"No runner takes {artifact.format}: {artifact.file} can be exported, not timed, here."
    )


def _method_run(row: _Row) -> MethodRun:
    samples_ns = tuple(sample for report in row.reports for sample in report.samples_ns)
    return MethodRun(samples_ns, tuple(map(_process_run, row.reports)), row.output)


def _process_run(report: RunnerReport) -> ProcessRun:
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
    )


def _worse(one: OutputCheck | None, other: OutputCheck | None) -> OutputCheck | None:
    """The check that says less good things; every process' output is checked."""
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda check: (not check.passed, check.relative_error))
