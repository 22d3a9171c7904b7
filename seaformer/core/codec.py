"""Frozen dataclasses to JSON documents and back.

Written for the nouns of this package: fields are scalars, optional scalars, other dataclasses,
tuples and string-keyed mappings of those. Reading is strict about what is missing or of the
wrong type and lenient about what is unknown, so that a newer file with more fields still loads.
No file is opened here (see ``files.py``).
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from seaformer.core.errors import CorruptArtifact

T = TypeVar("T")
_Hints = dict[str, Any]


def to_json(value: Any) -> Any:
    """The JSON value of a dataclass, tuple, mapping or scalar. NaN and infinity become null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in _stored(type(value))}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def from_json(kind: type[T], data: Any, *, where: str = "document") -> T:
    """Build ``kind`` from parsed JSON.

    Raises ``CorruptArtifact`` naming the field that is missing or of another type.
    """
    return typing.cast(T, _decode(kind, data, where))


def _stored(kind: Any) -> tuple[dataclasses.Field[Any], ...]:
    """The fields that belong to the document (``metadata={"transient": True}`` does not)."""
    return tuple(f for f in dataclasses.fields(kind) if not f.metadata.get("transient"))


@functools.cache
def _hints(kind: type) -> _Hints:
    return typing.get_type_hints(kind)


def _decode(kind: Any, data: Any, where: str) -> Any:
    if kind is Any:
        return data
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(kind, data, where)
    if origin is typing.Literal:
        allowed = typing.get_args(kind)
        return _expect(data in allowed, data, f"one of {', '.join(map(str, allowed))}", data, where)
    if origin is tuple:
        return _decode_tuple(kind, data, where)
    if origin in (dict, Mapping):
        item = typing.get_args(kind)[1]
        _expect(isinstance(data, dict), None, "an object", data, where)
        return {key: _decode(item, value, f"{where}.{key}") for key, value in data.items()}
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(typing.cast(type, kind), data, where)
    if kind is float:
        return _decode_float(data, where)
    good = isinstance(data, kind) and (kind is bool or not isinstance(data, bool))
    return _expect(good, data, kind.__name__, data, where)


def _decode_float(data: Any, where: str) -> float:
    """A number; null is what ``to_json`` made of a NaN or an infinity, and NaN it is again."""
    if data is None:
        return math.nan
    good = isinstance(data, (int, float)) and not isinstance(data, bool)
    try:
        return float(_expect(good, data, "a number", data, where))
    except OverflowError as error:
        raise CorruptArtifact(f"{where}: expected a number, found one too large.") from error


def _decode_union(kind: Any, data: Any, where: str) -> Any:
    options = [option for option in typing.get_args(kind) if option is not type(None)]
    if data is None and len(options) < len(typing.get_args(kind)):
        return None
    if len(options) == 1:
        return _decode(options[0], data, where)
    for option in options:
        try:
            return _decode(option, data, where)
        except CorruptArtifact:
            continue
    names = ", ".join(getattr(option, "__name__", str(option)) for option in options)
    return _expect(False, None, f"one of {names}", data, where)


def _decode_tuple(kind: Any, data: Any, where: str) -> Any:
    _expect(isinstance(data, list), None, "a list", data, where)
    items = typing.get_args(kind)
    if len(items) == 2 and items[1] is Ellipsis:
        if items[0] is int and all(type(value) is int for value in data):
            return tuple(data)  # samples: thousands of them
        return tuple(_decode(items[0], value, f"{where}[{i}]") for i, value in enumerate(data))
    _expect(len(items) == len(data), None, f"a list of {len(items)}", data, where)
    pairs = zip(items, data, strict=True)
    return tuple(_decode(item, value, f"{where}[{i}]") for i, (item, value) in enumerate(pairs))


def _decode_dataclass(kind: type, data: Any, where: str) -> Any:
    _expect(isinstance(data, dict), None, "an object", data, where)
    hints = _hints(kind)
    values = {}
    for field in _stored(kind):
        if field.name in data:
            values[field.name] = _decode(
                hints[field.name], data[field.name], f"{where}.{field.name}"
            )
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise CorruptArtifact(f"{where}: the field {field.name!r} is missing.")
    return kind(**values)


def _expect(good: bool, value: Any, wanted: str, seen: Any, where: str) -> Any:
    if not good:
        text = repr(seen)
        shown = text if len(text) <= 60 else text[:57] + "..."
        raise CorruptArtifact(f"{where}: expected {wanted}, found {shown}.")
    return value
