"""Options of quantisation: which request they belong to, and where they mean nothing."""

from __future__ import annotations

from seaformer.commands._options import QuantizeOptions
from seaformer.commands._weights import check_calibration, check_folder
from seaformer.core.errors import UsageError
from seaformer.core.precision import find_precision, precisions
from seaformer.core.quantization import AUTO, check_cpu, check_max_drop, check_observer


def check_integers(integers: QuantizeOptions, precision: str) -> None:
    """Raise ``UsageError`` for options of calibrated precisions where none is asked for."""
    if integers.observer:
        check_observer(integers.observer)
    if integers.int8_for:
        check_cpu(integers.int8_for)
    if _calibrated(precision):
        check_calibration(integers.calibration)
        check_folder("--data", integers.data)
        names = [name.strip() for name in integers.int8_keep.split(",")]
        check_max_drop(AUTO in names, integers.max_drop, integers.data)
        return
    options = {
        "--calibration": integers.calibration,
        "--observer": integers.observer,
        "--int8-keep": integers.int8_keep,
        "--max-drop": integers.max_drop,
        "--data": integers.data,
        "--int8-for": integers.int8_for,
    }
    for option, value in options.items():
        if value not in (None, ""):
            check_calibrated(option, precision)


def check_calibrated(option: str, precision: str) -> None:
    """Raise ``UsageError`` for an option of calibrated precisions where none is asked for."""
    if not _calibrated(precision):
        able = ",".join(row.name for row in precisions() if row.calibrated)
        raise UsageError(f"{option} is for --precision {able} (got --precision {precision}).")


def _calibrated(precision: str) -> bool:
    names = (name.strip() for name in precision.split(","))
    return any(find_precision(name).calibrated for name in names if name)


def options_for(precision: str, integers: QuantizeOptions | None) -> QuantizeOptions:
    """What was asked of quantisation, for one of several precisions; nothing for one of floats."""
    if integers is not None and find_precision(precision).calibrated:
        return integers
    return QuantizeOptions()
