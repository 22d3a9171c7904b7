"""Rounds: everybody once, in an order that only the seed decides."""

from __future__ import annotations

import pytest

from seaformer.bench.schedule import rounds


@pytest.mark.parametrize(("count", "processes"), [(0, 3), (1, 3), (4, 0), (5, 7)])
def test_each_round_runs_every_artifact_once(count: int, processes: int) -> None:
    made = list(rounds(count, processes, seed=0))
    assert len(made) == processes
    assert all(sorted(order) == list(range(count)) for order in made)


def test_rounds_differ_and_repeat_with_the_seed() -> None:
    assert len(set(rounds(5, 8, seed=3))) > 1
    assert list(rounds(5, 8, seed=3)) == list(rounds(5, 8, seed=3))
    assert list(rounds(5, 8, seed=3)) != list(rounds(5, 8, seed=4))


def test_every_artifact_is_run_first_at_times() -> None:
    assert {order[0] for order in rounds(3, 40, seed=0)} == {0, 1, 2}
