"""``Runs``: the measurements a report or a comparison is made of, and the files it had to skip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seaformer.core.accuracy import Accuracy
from seaformer.core.files import DamagedFile
from seaformer.core.measurement import Measurement, summary

if TYPE_CHECKING:
    from seaformer.core.stats import Summary


@dataclass(frozen=True)
class Runs:
    """What a results folder holds: measurements, oldest first, and every file that was skipped.

    ``accuracies`` are records of evaluations, oldest first. ``summaries``, by id and method, are
    those that were derived from the same samples before.
    """

    measurements: tuple[Measurement, ...] = ()
    damaged: tuple[DamagedFile, ...] = ()
    accuracies: tuple[Accuracy, ...] = ()
    summaries: Mapping[tuple[str, str], Summary] = field(default_factory=dict, repr=False)

    def summary(self, measurement: Measurement, method: str) -> Summary | None:
        """As ``measurement.summary``; derived now where it was not before."""
        return self.summaries.get((measurement.id, method)) or summary(measurement, method)
