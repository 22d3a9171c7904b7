"""Odd values put into JSON documents: what the tests of every door for outside data share.

``SEAFORMER_FUZZ=1000`` tries that many documents at each door, other ones every time; without it
the same few are tried, in seconds, and in continuous integration a hundred.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as some

Test = TypeVar("Test", bound=Callable[..., Any])

_GIVEN = os.environ.get("SEAFORMER_FUZZ", "")
_BUDGET = settings(
    deadline=None,
    derandomize=not _GIVEN,
    database=None,
    max_examples=int(_GIVEN or (100 if os.environ.get("CI") else 30)),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def budget(test: Test) -> Test:
    """Mark a test of a door, ``pytest -m fuzz``, and give it that many documents."""
    marked: Test = pytest.mark.fuzz(_BUDGET(test))
    return marked


EVIL = "\x1b[2J\x1b]0;x\x07\r\n::error::x"  # clears a terminal, names its window, fails a CI job

odd_values = some.one_of(
    some.none(),
    some.booleans(),
    some.integers(),
    some.floats(),
    some.text(max_size=8),
    some.sampled_from([10**400, -1, 0, 2**63 - 1, 2**63, 1e308, "../x", "/etc/passwd", EVIL]),
    some.sampled_from([[], {}, [[]], "\ud800", "9" * 5000]),
)


def mutate(document: Any, data: some.DataObject) -> None:
    """Put an odd value in one place of a JSON document, at any depth, or take the place away."""
    at = document
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            return
        key = data.draw(some.sampled_from(keys))
        inner = at[key]
        if not (isinstance(inner, (dict, list)) and inner and data.draw(some.booleans())):
            break
        at = inner
    if data.draw(some.integers(0, 4)) == 0:
        del at[key]
    else:
        at[key] = data.draw(odd_values)
