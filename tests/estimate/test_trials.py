"""The table of what was tried: its first line is the scale in use, and no row sees its family."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seaformer.core.estimate import CYCLES
from seaformer.estimate import trials
from seaformer.estimate.calibration import shipped


def test_the_first_trial_is_the_scale_that_is_used() -> None:
    name, predict = next(iter(trials.all_trials()))
    assert name.endswith("(used)")
    rows = trials.rows_of("sd865")
    scale = shipped("sd865").scale("executorch", "fp32", CYCLES)
    assert scale is not None
    assert trials.errors_of(rows, predict) == pytest.approx(dict(scale.errors))


def test_a_trial_of_lines_of_memory_is_of_the_rows_that_they_were_counted_for() -> None:
    first, *others = trials.rows_of("sd865")
    bare = replace(first, counted=replace(first.counted, memory_lines=None))
    for name, predict in trials.all_trials():
        found = trials.errors_of([bare, *others], predict)
        assert (first.name in found) != name.startswith("of "), name


def test_no_trial_sees_the_family_that_it_is_tested_on() -> None:
    """Times of a family that are ten times as long change none of its predictions."""
    rows = trials.rows_of("sd865")
    longer = [replace(r, ms=10 * r.ms) if r.family == "topformer" else r for r in rows]
    for name, predict in trials.all_trials():
        before, after = (trials.errors_of(each, predict) for each in (rows, longer))
        for row in rows:
            if row.family == "topformer" and row.name in before:
                found = 10 * (1 + after[row.name])
                assert found == pytest.approx(1 + before[row.name]), name
