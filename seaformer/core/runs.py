"""``Runs``: the measurements a report or a comparison is made of, and the files it had to skip."""

from __future__ import annotations

from dataclasses import dataclass

from seaformer.core.files import DamagedFile
from seaformer.core.measurement import Measurement


@dataclass(frozen=True)
class Runs:
    """What a results folder holds: measurements, oldest first, and every file that was skipped."""

    measurements: tuple[Measurement, ...] = ()
    damaged: tuple[DamagedFile, ...] = ()
