"""The ratio of two medians, and its interval."""

from __future__ import annotations

import pytest

from seaformer.core.ratio import ratio_of_medians
from tests.fakes.measurements import method


def test_a_ratio_has_an_interval_that_holds_it_and_is_the_same_every_time() -> None:
    base, new = method(20.0, seed=1).by_process(), method(22.0, seed=2).by_process()
    ratio = ratio_of_medians(base, new)
    assert ratio == ratio_of_medians(base, new)
    assert ratio is not None
    assert ratio.low < 1.1 < ratio.high
    assert ratio.high - ratio.low < 0.02


def test_both_sides_of_a_ratio_are_resampled_apart() -> None:
    same = method(20.0, processes=3, seed=1).by_process()
    ratio = ratio_of_medians(same, same)
    assert ratio is not None
    assert ratio.value == 1.0
    assert ratio.low < 1.0 < ratio.high


@pytest.mark.parametrize("base", [(), ((),), ((0, 0),)])
def test_no_ratio_without_a_base(base: tuple[tuple[int, ...], ...]) -> None:
    assert ratio_of_medians(base, ((1, 2),)) is None
    assert ratio_of_medians(((1, 2),), ()) is None
