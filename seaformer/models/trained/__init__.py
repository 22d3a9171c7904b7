"""Trained weights that come with seaformer: a name is a checkpoint wherever a file is one.

``trained.csv`` has a row for each: how it was trained, on which generated set, and how accurate
the file is that lies beside it. ``NAME.pth`` are the weights in half precision, ``NAME.csv`` the
losses of the run. ``tools/ship.py`` writes all three. No torch.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from seaformer.core import codec

_HOME = Path(__file__).parent
_ROWS = _HOME / "trained.csv"


@dataclass(frozen=True)
class TrainedWeights:
    """One file. ``data`` is the command that generates the set, ``train`` the one that trains.

    ``value`` is in per cent: mIoU with its 95 % interval over the validation images, or top-1,
    which has none (``low`` and ``high`` are empty).
    """

    name: str
    model: str
    data: str
    train: str
    metric: str
    value: float
    low: str
    high: str
    sha256: str

    @property
    def path(self) -> Path:
        return _HOME / f"{self.name}.pth"

    @property
    def curve(self) -> Path:
        """The losses of the run: ``iteration,loss``, means of as many iterations as lie between."""
        return _HOME / f"{self.name}.csv"


@cache
def trained_weights() -> MappingProxyType[str, TrainedWeights]:
    """Every row of ``trained.csv``, by name."""
    rows = csv.DictReader(_ROWS.read_text(encoding="utf-8").splitlines())
    read = (codec.from_json(TrainedWeights, _typed(row), where=_ROWS.name) for row in rows)
    return MappingProxyType({each.name: each for each in read})


def _typed(row: dict[str, str]) -> dict[str, object]:
    return {**row, "value": float(row["value"])}
