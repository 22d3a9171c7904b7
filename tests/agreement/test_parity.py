"""An infinity or a NaN never passes, whatever else agrees."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seaformer.agreement.parity import compare, compare_all
from seaformer.core.precision import precisions

BAD = [math.nan, math.inf, -math.inf]


def scores(bad: float | None = None) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Two classes; the bad value is in the one that loses everywhere but there."""
    values = np.array([[[[9.0, 8.0, 7.0]], [[1.0, 2.0, 3.0]]]], dtype=np.float32)
    if bad is not None:
        values[0, 0, 0, 1] = bad
    return values


@pytest.mark.parametrize("precision", precisions(), ids=lambda row: str(row.name))
@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("place", ["the file", "the reference", "both"])
def test_no_tolerance_lets_it_pass(place: str, bad: float, precision: object) -> None:
    seen = scores(bad if place != "the reference" else None)
    expected = scores(bad if place != "the file" else None)
    tolerance = precision.tolerance  # type: ignore[attr-defined]
    case = compare("image", seen, expected, tolerance)
    assert not case.passed
    assert case.max_abs == case.relative_error == math.inf
    assert not compare("image", seen, expected, tolerance, scores=False).passed


@pytest.mark.parametrize("bad", BAD)
def test_one_bad_output_of_several_is_the_one_that_is_reported(bad: float) -> None:
    tolerance = precisions()[0].tolerance
    good, wrong = scores(), scores(bad)
    for seen in ([good, wrong], [wrong, good]):
        case = compare_all("image", "forward", seen, [good, good], tolerance)
        assert not case.passed
        assert case.relative_error == math.inf
    assert compare_all("image", "forward", [good, good], [good, good], tolerance).passed
