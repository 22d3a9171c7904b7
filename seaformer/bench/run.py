"""The one loop: artifacts on a target under a plan, one fresh process at a time.

A process runs one method of one artifact; components take turns with the whole network they are
compared with, and end up in its measurement. Rounds are interleaved; a block that slowed down is
discarded and redone, twice at most; the measurement of an artifact is stored as soon as its last
process is done. A run that fails, or answers wrongly, is a row. Ctrl-C stores what was measured
before it ends.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from seaformer.bench import flags as checks
from seaformer.bench import inputs, schedule
from seaformer.bench.header import header_of, now
from seaformer.bench.rows import MethodSoFar, RowSoFar, process_run, worse
from seaformer.bench.runner_io import RunnerReport
from seaformer.bench.tails import tail_of
from seaformer.bench.target import CoreChoice, Target, choose_cores
from seaformer.core import files
from seaformer.core.artifact import Artifact
from seaformer.core.errors import (
    ArtifactError,
    DeviceError,
    MeasurementRefused,
    ParityError,
    SeaFormerError,
)
from seaformer.core.facts import facts_of
from seaformer.core.measurement import (
    MEASURED,
    SCHEMA,
    Conditions,
    DeviceInfo,
    Flag,
    Measurement,
    MethodRun,
)
from seaformer.core.plan import RunPlan, check_plan, is_tail
from seaformer.core.plural import counted
from seaformer.core.scratch import temporary_folder
from seaformer.store.checkout import commit_of
from seaformer.store.results import ResultStore

Progress = Callable[[str, int, int], None]


class Bench:
    """One bench of several artifacts on one target.

    Args:
        target: where to run.
        plan: how to run.
        store: where finished measurements go.
        command: the line the user typed, kept in every measurement.
        progress: called with (what, processes done, processes in all).
        resume: take what the store has of this device, plan and runner, instead of measuring it.
    """

    def __init__(
        self,
        target: Target,
        plan: RunPlan,
        store: ResultStore,
        *,
        command: str = "",
        progress: Progress | None = None,
        resume: bool = False,
    ) -> None:
        self._resume = resume
        self._target = target
        self._plan = plan
        self._store = store
        self._command = command
        self._commit = ""
        self._progress = progress or (lambda what, done, total: None)
        self._device: DeviceInfo = target.device()
        check_plan(plan, self._device.cores)
        self._cores: CoreChoice = choose_cores(self._device, plan.core, plan.threads)
        self._finished: list[Measurement] = []
        self._not_stored: list[Measurement] = []
        self._store_error: SeaFormerError | None = None

    def run(self, artifacts: Sequence[Artifact]) -> list[Measurement]:
        """Measure every artifact; one stored measurement each, in the order given.

        A measurement that cannot be stored is kept in ``not_stored``; the others are still made,
        and the first such error is raised at the end.

        ``KeyboardInterrupt`` passes through after what was measured has been stored. Raises
        ``UsageError`` before anything runs when the results could not be written, or an artifact
        has no such tail as the plan's.
        """
        files.make_dir(self._store.root)
        rows = [self._row(artifact) for artifact in artifacts]
        if all(row.measurement is not None for row in rows):
            return [row.measurement for row in rows if row.measurement is not None]
        name = schedule.bench_name(self._plan, artifacts, self._target.runner_build)
        with self._target.session(name):
            self._run(rows)
        if self._store_error is not None:
            raise self._store_error
        return [row.measurement for row in rows if row.measurement is not None]

    def _run(self, rows: list[RowSoFar]) -> None:
        preflight = self._target.preflight(self._cores.cpus)
        self._commit = commit_of(self._store.root)
        units = [(row, method) for row in rows for method in row.methods]
        total, done = len(units) * self._plan.processes, 0
        with temporary_folder("bench") as folder:
            try:
                for order in schedule.rounds(len(units), self._plan.processes, self._plan.seed):
                    for index in order:
                        row, method = units[index]
                        self._progress(_what(row, method), done, total)
                        if row.failure is None and row.measurement is None:
                            self._process(row, method, folder / str(index))
                        done += 1
                        if row.processes == self._plan.processes or row.failure is not None:
                            self._finish(row, preflight)
            except KeyboardInterrupt:
                for row in rows:
                    self._interrupted(row, preflight)
                raise
        self._progress("done", total, total)

    @property
    def cores(self) -> tuple[int, ...]:
        """The cores that the plan means on this target."""
        return self._cores.cpus

    @property
    def finished(self) -> tuple[Measurement, ...]:
        """What was measured so far, also after an interrupt."""
        return tuple(self._finished)

    @property
    def not_stored(self) -> tuple[Measurement, ...]:
        """Those of ``finished`` that could not be written, on a full disk for example."""
        return tuple(self._not_stored)

    def _row(self, artifact: Artifact) -> RowSoFar:
        """One artifact with the methods the plan asks for."""
        names = schedule.methods(self._plan, artifact)
        if self._plan.tail:
            tail_of(artifact, self._plan.tail)
        row = RowSoFar(artifact, [MethodSoFar(name) for name in names])
        if self._plan.components and not artifact.components:
            row.failure = f"{artifact.file} has no components: export it with --components."
        if self._resume:
            row.measurement = self._stored(artifact)
        return row

    def _stored(self, artifact: Artifact) -> Measurement | None:
        """The newest whole measurement of the same artifact, device, plan and runner."""
        whole = [
            measurement
            for measurement in self._store.load().measurements
            if measurement.artifact_sha256 == artifact.sha256
            and measurement.input_shape == artifact.spec.input_shape
            and measurement.device.id == self._device.id
            and measurement.plan == self._plan
            and measurement.runner_build == self._target.runner_build
            and measurement.failure is None
            and not any(flag.name == "interrupted" for flag in measurement.flags)
        ]
        return whole[-1] if whole else None

    def _process(self, row: RowSoFar, method: MethodSoFar, folder: Path) -> None:
        """One fresh process; redone when its samples slowed down, at most twice in all."""
        cpu = self._cores.cpus[0]
        try:
            if method.prepared is None:
                method.prepared = inputs.prepare(row.artifact, folder, method.name)
            row.before = row.before or self._target.conditions(cpu)
            report = self._once(row, method, method.prepared, folder)
            while self._slowed_down(report) and method.redone < self._target.redos:
                method.redone += 1
                report = self._once(row, method, method.prepared, folder)
            method.throttled = method.throttled or report.throttled
            row.after = self._target.conditions(cpu)
            method.samples_ns.extend(report.samples_ns)
            method.counts.extend(report.counts)
            method.processes.append(process_run(report))
        except (DeviceError, MeasurementRefused, ArtifactError, ParityError) as error:
            where = "" if method.name == self._plan.method else f"{method.name}: "
            row.failure = where + error.message
        row.events += self._target.events()

    def _slowed_down(self, report: RunnerReport) -> bool:
        if report.throttled:
            return True
        return self._target.source == MEASURED and checks.drifted(report.samples_ns)

    def _once(
        self, row: RowSoFar, method: MethodSoFar, prepared: inputs.Prepared, folder: Path
    ) -> RunnerReport:
        with tempfile.TemporaryDirectory(dir=folder) as outputs:
            request = inputs.request_of(
                row.artifact,
                method.name,
                self._plan,
                prepared,
                cpus=self._cores.cpus,
                output_dir=outputs,
            )
            report = self._target.run(request)
            output = inputs.check_output(row.artifact, method.name, report, prepared)
        method.output = worse(method.output, output)
        row.debug = row.debug or report.runner.debug
        row.version = report.engine.version
        return report

    def _finish(self, row: RowSoFar, preflight: Sequence[Flag], *extra: Flag) -> None:
        if row.measurement is not None:
            return
        library = checks.library_flags(row.artifact.runtime)
        measurement = self._measurement(row, [*preflight, *library, *extra])
        self._finished.append(measurement)
        row.measurement = measurement
        try:
            self._store.append(measurement)
        except SeaFormerError as error:
            self._not_stored.append(measurement)
            self._store_error = self._store_error or error

    def _interrupted(self, row: RowSoFar, preflight: Sequence[Flag]) -> None:
        """Keep the processes that ended before Ctrl-C, marked as what they are."""
        ran = sum(len(method.processes) for method in row.methods)
        if not ran:
            return
        detail = f"{ran} of {len(row.methods) * self._plan.processes} processes ran"
        with suppress(KeyboardInterrupt):
            self._finish(row, preflight, Flag("interrupted", True, detail))

    def _measurement(self, row: RowSoFar, flags: list[Flag]) -> Measurement:
        artifact, at = row.artifact, now()
        header = header_of(
            artifact,
            self._target,
            schema=SCHEMA,
            version=row.version,
            command=self._command,
            commit=self._commit,
        )
        runs = {method.name: method.run() for method in row.methods if method.processes}
        return Measurement(
            **vars(header),
            artifact_size_bytes=artifact.size_bytes,
            target=self._device.target,
            plan=self._plan,
            runner=self._target.runner,
            runner_build=self._target.runner_build,
            methods=runs,
            flags=(*flags, *self._flags(row, runs), *dict.fromkeys(row.events)),
            before=row.before or Conditions(at=at),
            after=row.after or Conditions(at=at),
            paper_latency_ms=paper_latency_ms(artifact),
            failure=row.failure,
            facts=facts_of(artifact),
        )

    def _flags(self, row: RowSoFar, runs: dict[str, MethodRun]) -> list[Flag]:
        """The flags that follow from the runs themselves."""
        flags = checks.rewrite_flags(row.artifact) + checks.foreign_flags(row.artifact)
        flags += checks.free_flags(row.artifact)
        flags += checks.precision_flags(row.artifact.precision, self._device)
        if row.failure is None:
            for name, run in runs.items():
                cpus, source = self._cores.cpus, self._target.source
                flags += checks.method_flags(name, run, self._plan, cpus, source)
        networks = [run for name, run in runs.items() if not is_tail(name)]
        flags += checks.executed_flags(row.artifact.precision, networks)
        if row.debug:
            flags.append(Flag("debug runner", True, "the runner was built without optimisation"))
        flags += [
            Flag("throttled", True, f"{method.name}: {method.throttled}")
            for method in row.methods
            if method.throttled
        ]
        redone = sum(method.redone for method in row.methods)
        if redone:
            detail = counted(
                redone,
                "block that slowed down was discarded and redone",
                "blocks that slowed down were discarded and redone",
            )
            flags.append(Flag("redone", False, detail))
        return checks.explained(flags, row.artifact)


def paper_latency_ms(artifact: Artifact) -> float | None:
    """The paper's latency where this artifact is what the paper timed: logits, at that size."""
    row = artifact.spec.paper
    if row is None or artifact.graph != "logits":
        return None
    return row.latency_in(artifact.precision)


def _what(row: RowSoFar, method: MethodSoFar) -> str:
    return f"{row.artifact.file} {method.name}" if len(row.methods) > 1 else row.artifact.file
