"""Every export and measurement that a table of the paper needs, one network after the other.

The store is the checkpoint: what was measured with this very file, on this device, in this way and
is valid is not measured again, so that an interrupted reproduction goes on where it stopped. Each
network is stored before the next one begins; its precisions are interleaved, because they are
compared. What cannot be exported or measured is a row with its reason, and the others go on.
Files come from a ``Factory``; torch is imported when one has to be exported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from seaformer.bench.run import Bench
from seaformer.bench.target import Target, open_target
from seaformer.core.artifact import Artifact
from seaformer.core.errors import SeaFormerError
from seaformer.core.measurement import EMULATED, MEASURED, Measurement
from seaformer.core.plan import RunPlan
from seaformer.export._request import ExportRequest
from seaformer.reproduce.clock import Clock, Progress, expected_s
from seaformer.reproduce.plan import Work
from seaformer.store.index import IndexEntry, list_results
from seaformer.store.results import ResultStore, read_run


@dataclass(frozen=True)
class Answer:
    """What became of one file: a measurement (``resumed``: an earlier one), or the reason."""

    work: Work
    measurement: Measurement | None = None
    reason: str = ""
    resumed: bool = False
    exit_code: int = 0


@dataclass(frozen=True)
class Factory:
    """How files come to be: ``find`` looks in the cache, ``make`` exports when it has to."""

    find: Callable[[Work], Artifact | None]
    make: Callable[[Work, Callable[[str], None]], Artifact]


def cached_files(format: str) -> Factory:
    """Files of one format from the cache; what is not there is exported into it."""

    def request(work: Work) -> ExportRequest:
        return ExportRequest(
            model=work.model,
            format=format,
            precision=work.precision,
            components=work.components,
        )

    return Factory(
        find=lambda work: request(work).find(),
        make=lambda work, say: request(work).cached(say),
    )


def measured_before(
    entries: Sequence[IndexEntry], artifact: Artifact, work: Work, plan: RunPlan, source: str
) -> tuple[IndexEntry, ...]:
    """The valid measurements of this very file in this way, newest first, on any device."""
    parts = set(artifact.components) if work.components else set()
    return tuple(
        entry
        for entry in reversed(entries)
        if entry.artifact_sha256 == artifact.sha256
        and entry.valid
        and (entry.source, entry.core, entry.threads) == (source, plan.core, plan.threads)
        and parts | {plan.method} <= set(entry.methods.split(","))
    )


@dataclass
class Reproduction:
    """One run over all work on one target.

    ``again`` measures what is there already.
    """

    target: Target
    store: ResultStore
    plan: RunPlan
    factory: Factory
    progress: Callable[[Progress], None] = lambda _: None
    command: str = ""
    again: bool = False
    answers: list[Answer] = field(default_factory=list)

    def run(self, works: Sequence[Work]) -> list[Answer]:
        """An answer for each work, kept in ``answers`` as it comes.

        ``KeyboardInterrupt`` passes through; what was measured has been stored by then.
        """
        clock = Clock({work: self._seconds(work) for work in works})
        networks: dict[str, list[Work]] = {}
        for work in works:
            networks.setdefault(work.model, []).append(work)
        for of_one in networks.values():
            before = list_results(self.store.root).entries
            clock.begin()
            made = self._files(of_one, clock, len(works))
            fresh = [(work, file) for work, file in made if not self._resume(work, file, before)]
            clock.skip([work for work, _ in made if work not in [one for one, _ in fresh]])
            self._measure(fresh, clock, len(works))
            clock.end([work for work, _ in fresh])
        return self.answers

    def _files(
        self, works: Sequence[Work], clock: Clock, total: int
    ) -> list[tuple[Work, Artifact]]:
        made = []
        for work in works:
            tell = self._teller(f"{work.model} {work.precision}", clock, total)
            try:
                tell("look for the file")
                made.append((work, self.factory.make(work, tell)))
            except SeaFormerError as error:
                clock.skip([work])
                reason = f"not exported: {error.message}"
                self.answers.append(Answer(work, reason=reason, exit_code=error.exit_code))
        return made

    def _resume(self, work: Work, artifact: Artifact, entries: Sequence[IndexEntry]) -> bool:
        """Answer with a measurement that is stored already, if there is one of this device."""
        if self.again:
            return False
        device = self.target.device()
        found = measured_before(entries, artifact, work, self.plan, self.target.source)
        here = [e for e in found if (e.device, e.device_name) == (device.id, device.model)]
        if not here:
            return False
        measurement = read_run(self.store.root / here[0].path, here[0].path)
        self.answers.append(Answer(work, measurement, resumed=True))
        return True

    def _measure(self, fresh: Sequence[tuple[Work, Artifact]], clock: Clock, total: int) -> None:
        """One network: works that need other plans (with components) are runs of their own."""
        for components in (False, True):
            group = [(work, file) for work, file in fresh if work.components == components]
            if not group:
                continue
            tell = self._teller(group[0][0].model, clock, total)
            bench = Bench(
                self.target,
                replace(self.plan, components=components),
                self.store,
                command=self.command,
                progress=_processes(tell),
            )
            measured = bench.run([file for _, file in group])
            for (work, _), measurement in zip(group, measured, strict=True):
                self.answers.append(_answer(work, measurement))

    def _seconds(self, work: Work) -> float:
        return expected_s(work, self.plan.processes, self.target.source)

    def _teller(self, of: str, clock: Clock, total: int) -> Callable[[str], None]:
        return lambda what: self.progress(
            Progress(f"{of}: {what}", len(self.answers), total, clock.left_s())
        )


def _processes(tell: Callable[[str], None]) -> Callable[[str, int, int], None]:
    return lambda what, done, of: tell(f"process {min(done + 1, of)} of {of}: {what}")


def _answer(work: Work, measurement: Measurement) -> Answer:
    if measurement.failure is not None:
        return Answer(work, measurement, f"failed: {measurement.failure}", exit_code=4)
    if not measurement.valid:
        flags = "; ".join(f"{f.name}: {f.detail}" for f in measurement.flags if f.fatal)
        return Answer(work, measurement, f"not valid: {flags}", exit_code=5)
    return Answer(work, measurement)


@dataclass(frozen=True)
class Outcome:
    """The answers so far, and whether Ctrl-C ended the reproduction."""

    answers: tuple[Answer, ...]
    interrupted: bool = False

    @property
    def exit_code(self) -> int:
        """That of the first work that has no figure; 0 when all have one."""
        return next((answer.exit_code for answer in self.answers if answer.exit_code), 0)


def run_works(
    works: Sequence[Work],
    device: str,
    store: ResultStore,
    plan: RunPlan,
    factory: Factory,
    *,
    progress: Callable[[Progress], None],
    say: Callable[[str], None],
    command: str = "",
    again: bool = False,
) -> Outcome:
    """Open ``device`` and answer every work; Ctrl-C keeps the answers there are.

    Raises the error of the device when it cannot be opened.
    """
    reproduction = Reproduction(
        target=open_target(device, say),
        store=store,
        plan=plan,
        factory=factory,
        progress=progress,
        command=command,
        again=again,
    )
    try:
        reproduction.run(works)
    except KeyboardInterrupt:
        return Outcome(tuple(reproduction.answers), interrupted=True)
    return Outcome(tuple(reproduction.answers))


def states(
    works: Sequence[Work], store: ResultStore, factory: Factory, plan: RunPlan, device: str
) -> dict[Work, str]:
    """What is left to do for each file, as far as that is known without the device."""
    entries = list_results(store.root).entries
    source = EMULATED if device.partition(":")[0] == "emulator" else MEASURED
    return {work: _state(work, factory.find(work), entries, plan, source) for work in works}


def _state(
    work: Work,
    artifact: Artifact | None,
    entries: Sequence[IndexEntry],
    plan: RunPlan,
    source: str,
) -> str:
    if artifact is None:
        return "export, measure"
    before = measured_before(entries, artifact, work, plan, source)
    devices = ", ".join(dict.fromkeys(entry.device for entry in before))
    return f"measured already on {devices}" if devices else "exported already, measure"
