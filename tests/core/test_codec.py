"""Dataclasses to JSON and back."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from seaformer.core import codec
from seaformer.core.errors import CorruptArtifact, SchemaTooNew


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


whole = some.integers(-(2**63) + 1, 2**63 - 1)
leaves = some.builds(
    Leaf,
    name=some.text(),
    count=whole,
    share=some.floats(allow_nan=False, allow_infinity=False),
    good=some.booleans(),
)
trees = some.builds(
    Tree,
    leaves=some.lists(leaves, max_size=3).map(tuple),
    pair=some.tuples(whole, some.text()),
    by_name=some.dictionaries(some.text(), leaves, max_size=3),
    kind=some.sampled_from(["oak", "elm"]),
    either=some.one_of(whole, some.text()),
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
    assert codec.decode(Tree, text.encode()) == tree


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
        ({"leaves": {}}, r"tree\.leaves: expected a list, got \{\}"),
        ({"leaves": [{"name": "a", "count": "1"}]}, r"leaves\[0\]\.count: expected int, got '1'"),
        ({"leaves": [{"name": "a", "count": True}]}, r"count: expected int, got True"),
        ({"leaves": [{"name": "a", "count": 1.0}]}, r"count: expected int, got 1\.0"),
        ({"leaves": [{"name": 1, "count": 1}]}, r"name: expected str, got 1"),
        ({"leaves": [{"name": "a", "count": 1, "good": 1}]}, r"good: expected bool, got 1"),
        ({"leaves": [{"name": "a", "count": 1, "share": "x"}]}, r"share: expected a number"),
        ({"leaves": [{"name": "a", "count": 1, "share": True}]}, r"share: expected a number"),
        ({"leaves": [{"name": "a", "count": 1, "share": 10**400}]}, r"share: .* too large"),
        ({"leaves": [{"name": "a", "count": 10**19}]}, r"count: .* at most 63 bits, got one of 64"),
        ({"pair": [-(10**400), "a"]}, r"tree\.pair\[0\]: expected a number of at most 63 bits"),
        ({"either": 2**63}, r"either: expected one of int, str, got 9223372036854775808"),
        ({"pair": [1]}, r"pair: expected a list of 2"),
        ({"pair": [1, 2]}, r"pair\[1\]: expected str"),
        ({"by_name": []}, r"by_name: expected an object"),
        ({"by_name": {"x": 1}}, r"by_name\.x: expected an object, got 1"),
        ({"kind": "ash"}, r"kind: expected one of oak, elm, got 'ash'"),
        ({"either": 1.5}, r"either: expected one of int, str, got 1\.5"),
        ({"best": 3}, r"best: expected an object, got 3"),
        ({"kind": "x" * 500}, r"got 'x+\.\.\.\.$"),
    ],
)
def test_a_wrong_field_is_named_with_what_was_expected(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(CorruptArtifact, match=told):
        codec.from_json(Tree, document(**changes), where="tree")
    with pytest.raises(CorruptArtifact, match=told):
        codec.decode(Tree, json.dumps(document(**changes)).encode(), where="tree")


@settings(deadline=None, derandomize=True, database=None, max_examples=400)
@given(trees, some.data())
def test_text_and_parsed_json_are_read_alike_whatever_is_changed(
    tree: Tree, data: some.DataObject
) -> None:
    """msgspec reads text, Python what it refuses: both must agree on what is valid."""
    document = codec.to_json(tree)
    change_somewhere(document, data)
    text = json.dumps(document).encode()
    assert outcome(lambda: codec.decode(Tree, text)) == outcome(
        lambda: codec.from_json(Tree, json.loads(text))
    )


def change_somewhere(value: Any, data: some.DataObject) -> None:
    """Put another value at one place of a JSON document, at any depth."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not keys:
        return
    key = data.draw(some.sampled_from(keys))
    if isinstance(value[key], (dict, list)) and value[key] and data.draw(some.booleans()):
        change_somewhere(value[key], data)
    else:
        value[key] = data.draw(some.sampled_from(STRANGE))


STRANGE: list[Any] = [
    None,
    True,
    0,
    -1,
    1.0,
    1e300,
    10**18,
    10**19,
    10**30,
    10**400,
    "1",
    "\udcff",
    [],
    {},
]
STRANGE += [math.nan, math.inf, [1], {"name": "a", "count": 1}, {"name": "a"}]


def outcome(read: Callable[[], Tree]) -> str:
    """What was read, or the sentence about what is wrong; NaN is like NaN."""
    try:
        return repr(read())
    except CorruptArtifact as error:
        return error.message


@pytest.mark.parametrize("data", [None, 1, "text", [], True])
def test_a_document_that_is_no_object_is_refused(data: Any) -> None:
    with pytest.raises(CorruptArtifact, match="expected an object"):
        codec.from_json(Leaf, data)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b'{"a": 1', b"\xff\xfe\x00", b"not json", b"[" * 200_000, b"1" * 5000],
    ids=["empty", "brace", "cut", "bytes", "words", "deep", "long number"],
)
def test_text_that_is_not_json_is_corrupt(text: bytes) -> None:
    with pytest.raises(CorruptArtifact, match=r"^leaf\.json is not readable JSON: "):
        codec.decode(Leaf, text, where="leaf.json")


@dataclass(frozen=True)
class Sheet:
    schema: int
    name: str = ""


@pytest.mark.parametrize("schema", [1, 2])
def test_every_schema_up_to_the_newest_is_read(schema: int) -> None:
    text = json.dumps({"schema": schema, "later": 1}).encode()
    assert codec.decode(Sheet, text, newest=2) == Sheet(schema)


def test_a_newer_schema_is_refused_by_its_number_even_where_its_fields_are_others() -> None:
    for fields in ({}, {"name": 7}):
        text = json.dumps({"schema": 3} | fields).encode()
        with pytest.raises(SchemaTooNew, match=r"^a\.json has schema 3; .* reads up to 2\.$"):
            codec.decode(Sheet, text, where="a.json", newest=2)


@pytest.mark.parametrize(
    "text", [b"[]", b"{}", b'{"schema": true}', b'{"schema": 0}', b'{"schema": "1"}']
)
def test_a_document_without_a_schema_number_is_refused(text: bytes) -> None:
    with pytest.raises(CorruptArtifact, match="expected a document with a schema number"):
        codec.decode(Sheet, text, newest=2)


_AT_ONCE = """
import dataclasses, sys, threading
from seaformer.core import codec

sys.setswitchinterval(1e-6)


def decode_at_once(number):
    leaf = dataclasses.make_dataclass("Leaf", [(f"a{n}", int, n) for n in range(40)])
    leaves = [(f"b{n}", tuple[leaf, ...], ()) for n in range(20)]
    branch = dataclasses.make_dataclass("Branch", leaves)
    tree = dataclasses.make_dataclass("Tree", [("branch", branch), ("leaf", leaf)])
    start, trees = threading.Barrier(4), []

    def decode():
        start.wait()
        trees.append(codec.decode(tree, b'{"branch": {"b0": [{"a1": 5}]}, "leaf": {}}'))

    threads = [threading.Thread(target=decode) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert [each.branch.b0[0].a1 for each in trees] == [5, 5, 5, 5]


for number in range(10):
    decode_at_once(number)
"""


def test_threads_may_decode_a_new_noun_at_once() -> None:
    """msgspec alone ends in a segmentation fault: its cache on a class is read half built."""
    ended = subprocess.run(
        [sys.executable, "-c", _AT_ONCE], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
