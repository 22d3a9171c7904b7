"""``Estimate``: a time that was computed and not measured, with the interval it is expected in.

Neither a ``Measurement`` nor a row of measurements is ever made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CYCLES, INSTRUCTIONS = "cycles", "instructions"


@dataclass(frozen=True)
class PartEstimate:
    """One component of a network, run alone; ``cycles`` is ``None`` where LLVM is missing."""

    name: str
    instructions: int
    cycles: float | None
    estimate_ms: float


@dataclass(frozen=True)
class OperatorEstimate:
    """One operator as the engine executed it; ``module`` and ``exact`` as in ``OperatorTime``.

    The last one of an estimate is what the engine executes between them, so that all add up.
    """

    name: str
    kind: str
    module: str
    exact: bool
    instructions: int
    cycles: float | None
    estimate_ms: float


@dataclass(frozen=True)
class Estimate:
    """What one artifact is expected to take on one core, which may never have been at hand.

    Args:
        core: the calibration's device: ``sd865``.
        emulated: the core whose code was counted, by QEMU's name.
        instructions, cycles: of one warm inference; cycles by LLVM's model of the core.
        by: what the estimate was made of, ``cycles`` or ``instructions``.
        interval_ms: 90 % interval, low and high.
        inside: whether the calibration covers networks of this kind.
        outside_because: why not, with the operators by name; the interval is wide then.
        published_ms: the published figure for this model on that core, never part of the estimate.
        versions: of QEMU, LLVM and the engine.
        operators: on request, in the order in which they ran.
    """

    model: str
    engine: str
    precision: str
    core: str
    instructions: int
    cycles: float | None
    estimate_ms: float
    interval_ms: tuple[float, float]
    inside: bool
    outside_because: tuple[str, ...]
    components: tuple[PartEstimate, ...]
    by: str
    emulated: str
    scope: str
    input_shape: tuple[int, ...]
    artifact_file: str
    artifact_sha256: str
    published_ms: float | None
    versions: Mapping[str, str]
    left_out: tuple[str, ...] = ()
    operators: tuple[OperatorEstimate, ...] = ()


@dataclass(frozen=True)
class ScaleRow:
    """One row of a calibration as it is shown: ``ms`` was published or measured, in ``source``.

    The errors are relative, of the row with its family left out (one that is not ``inside`` has no
    part in a scale); ``None`` where the row is in no
    scale.
    """

    model: str
    family: str
    engine: str
    precision: str
    ms: float
    source: str
    inside: bool
    by_cycles: float | None
    by_instructions: float | None


@dataclass(frozen=True)
class ScaleSummary:
    """One scale of a calibration as it is shown: ``mean`` and ``worst`` of the absolute errors."""

    engine: str
    precision: str
    by: str
    ns: float
    factor: float
    rows: int
    families: tuple[str, ...]
    mean: float
    worst: float
