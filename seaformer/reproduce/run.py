"""Every export and measurement that a table of the paper needs, one network after the other.

The store is the checkpoint: what was measured with this very file, on this device, in this way and
is valid is not measured again, so that an interrupted reproduction goes on where it stopped. Each
network is stored before the next one begins; its precisions are interleaved, because they are
compared. What cannot be exported or measured is a row with its reason, and the others go on.
How files are made is handed in: nothing here imports torch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from seaformer.bench.run import Bench
from seaformer.bench.target import Target
from seaformer.core.artifact import Artifact
from seaformer.core.errors import SeaFormerError
from seaformer.core.measurement import MEASURED, Measurement
from seaformer.core.plan import RunPlan
from seaformer.reproduce.plan import PlannedRow
from seaformer.store.index import IndexEntry, list_results
from seaformer.store.results import ResultStore, read_run

# Seconds an export and its measurement take where nothing better is known, for the time left:
# fixed, per 10^9 multiply-accumulates in three processes. They are corrected by what the finished
# ones took.
_HOST_S, _EMULATED_S = (90.0, 10.0), (60.0, 250.0)


@dataclass(frozen=True)
class Work:
    """One file to be measured. Several lines of a table may wait for the same one."""

    model: str
    precision: str
    components: bool = False


@dataclass(frozen=True)
class Progress:
    """Where a reproduction stands. ``left_s`` is a guess in seconds, better with every row."""

    what: str
    done: int
    total: int
    left_s: float


@dataclass(frozen=True)
class Answer:
    """What became of one file: a measurement (``resumed``: an earlier one), or the reason."""

    work: Work
    measurement: Measurement | None = None
    reason: str = ""
    resumed: bool = False
    exit_code: int = 0


@dataclass
class Factory:
    """How files come to be: ``find`` looks in the cache, ``make`` exports when it has to."""

    find: Callable[[Work], Artifact | None]
    make: Callable[[Work, Callable[[str], None]], Artifact]


def work_of(rows: Iterable[PlannedRow], macs: Callable[[str], int]) -> tuple[Work, ...]:
    """What the rows wait for, each once, the cheapest network first."""
    wanted = dict.fromkeys(
        Work(row.model, row.precision, row.components) for row in rows if row.model
    )
    return tuple(sorted(wanted, key=lambda work: (macs(work.model), work.model)))


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

    ``macs`` tells what a model costs, for the time left; ``again`` measures what is there already.
    """

    target: Target
    store: ResultStore
    plan: RunPlan
    factory: Factory
    macs: Callable[[str], int]
    progress: Callable[[Progress], None] = lambda _: None
    command: str = ""
    again: bool = False
    answers: list[Answer] = field(default_factory=list)

    def run(self, works: Sequence[Work]) -> list[Answer]:
        """An answer for each work, kept in ``answers`` as it comes.

        ``KeyboardInterrupt`` passes through; what was measured has been stored by then.
        """
        clock = _Clock({work: self._expected_s(work) for work in works})
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
        self, works: Sequence[Work], clock: _Clock, total: int
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

    def _measure(self, fresh: Sequence[tuple[Work, Artifact]], clock: _Clock, total: int) -> None:
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

    def _expected_s(self, work: Work) -> float:
        fixed, per_gmac = _HOST_S if self.target.source == MEASURED else _EMULATED_S
        per_gmac *= self.plan.processes / RunPlan().processes
        return fixed + per_gmac * self.macs(work.model) / 1e9 * (2 if work.components else 1)

    def _teller(self, of: str, clock: _Clock, total: int) -> Callable[[str], None]:
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


class _Clock:
    """What is left to do, in seconds: expected ones, scaled by how the finished ones went."""

    def __init__(self, expected: dict[Work, float]) -> None:
        self._open = dict(expected)
        self._expected = 0.0
        self._taken = 0.0
        self._since: float | None = None

    def begin(self) -> None:
        self._since = time.monotonic()

    def end(self, works: Sequence[Work]) -> None:
        """``works`` were measured; an export that nothing was measured of tells no pace."""
        if self._since is not None and works:
            self._taken += time.monotonic() - self._since
        self._since = None
        self._expected += sum(self._open.pop(work, 0.0) for work in works)

    def skip(self, works: Sequence[Work]) -> None:
        """What takes no time after all."""
        for work in works:
            self._open.pop(work, None)

    def left_s(self) -> float:
        scale = self._taken / self._expected if self._expected else 1.0
        running = time.monotonic() - self._since if self._since is not None else 0.0
        return max(sum(self._open.values()) * scale - running, 0.0)
