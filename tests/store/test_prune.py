"""Pruning a store: which runs may go, and that only they go."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from seaformer.core.errors import UsageError
from seaformer.store.index import list_results
from seaformer.store.prune import plan_prune, prune
from seaformer.store.results import ResultStore
from tests.fakes.measurements import OFF_CORE, emulated, failed, measurement, method
from tests.store.stores import filled, snapshot


def pruned(store: ResultStore, **how: Any) -> list[str]:
    now = datetime(2026, 7, 30, tzinfo=UTC)
    return [one.entry.id for one in plan_prune(list_results(store.root).entries, now=now, **how)]


def test_the_newest_of_every_key_stay(store: ResultStore) -> None:
    filled(store, *(measurement(n) for n in (1, 2, 3)), measurement(4, precision="fp16"))
    filled(store, emulated(5))
    assert pruned(store, keep=1) == [measurement(1).id, measurement(2).id]
    assert pruned(store, keep=3) == []


def test_a_file_made_in_another_way_is_not_a_repeat(store: ResultStore) -> None:
    names = ("", "__percentile")
    files = [f"seaformer_t.ade20k__512x512__fp32{name}.onnx" for name in names]
    filled(store, *(measurement(n, artifact_file=file) for n, file in enumerate(files, 1)))
    assert pruned(store, keep=1) == []


def test_failures_go_when_a_newer_run_is_valid_and_only_then(store: ResultStore) -> None:
    filled(store, failed(1), measurement(2, flags=(OFF_CORE,)), measurement(3), failed(4))
    filled(store, replace(failed(5), model="seaformer_s.ade20k"))
    assert pruned(store) == [failed(1).id, measurement(2).id]
    assert pruned(store, keep=1) == [failed(1).id, measurement(2).id]


def test_a_failed_run_of_parts_stays_until_they_were_measured(store: ResultStore) -> None:
    both = {"forward": method(), "stem": method()}
    filled(store, measurement(1, methods=both, failure="cut off"), measurement(2))
    assert pruned(store) == []
    filled(store, measurement(3, methods=both))
    assert pruned(store) == [measurement(1).id]


def test_the_last_valid_one_stays_behind_newer_failures(store: ResultStore) -> None:
    filled(store, measurement(1), *(measurement(n, flags=(OFF_CORE,)) for n in (2, 3)))
    assert pruned(store, keep=1) == []


def test_only_what_is_old_goes(store: ResultStore) -> None:
    filled(store, *(measurement(n) for n in (1, 2)))
    filled(store, measurement(3, created_at="no date"))
    assert pruned(store, keep=1, older_than_days=1) == []
    assert pruned(store, keep=1, older_than_days=0) != []


def test_pruning_deletes_what_it_said_and_no_damaged_file(store: ResultStore) -> None:
    paths = filled(store, *(measurement(n) for n in (1, 2)))
    bad = paths[0].with_name("cut.json")
    bad.write_text("{")
    before = snapshot(store.root)
    outdated = plan_prune(list_results(store.root).entries, keep=1)
    assert snapshot(store.root) == before
    prune(store.root, outdated)
    assert not paths[0].exists()
    assert paths[1].exists()
    assert bad.exists()


@pytest.mark.parametrize(("keep", "older_than_days"), [(0, 0), (5, -1)])
def test_a_plan_that_keeps_nothing_is_refused(keep: int, older_than_days: int) -> None:
    with pytest.raises(UsageError, match="--keep is 1 or more"):
        plan_prune((), keep=keep, older_than_days=older_than_days)
