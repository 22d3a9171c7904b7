"""What a test requires of the machine: skipped on a workbench that lacks it, failed in CI."""

from __future__ import annotations

import importlib
import os
import warnings
from collections import Counter
from collections.abc import Iterable
from typing import Any, NoReturn

import pytest

from seaformer.core.errors import SeaFormerError

ZOO = "pip install 'seaformer[zoo]'"
DEV = "pip install 'seaformer[dev]'"
_PREFIX = "Skipped: "


def skip(reason: str) -> NoReturn:
    """End the test; in CI it fails. ``reason`` ends with the line that installs what is missing."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def require(available: object, missing: str, install: str = "") -> None:
    """End the test unless ``available`` is true: ``no adb (sudo apt-get install adb)``."""
    if not available:
        skip(f"{missing} ({install})" if install else missing)


def module(name: str, install: str) -> Any:
    """An optional Python package, or the end of the test."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a package warns about itself while it is imported
            return importlib.import_module(name)
    except ImportError:
        skip(f"no {name} ({install})")


def converter(format: str) -> None:
    """End the test where what writes a format is missing, in CI too where no extra of CI has it."""
    package = {"coreml": "coremltools", "litert": "litert_torch"}.get(format)
    if package:
        pytest.importorskip(package)


def skip_for(error: SeaFormerError) -> NoReturn:
    """End the test for what the package itself reports as missing, with its own advice."""
    skip(f"{error.message} ({error.hint})" if error.hint else error.message)


def summary(reports: Iterable[object]) -> list[str]:
    """A line for each reason that ``reports`` were skipped for, the most frequent first."""
    reasons = Counter(_reason(report) for report in reports)
    return [
        f"skipped {count} {'test' if count == 1 else 'tests'}: {reason}"
        for reason, count in reasons.most_common()
    ]


def _reason(report: object) -> str:
    """Of a skipped report, which holds (file, line, reason)."""
    place = getattr(report, "longrepr", None)
    return str(place[2] if isinstance(place, tuple) else place).removeprefix(_PREFIX)
