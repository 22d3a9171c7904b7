"""What a test needs of the machine: skipped on a workbench that lacks it, failed in CI."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def lacking(why: str) -> NoReturn:
    """End the test: ``why`` says what would have to be installed."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


def require(there: object, why: str) -> None:
    """End the test unless something is there."""
    if not there:
        lacking(why)
