"""Names that type checkers read are those of the rows."""

from __future__ import annotations

from typing import get_args

from seaformer.core.artifact import SCOPES, ScopeName
from seaformer.core.engine import DEFAULT_FORMAT, FormatName, formats
from seaformer.core.precision import BASE, DEFAULT_PRECISION, PrecisionName, names


def test_every_name_a_type_checker_allows_has_a_row_and_every_row_is_allowed() -> None:
    assert get_args(FormatName) == formats()
    assert get_args(PrecisionName) == names()
    assert get_args(ScopeName) == SCOPES


def test_defaults_are_rows() -> None:
    assert DEFAULT_FORMAT in formats()
    assert BASE.name == DEFAULT_PRECISION
