"""Signal-to-noise ratio of each module's output, between the float and the fake-quantised model.

The output of a module is what the last operator in it computes, as its readers get it: rounded
where it is. How the values are recorded is the quantizer's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from seaformer.core.quantization import ModuleNoise
from seaformer.export.quantize._observers import Array

IMAGES = 4  # of those that the ranges are from


def module_noise(
    pairs: Iterable[tuple[Mapping[str, Array], Mapping[str, Array]]],
) -> tuple[ModuleNoise, ...]:
    """From outputs by module for each image, fake-quantised and float; in the float one's order."""
    signal: dict[str, float] = {}
    noise: dict[str, float] = {}
    for seen, expected in pairs:
        for module, values in expected.items():
            exact = values.astype(np.float64)
            difference = seen[module].astype(np.float64) - exact
            signal[module] = signal.get(module, 0.0) + float(np.sum(exact**2))
            noise[module] = noise.get(module, 0.0) + float(np.sum(difference**2))
    return tuple(ModuleNoise(name, _ratio(signal[name], noise[name])) for name in signal)


def _ratio(signal: float, noise: float) -> float | None:
    """In dB; ``None`` where the two are equal, and of an output that is zero everywhere."""
    return 10 * math.log10(signal / noise) if signal and noise else None
