"""Quantizers: networks in integers, a file per format; the key is the format's name.

A precision whose row is ``calibrated`` is written by the quantizer of the format, where there is
one. What they share: ``_calibration`` (images, and what is refused), ``_observers`` (from values to
ranges), ``_search`` (which modules stay in float) and ``_proof`` (a file
against its own fake-quantised model).
"""

from __future__ import annotations

from types import ModuleType

from seaformer.core.precision import Precision
from seaformer.core.registry import Registry
from seaformer.export.quantize._calibration import calibration_digest

__all__ = ["QUANTIZERS", "calibration_digest", "find_quantizer"]

QUANTIZERS = Registry("seaformer.export.quantize", noun="quantizer", extra="export")


def find_quantizer(format: str, precision: Precision) -> ModuleType | None:
    """What writes files of ``format`` in a calibrated precision; ``None`` where nothing does."""
    if not precision.calibrated or format not in QUANTIZERS.names():
        return None
    return QUANTIZERS.load(format)
