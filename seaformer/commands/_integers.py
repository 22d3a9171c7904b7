"""Options of quantisation: which request they belong to, and where they mean nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seaformer.core.errors import UsageError
from seaformer.core.precision import find_precision, precisions
from seaformer.core.quantization import check_observer

if TYPE_CHECKING:
    from seaformer.commands._options import QuantizeOptions


def check_integers(integers: QuantizeOptions, precision: str) -> None:
    """Raise ``UsageError`` for options of calibrated precisions where none is asked for."""
    if integers.observer:
        check_observer(integers.observer)
    if any(find_precision(name.strip()).calibrated for name in precision.split(",")):
        return
    able = ",".join(row.name for row in precisions() if row.calibrated)
    options = {
        "--calibration": integers.calibration,
        "--observer": integers.observer,
        "--int8-keep": integers.int8_keep,
    }
    for option, value in options.items():
        if value:
            raise UsageError(f"{option} is for --precision {able} (got --precision {precision}).")


def calibration_of(integers: QuantizeOptions | None, precision: str) -> str | None:
    """The folder of calibration images, for a precision that needs some."""
    return (integers.calibration or None) if _asked(integers, precision) and integers else None


def observer_of(integers: QuantizeOptions | None, precision: str) -> str | None:
    """The observer, for a precision that needs one."""
    return (integers.observer or None) if _asked(integers, precision) and integers else None


def keep_of(integers: QuantizeOptions | None, precision: str) -> tuple[str, ...]:
    """Modules that stay in float, for a precision that has integers."""
    names = integers.int8_keep.split(",") if integers and _asked(integers, precision) else []
    return tuple(name.strip() for name in names if name.strip())


def _asked(integers: QuantizeOptions | None, precision: str) -> bool:
    return integers is not None and find_precision(precision).calibrated
