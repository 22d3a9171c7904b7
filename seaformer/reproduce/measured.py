"""Measurements for a table of the paper: of this machine, a phone or an emulated core."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from seaformer.bench.target import TargetOptions, open_target
from seaformer.core.artifact import Artifact
from seaformer.core.measurement import EMULATED, MEASURED
from seaformer.core.plan import RunPlan
from seaformer.reproduce.page import Progress, Reproduced
from seaformer.reproduce.plan import Plan, Work
from seaformer.reproduce.run import Factory, Reproduction, measured_before
from seaformer.reproduce.table import measured_page
from seaformer.store.index import IndexEntry, list_results
from seaformer.store.results import ResultStore


@dataclass(frozen=True)
class Measuring:
    """Measure what the store does not have; ``again``, ``stored``, ``limit``: see Reproduction."""

    device: str
    store: ResultStore
    plan: RunPlan
    factory: Factory
    say: Callable[[str], None]
    command: str = ""
    again: bool = False
    stored: bool = False
    limit: float = math.inf
    estimates: ClassVar[bool] = False

    def states(self, works: Sequence[Work]) -> dict[Work, str]:
        """What is left to do for each file, as far as that is known without the device."""
        entries = list_results(self.store.root).entries
        return {work: self._state(work, self.factory.find(work), entries) for work in works}

    def _state(self, work: Work, file: Artifact | None, entries: Sequence[IndexEntry]) -> str:
        if file is None:
            return "export, measure"
        source = EMULATED if self.device.partition(":")[0] == "emulator" else MEASURED
        before = measured_before(entries, file, work, self.plan, source)
        devices = ", ".join(dict.fromkeys(entry.device for entry in before))
        return f"measured already on {devices}" if devices else "exported already, measure"

    def reproduce(self, planned: Plan, progress: Callable[[Progress], None]) -> Reproduced:
        """Open the device and answer every work; Ctrl-C keeps the answers there are.

        Raises the error of the device when it cannot be opened.
        """
        options = TargetOptions(engines=self.factory.engines, misses=False)
        run = Reproduction(
            target=open_target(self.device, self.say, options),
            store=self.store,
            plan=self.plan,
            factory=self.factory,
            progress=progress,
            command=self.command,
            again=self.again,
            stored=self.stored,
            limit=self.limit,
        )
        interrupted = False
        try:
            run.run(planned.works)
        except KeyboardInterrupt:
            interrupted = True
        codes = (answer.exit_code for answer in run.answers.values())
        page = measured_page(planned, run.answers)
        return Reproduced(page, next((code for code in codes if code), 0), interrupted)
