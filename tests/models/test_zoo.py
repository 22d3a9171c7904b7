"""The index of models says what the sources say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from seaformer.core.errors import CorruptArtifact
from seaformer.models import FAMILIES, _complexity, _zoo

REGENERATE = "run: python -m seaformer.models._zoo"


def test_the_index_was_written_from_these_sources() -> None:
    assert not _zoo.is_stale(), REGENERATE


def test_the_index_has_every_row_of_every_family_and_its_cost() -> None:
    families = [FAMILIES.load(name) for name in FAMILIES.names()]
    rows = [(family, spec) for family in families for spec in family.specs()]
    entries = _zoo.read().models
    assert [entry.spec for entry in entries] == [spec for _, spec in rows], REGENERATE
    for (family, spec), entry in zip(rows, entries, strict=True):
        if spec.name.endswith((".ade20k", ".imagenet", ".cityscapes_half")):  # 0.5 s each
            assert _complexity.cost(family, spec) == (entry.params, entry.macs), REGENERATE


@pytest.mark.skipif(not importlib.util.find_spec("fvcore"), reason="fvcore is not installed")
def test_the_papers_way_of_counting_gives_what_the_index_says() -> None:
    entry = _zoo.entries()["seaformer_t.imagenet"]
    assert _complexity.entry(FAMILIES.load("seaformer"), entry.spec) == entry


def test_a_changed_source_makes_the_index_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_zoo, "sources_sha256", lambda: "0" * 64)
    assert _zoo.is_stale()


def test_an_index_that_is_missing_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(CorruptArtifact, match=r"zoo\.json"):
        _zoo.read(tmp_path / "zoo.json")
