"""Whether what a file of a calibration has can be calculated with: it may have been edited."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from seaformer.core.errors import ArtifactError
from seaformer.core.estimate import CYCLES
from seaformer.estimate.evidence import evidence

if TYPE_CHECKING:
    from seaformer.estimate.calibration import Calibration, Row
    from seaformer.estimate.scale import Scale

_LEAST_NS, _MOST = 1e-6, 1e6  # nanoseconds for a count; and the most that an interval is wide


def check_usable(calibration: Calibration, where: str) -> None:
    """Raise ``ArtifactError`` for what cannot be used, by its name; ``where`` is the file."""
    problem = next(_problems(calibration), "")
    if problem:
        raise ArtifactError(
            f"{where}{problem}.", hint="Make it again: seaformer estimate calibrate"
        )


def _problems(calibration: Calibration) -> Iterator[str]:
    counted = sorted({row.core for row in evidence()})
    if calibration.emulated not in counted:
        yield (
            f" is for code of an emulated {calibration.emulated}; scales are made of counts on "
            f"{', '.join(counted)}"
        )
    if not calibration.scales:
        yield " has no scale"
    for scale in calibration.scales:
        yield from _of_scale(scale)
        needed = ("qemu", scale.engine, *(["llvm"] if scale.by == CYCLES else []))
        for name in needed:
            if not calibration.versions.get(name):
                yield f" names no version of {name} that it holds for"
        kinds = ((r.engine, r.precision) for r in calibration.rows if r.inside)
        if (scale.engine, scale.precision) not in kinds:
            yield f" has no row in {scale.engine} {scale.precision}, which it has a scale of"
    for row in calibration.rows:
        yield from _of_row(row)


def _of_scale(scale: Scale) -> Iterator[str]:
    own = scale.ns if scale.attending_ns is None else scale.attending_ns
    what = f"{scale.engine} {scale.precision}"
    for name, value, least in (
        ("ns", scale.ns, _LEAST_NS),
        ("attending_ns", own, _LEAST_NS),
        ("factor", scale.factor, 1.0),
    ):
        if not least <= value <= _MOST:  # not for NaN either
            yield f": {name} of {what} must be from {least:g} to {_MOST:g} (got {value:g})"


def _of_row(row: Row) -> Iterator[str]:
    for name, value in (("ms", row.ms), ("instructions", row.instructions), ("cycles", row.cycles)):
        if not (value > 0 and math.isfinite(value)):
            yield f": {name} of {row.model} must be above 0 (got {value:g})"
