"""Names that type checkers read are those of the rows."""

from __future__ import annotations

from typing import get_args

from seaformer.commands._options import ModelOptions
from seaformer.commands._parse import EVERY_FORMAT, export_requests
from seaformer.core.artifact import SCOPES, ScopeName
from seaformer.core.engine import (
    DEFAULT_FORMAT,
    FormatName,
    default_formats,
    formats,
    installed_formats,
    timed_formats,
)
from seaformer.core.precision import BASE, DEFAULT_PRECISION, PrecisionName, names


def test_every_name_a_type_checker_allows_has_a_row_and_every_row_is_allowed() -> None:
    assert get_args(FormatName) == formats()
    assert get_args(PrecisionName) == names()
    assert get_args(ScopeName) == SCOPES


def test_defaults_are_rows() -> None:
    assert DEFAULT_FORMAT in formats()
    assert BASE.name == DEFAULT_PRECISION


def test_a_bench_times_what_one_extra_installs_unless_every_format_is_asked_for() -> None:
    assert default_formats() == ("onnx", "executorch")
    assert set(timed_formats()) > set(default_formats())
    assert set(timed_formats()) >= set(installed_formats()) >= set(default_formats())
    requests = export_requests(ModelOptions(variant="t"), EVERY_FORMAT, seed=0)
    assert tuple(request.format for request in requests) == installed_formats()
