"""A file of integers against its own fake-quantised model, which computes the same in float32.

That comparison shows a wrong kernel or conversion, which the distance from the eager network
hides: both round to the same codes, but for values that lie on the edge between two of them. One
code of difference grows on its way through a deep network, so bits are not asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from seaformer.core.errors import ParityError
from seaformer.core.quantization import Quantization
from seaformer.export.quantize._observers import Array


@dataclass(frozen=True)
class Quantised:
    """What a quantizer reports: for the manifest, notes for its reader and the proof's line."""

    quantization: Quantization
    notes: tuple[str, ...]
    check: str


Run = Callable[[Array], Sequence[Array]]
# Seeded SeaFormer-T, 64x96 to 512x512: 14 to 31 dB; 7 to 12 dB where x86 saturates and ONNX Runtime
# cannot avoid it (``runtime/onnxruntime.py``). An answer that is unrelated has 0 dB or less.
LEAST_DB = 3.0
IMAGES = 2  # of those that the ranges are from


def require_fake(file: str, run: Run, fake: Run, images: Iterable[Array]) -> str:
    """A line for the proof. Raises ``ParityError`` for a signal-to-noise ratio below ``LEAST_DB``.

    ``run`` and ``fake`` answer an image with every output; images are calibration images.
    """
    ratios = [
        sqnr_db(seen, expected)
        for image in islice(images, IMAGES)
        for seen, expected in zip(run(image), fake(image), strict=True)
    ]
    worst = min(ratios)
    if not worst >= LEAST_DB:
        raise ParityError(
            f"{file} does not compute what its fake-quantised model computes: "
            f"SQNR must be at least {LEAST_DB:g} dB (got {worst:.1f} dB)."
        )
    shown = "bit-equal" if worst == np.inf else f"SQNR {worst:.1f} dB"
    return f"against its fake-quantised model, on calibration images: {shown}"


def sqnr_db(seen: Array, expected: Array) -> float:
    """The power of the expected values over that of the difference, in dB; infinite where equal."""
    signal = float(np.sum(expected.astype(np.float64) ** 2))
    noise = float(np.sum((seen.astype(np.float64) - expected.astype(np.float64)) ** 2))
    if not noise:
        return float("inf")
    return float(10 * np.log10(signal / noise)) if signal else float("-inf")
