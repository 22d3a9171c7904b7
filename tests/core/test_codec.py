"""Dataclasses to JSON and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from seaformer.core import codec
from seaformer.core.errors import CorruptArtifact


@dataclass(frozen=True)
class Leaf:
    name: str
    count: int
    share: float = 0.5
    good: bool = True


@dataclass(frozen=True)
class Tree:
    leaves: tuple[Leaf, ...]
    pair: tuple[int, str]
    by_name: Mapping[str, Leaf]
    kind: Literal["oak", "elm"]
    either: int | str
    best: Leaf | None = None
    height_m: float | None = None
    path: Path = field(default=Path(), compare=False, metadata={"transient": True})


leaves = some.builds(
    Leaf,
    name=some.text(),
    count=some.integers(),
    share=some.floats(allow_nan=False, allow_infinity=False),
    good=some.booleans(),
)
trees = some.builds(
    Tree,
    leaves=some.lists(leaves, max_size=3).map(tuple),
    pair=some.tuples(some.integers(), some.text()),
    by_name=some.dictionaries(some.text(), leaves, max_size=3),
    kind=some.sampled_from(["oak", "elm"]),
    either=some.one_of(some.integers(), some.text()),
    best=some.none() | leaves,
    height_m=some.none() | some.floats(allow_nan=False, allow_infinity=False),
)
OAK = Tree((Leaf("a", 1),), (2, "b"), {"c": Leaf("d", 3)}, "oak", 4)


def document(**changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = codec.to_json(OAK)
    return data | changes


@settings(deadline=None, derandomize=True, database=None)
@given(trees)
def test_what_is_written_is_read_back_through_json_text(tree: Tree) -> None:
    text = json.dumps(codec.to_json(tree), allow_nan=False)
    assert codec.from_json(Tree, json.loads(text)) == tree


def test_a_transient_field_is_not_stored() -> None:
    assert "path" not in codec.to_json(OAK)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_becomes_null_and_is_read_back_as_nan(value: float) -> None:
    data = codec.to_json(Leaf("a", 1, value))
    assert data["share"] is None
    assert math.isnan(codec.from_json(Leaf, data).share)


def test_an_optional_nan_is_read_back_as_nothing() -> None:
    tree = codec.from_json(Tree, codec.to_json(OAK) | {"height_m": None})
    assert tree.height_m is None


def test_unknown_fields_are_ignored() -> None:
    assert codec.from_json(Tree, document(later="a newer field")) == OAK


def test_defaults_stand_in_for_absent_fields() -> None:
    assert codec.from_json(Leaf, {"name": "a", "count": 1}) == Leaf("a", 1)


def test_an_integer_is_a_good_float() -> None:
    share = codec.from_json(Leaf, {"name": "a", "count": 1, "share": 2}).share
    assert share == 2.0
    assert isinstance(share, float)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"leaves": [{"name": "a"}]}, r"tree\.leaves\[0\]: the field 'count' is missing"),
        ({"leaves": {}}, r"tree\.leaves: expected a list, found \{\}"),
        ({"leaves": [{"name": "a", "count": "1"}]}, r"leaves\[0\]\.count: expected int, found '1'"),
        ({"leaves": [{"name": "a", "count": True}]}, r"count: expected int, found True"),
        ({"leaves": [{"name": "a", "count": 1.0}]}, r"count: expected int, found 1\.0"),
        ({"leaves": [{"name": 1, "count": 1}]}, r"name: expected str, found 1"),
        ({"leaves": [{"name": "a", "count": 1, "good": 1}]}, r"good: expected bool, found 1"),
        ({"leaves": [{"name": "a", "count": 1, "share": "x"}]}, r"share: expected a number"),
        ({"leaves": [{"name": "a", "count": 1, "share": True}]}, r"share: expected a number"),
        ({"leaves": [{"name": "a", "count": 1, "share": 10**400}]}, r"share: .* too large"),
        ({"pair": [1]}, r"pair: expected a list of 2"),
        ({"pair": [1, 2]}, r"pair\[1\]: expected str"),
        ({"by_name": []}, r"by_name: expected an object"),
        ({"by_name": {"x": 1}}, r"by_name\.x: expected an object, found 1"),
        ({"kind": "ash"}, r"kind: expected one of oak, elm, found 'ash'"),
        ({"either": 1.5}, r"either: expected one of int, str, found 1\.5"),
        ({"best": 3}, r"best: expected an object, found 3"),
        ({"kind": "x" * 500}, r"found 'x+\.\.\.\.$"),
    ],
)
def test_a_wrong_field_is_named_with_what_was_expected(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(CorruptArtifact, match=told):
        codec.from_json(Tree, document(**changes), where="tree")


@pytest.mark.parametrize("data", [None, 1, "text", [], True])
def test_a_document_that_is_no_object_is_refused(data: Any) -> None:
    with pytest.raises(CorruptArtifact, match="expected an object"):
        codec.from_json(Leaf, data)
