"""One measurement by what a person types."""

from __future__ import annotations

import pytest

from seaformer.core.errors import CorruptArtifact, UnknownName
from seaformer.store.find import find_run, short_ids
from seaformer.store.results import ResultStore
from tests.fakes.measurements import measurement
from tests.store.stores import filled


def test_a_measurement_is_found_by_its_id_its_beginning_or_its_file(store: ResultStore) -> None:
    one, _ = filled(store, measurement(1), measurement(2))
    for which in (measurement(1).id, measurement(1).id[:19], str(one)):
        assert find_run(store.root, which) == (one, measurement(1))


@pytest.mark.parametrize("which", ["", "2026", "nothing", "*", "../runs/host-example/2026"])
def test_an_id_that_is_none_or_many_is_refused(store: ResultStore, which: str) -> None:
    filled(store, measurement(1), measurement(2))
    with pytest.raises(UnknownName, match="the id"):
        find_run(store.root, which)


def test_a_damaged_measurement_cannot_be_shown(store: ResultStore) -> None:
    (path,) = filled(store, measurement(1))
    path.write_text("{")
    with pytest.raises(CorruptArtifact, match="not readable JSON"):
        find_run(store.root, measurement(1).id)


def test_a_measurement_is_found_by_the_id_inside_of_a_renamed_file(store: ResultStore) -> None:
    (path,) = filled(store, measurement(1))
    renamed = path.rename(path.with_name("the good one.json"))
    assert find_run(store.root, measurement(1).id) == (renamed, measurement(1))


TIME = "20260729T101112345"


def test_short_ids_are_as_long_as_it_takes_to_keep_them_apart() -> None:
    made = [f"{TIME}-{token}" for token in ("5f0c2a91", "5f0c2b00", "00c0ffee")]
    assert [*short_ids(made).values()] == ["5f0c2a", "5f0c2b", "00c0ff"]
    assert short_ids(made[:1]) == {made[0]: "5f0c"}
    assert short_ids([]) == {}


def test_an_id_that_cannot_be_shortened_stands_for_itself() -> None:
    twice = [f"{TIME}-5f0c2a91", "20270729T101112345-5f0c2a91"]
    odd = ["by hand", "x-", "", "a-5f0c2a91", f"{TIME}-5F0C2A91"]
    assert [*short_ids([*twice, *odd]).values()] == [*twice, *odd]


def test_every_short_id_finds_its_measurement(store: ResultStore) -> None:
    tokens = ("5f0c2a91", "5f0c2a92", "20260729", "00000003")
    made = [measurement(n, id=f"{TIME}-{token}") for n, token in enumerate(tokens)]
    paths = filled(store, *made)
    for one, path in zip(made, paths, strict=True):
        assert find_run(store.root, short_ids(m.id for m in made)[one.id]) == (path, one)


def test_fewer_than_four_characters_are_never_a_short_id(store: ResultStore) -> None:
    filled(store, measurement(1, id=f"{TIME}-5f0c2a91"))
    with pytest.raises(UnknownName, match="No measurement has the id '5f0'"):
        find_run(store.root, "5f0")
