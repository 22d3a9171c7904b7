"""Estimates for a table of the paper: nothing is measured, and nothing is stored.

``--device estimate[:CORE]``, or ``estimate:FILE.json`` of a calibration. Exports and what they
execute are in the cache, so that an interrupted reproduction continues.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from seaformer.core.artifact import Artifact
from seaformer.core.errors import SeaFormerError
from seaformer.core.estimate import Estimate
from seaformer.core.files import expanded
from seaformer.estimate.run import CORE, Estimator, open_estimator
from seaformer.reproduce.estimated_table import estimated_page
from seaformer.reproduce.page import Progress, Reproduced
from seaformer.reproduce.plan import Plan, Work
from seaformer.reproduce.run import Factory, left_out

DEVICE = "estimate"
_NOT_COUNTED = "not estimated: not counted before"
_FIXED_S, _PER_GMAC_S = 60.0, 85.0  # to export and emulate one file, for the time left


@dataclass
class Estimates:
    """One run over all work; ``answers`` are estimates, ``reasons`` of what has none.

    ``stored`` exports and counts nothing; ``limit`` is in 10^9 multiply-accumulates.
    """

    estimator: Estimator
    factory: Factory
    progress: Callable[[Progress], None]
    answers: dict[Work, Estimate] = field(default_factory=dict)
    reasons: dict[Work, str] = field(default_factory=dict)
    exit_code: int = 0
    interrupted: bool = False
    stored: bool = False
    limit: float = math.inf

    def run(self, every: Sequence[Work]) -> None:
        """Answer each work; Ctrl-C keeps the answers there are."""
        reasons = left_out(every, self.limit)
        self.reasons |= reasons
        works = [work for work in every if work not in reasons]
        try:
            for number, work in enumerate(works):
                step = self._step(works, number)
                self._answer(work, step)
        except KeyboardInterrupt:
            self.interrupted = True

    def _answer(self, work: Work, step: Callable[[str], None]) -> None:
        try:
            known = self._known(work) if self.stored else self.factory.make(work, step)
            if known is None:
                self.reasons[work] = _NOT_COUNTED
                return
            self.answers[work] = self.estimator.estimate(
                known, components=work.components, progress=step
            )
        except SeaFormerError as error:
            self.reasons[work] = f"not estimated: {error.message}"
            self.exit_code = self.exit_code or error.exit_code

    def _known(self, work: Work) -> Artifact | None:
        """The file of a work that was exported and counted before."""
        file = self.factory.find(work)
        if file is None or not self.estimator.has_counted(file, components=work.components):
            return None
        return file

    def _step(self, works: Sequence[Work], number: int) -> Callable[[str], None]:
        work = works[number]
        left_s = sum(_FIXED_S + _PER_GMAC_S * each.macs / 1e9 for each in works[number:])
        name = f"{work.model} {work.precision}"
        return lambda what: self.progress(Progress(f"{name}: {what}", number, len(works), left_s))


@dataclass(frozen=True)
class Estimating:
    """Estimate every work for ``estimate[:CORE]`` or ``estimate:FILE.json``, a calibration."""

    device: str
    factory: Factory
    say: Callable[[str], None]
    stored: bool = False
    limit: float = math.inf
    estimates: ClassVar[bool] = True

    def states(self, works: Sequence[Work]) -> dict[Work, str]:
        """What is left to do for each file."""
        find = self.factory.find
        return {work: "estimate" if find(work) else "export, estimate" for work in works}

    def reproduce(self, planned: Plan, progress: Callable[[Progress], None]) -> Reproduced:
        """Estimate every work; Ctrl-C keeps the answers there are.

        Raises the error of what cannot be opened.
        """
        name = self.device.partition(":")[2] or CORE
        file = expanded(name) if name.endswith(".json") else None
        estimator = open_estimator("" if file else name, file, self.factory.engines, self.say)
        run = Estimates(estimator, self.factory, progress, stored=self.stored, limit=self.limit)
        run.run(planned.works)
        page = estimated_page(planned, run.answers, run.reasons)
        return Reproduced(page, run.exit_code, run.interrupted)


def is_estimate(device: str) -> bool:
    """Whether a device is none but an estimate of one."""
    return device.partition(":")[0] == DEVICE
