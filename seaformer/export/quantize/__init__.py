"""Quantizers: networks in integers, a file per format; the key is the format's name.

A precision whose row is ``calibrated`` is written by the quantizer of the format, where there is
one. What they share: ``_calibration`` (images, and what is refused), ``_observers`` (from values to
ranges), ``_search`` (which modules stay in float) and ``_proof`` (a file
against its own fake-quantised model).
"""

from __future__ import annotations

from types import ModuleType

from seaformer.core.errors import UsageError
from seaformer.core.precision import Precision, find_precision
from seaformer.core.registry import Registry
from seaformer.core.request import ExportRequest
from seaformer.export.quantize._calibration import calibration_digest

__all__ = ["QUANTIZERS", "calibration_digest", "check_quantizer_cpu", "find_quantizer"]

QUANTIZERS = Registry("seaformer.export.quantize", noun="quantizer", extra="export")


def find_quantizer(format: str, precision: Precision) -> ModuleType | None:
    """What writes files of ``format`` in a calibrated precision; ``None`` where nothing does."""
    if not precision.calibrated or format not in QUANTIZERS.names():
        return None
    return QUANTIZERS.load(format)


def check_quantizer_cpu(request: ExportRequest) -> None:
    """Raise ``UsageError`` for a CPU that files of the format are not made for.

    A quantizer has ``CPUS``: whose kernels its files can be for.
    """
    if request.cpu is None:
        return
    quantizer = find_quantizer(request.format, find_precision(request.precision))
    if quantizer is not None and request.cpu not in quantizer.CPUS:
        raise UsageError(
            f"--int8-for {request.cpu} is not supported for {request.format}: "
            f"its files are for {' and '.join(quantizer.CPUS)}.",
            hint="Leave --int8-for away.",
        )
