"""``Runs``: the measurements a report or a comparison is made of, and the files it had to skip.

``Measurements`` are those of one bench.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, overload

from seaformer.core import notebook
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


class Measurements(Sequence[Measurement]):
    """The measurements of one bench, in the order of the artifacts; a table in a notebook."""

    def __init__(self, measurements: Iterable[Measurement]) -> None:
        self._all = tuple(measurements)

    @overload
    def __getitem__(self, index: int) -> Measurement: ...
    @overload
    def __getitem__(self, index: slice) -> Measurements: ...
    def __getitem__(self, index: int | slice) -> Measurement | Measurements:
        return Measurements(self._all[index]) if isinstance(index, slice) else self._all[index]

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Measurement]:
        return iter(self._all)

    def __repr__(self) -> str:
        return f"Measurements of {', '.join(one.artifact_file for one in self._all) or 'nothing'}"

    def _repr_html_(self) -> str:
        return notebook.table(self._all)
