"""Conversions: a file per format and precision, where casting the network is not enough.

``onnx_fp16`` makes an ONNX file one in fp16. A file has ``convert``, whose arguments are the
format's: an ONNX file is converted in place (``convert(path) -> note for the manifest``).
"""

from __future__ import annotations

from types import ModuleType

from seaformer.core.precision import Precision
from seaformer.core.registry import Registry

CONVERSIONS = Registry("seaformer.export.conversions", noun="conversion", extra="export")


def find_conversion(format: str, precision: Precision) -> ModuleType | None:
    """The file that makes a file of ``format`` one in ``precision``, if there is one."""
    name = f"{format}_{precision.name}"
    return CONVERSIONS.load(name) if name in CONVERSIONS.names() else None
