"""Every export and measurement that a table of the paper needs, one network after the other.

The store is the checkpoint: what was measured with this very file, on this device, in this way and
is valid is not measured again, so that an interrupted reproduction continues where it stopped. Each
network is stored before the next one begins; its precisions are interleaved, because they are
compared. What cannot be exported or measured is a row with its reason, and the others continue.
Files come from a ``Factory``; torch is imported when one has to be exported.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from seaformer.bench.run import Bench
from seaformer.bench.target import Target
from seaformer.core.artifact import Artifact
from seaformer.core.engine import engine_of
from seaformer.core.errors import SeaFormerError
from seaformer.core.measurement import MEASURED, Measurement
from seaformer.core.plan import RunPlan
from seaformer.core.request import ExportRequest
from seaformer.export import cached_export, find_export
from seaformer.reproduce.page import Progress
from seaformer.reproduce.plan import Work
from seaformer.store.index import IndexEntry, list_results
from seaformer.store.results import ResultStore, read_run

# Seconds an export and its measurement take where nothing better is known, for the time left:
# fixed, per 10^9 multiply-accumulates in three processes. They are corrected by what the finished
# ones took.
_HOST_S, _EMULATED_S = (90.0, 10.0), (60.0, 250.0)
_GIGA = 1e9
NOT_MEASURED = "not measured"


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
    engines: tuple[str, ...] = ()


def cached_files(format: str) -> Factory:
    """Files of one format from the cache; what is missing is exported into it."""

    def request(work: Work) -> ExportRequest:
        return ExportRequest(
            model=work.model,
            format=format,
            precision=work.precision,
            components=work.components,
        )

    return Factory(
        find=lambda work: find_export(request(work)),
        make=lambda work, say: cached_export(request(work), say),
        engines=(engine_of(format).name,),
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

    ``again`` measures what is there already; ``stored`` measures nothing and exports nothing.
    ``limit`` is the most multiply-accumulates, in 10^9, of a network that is not left out.
    """

    target: Target
    store: ResultStore
    plan: RunPlan
    factory: Factory
    progress: Callable[[Progress], None] = lambda _: None
    command: str = ""
    again: bool = False
    stored: bool = False
    limit: float = math.inf
    answers: dict[Work, Answer] = field(default_factory=dict)

    def run(self, every: Sequence[Work]) -> None:
        """Fill ``answers``, one for each work; works of one model are neighbours (``work_of``).

        ``KeyboardInterrupt`` passes through; what was measured has been stored by then.
        """
        reasons = left_out(every, self.limit)
        self.answers |= {work: Answer(work, reason=reason) for work, reason in reasons.items()}
        works = [work for work in every if work not in reasons]
        clock = _Clock({work: self._seconds(work) for work in works})
        for _, of_one in itertools.groupby(works, lambda work: work.model):
            before = list_results(self.store.root).entries
            clock.begin()
            made = list(self._files(of_one, clock, len(works)))
            fresh = [(work, file) for work, file in made if not self._resume(work, file, before)]
            clock.skip([work for work, _ in made if work not in [one for one, _ in fresh]])
            if self.stored:
                self.answers |= {work: Answer(work, reason=NOT_MEASURED) for work, _ in fresh}
                continue
            self._measure(fresh, clock, len(works))
            clock.end([work for work, _ in fresh])

    def _files(
        self, works: Iterable[Work], clock: _Clock, total: int
    ) -> Iterator[tuple[Work, Artifact]]:
        for work in works:
            tell = self._teller(f"{work.model} {work.precision}", clock, total)
            try:
                tell("look for the file")
                known = self.factory.find(work) if self.stored else self.factory.make(work, tell)
                if known is None:
                    self.answers[work] = Answer(work, reason=NOT_MEASURED)
                else:
                    yield work, known
            except SeaFormerError as error:
                clock.skip([work])
                reason = f"not exported: {error.message}"
                self.answers[work] = Answer(work, reason=reason, exit_code=error.exit_code)

    def _resume(self, work: Work, artifact: Artifact, entries: Sequence[IndexEntry]) -> bool:
        """Answer with a measurement that is stored already, if there is one of this device."""
        if self.again:
            return False
        device = self.target.device()
        entries_before = measured_before(entries, artifact, work, self.plan, self.target.source)
        here = [e for e in entries_before if (e.device, e.device_name) == (device.id, device.model)]
        if not here:
            return False
        measurement = read_run(self.store.root / here[0].path, here[0].path)
        self.answers[work] = Answer(work, measurement, resumed=True)
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
                self.answers[work] = _answer(work, measurement)

    def _seconds(self, work: Work) -> float:
        return _expected_s(work, self.plan.processes, self.target.source)

    def _teller(self, of: str, clock: _Clock, total: int) -> Callable[[str], None]:
        return lambda what: self.progress(
            Progress(f"{of}: {what}", len(self.answers), total, clock.left_s())
        )


def left_out(works: Iterable[Work], limit: float) -> dict[Work, str]:
    """The reason of each work of more than ``limit`` 10^9 multiply-accumulates."""
    return {
        work: f"left out: {work.macs / _GIGA:.0f} G multiply-accumulates, above --limit {limit:g}"
        for work in works
        if work.macs > limit * _GIGA
    }


def _processes(tell: Callable[[str], None]) -> Callable[[str, int, int], None]:
    return lambda what, done, of: tell(f"process {min(done + 1, of)} of {of}: {what}")


def _answer(work: Work, measurement: Measurement) -> Answer:
    if measurement.failure is not None:
        return Answer(work, measurement, f"failed: {measurement.failure}", exit_code=4)
    if not measurement.valid:
        flags = "; ".join(f"{f.name}: {f.detail}" for f in measurement.flags if f.fatal)
        return Answer(work, measurement, f"not valid: {flags}", exit_code=5)
    return Answer(work, measurement)


def _expected_s(work: Work, processes: int, source: str) -> float:
    """Seconds to export and measure one file where nothing better is known."""
    fixed, per_gmac = _HOST_S if source == MEASURED else _EMULATED_S
    per_gmac *= processes / RunPlan().processes
    return fixed + per_gmac * work.macs / 1e9 * (2 if work.components else 1)


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
        """``works`` were measured; an export alone gives no pace."""
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
