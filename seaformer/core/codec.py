"""Frozen dataclasses to JSON documents and back.

    codec.decode(Artifact, content, where="t.onnx.json", newest=1)     JSON text to a noun
    codec.from_json(Counts, row, where="counts")                       parsed JSON to a noun
    codec.to_json(artifact)                                            a noun for json.dumps

Fields are scalars, optional scalars, other dataclasses, tuples and string-keyed mappings of those.
Reading is strict about what is missing, of the wrong type or out of range and lenient about what is
unknown, so that a newer file with more fields still loads. msgspec reads; only a document that it
refuses is walked through in Python, to put NaN where null means it and to name the field that
is wrong. No file is opened here (see ``files.py``).
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import threading
import types
import typing
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from seaformer.core.errors import CorruptArtifact, SchemaTooNew

T = TypeVar("T")

_PLAIN = {str, int, bool, type(None)}
_BITS = 63  # of a whole number, beside its sign: what numpy and SQLite hold
_ALIKE = bytes.maketrans(b"123456789\t\r\n,:[-", b"0" * 9 + b" " * 7)
_LONG_NUMBER = b" " + b"0" * 19
_SHOWN = 60
_BUILDING = threading.Lock()


def to_json(value: Any) -> Any:
    """The JSON value of a dataclass, tuple, mapping or scalar. NaN and infinity become null."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (tuple, list)):
        if _PLAIN.issuperset(map(type, value)):
            return list(value)  # samples: thousands of them
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if dataclasses.is_dataclass(kind):
        return {name: to_json(getattr(value, name)) for name in _stored(kind)}
    return value


def decode(kind: type[T], content: bytes, *, where: str = "document", newest: int = 0) -> T:
    """Build ``kind`` from JSON text. Its ``schema``, if it has one, is from 1 to ``newest``.

    Raises ``SchemaTooNew``, or ``CorruptArtifact`` for text that is not JSON and for a field that
    is missing, of another type or out of range, by its name.
    """
    if not _holds_long_numbers(content):
        with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            value = _decoder(typing.cast(Any, kind)).decode(content)
            if not newest or 1 <= value.schema <= newest:
                return typing.cast(T, value)
    return from_json(kind, parse(content, where), where=where, newest=newest)


def _holds_long_numbers(content: bytes) -> bool:
    """Whether a number may have more bits than are read; msgspec reads any length.

    All digits are made alike, and all that may come before a number: 100 times as fast as a
    regular expression, and searched from its end, three times as fast as from its beginning.
    """
    return content.translate(_ALIKE).rfind(_LONG_NUMBER) >= 0


def parse(content: bytes, where: str) -> Any:
    """Parsed JSON. Raises ``CorruptArtifact`` for text that is cut short or is not JSON."""
    try:
        return json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise CorruptArtifact(
            f"{where} is not readable JSON: {error}.",
            hint="It is another file, or it was cut short: name the right one, or make it again.",
        ) from error


def from_json(kind: type[T], data: Any, *, where: str = "document", newest: int = 0) -> T:
    """Build ``kind`` from parsed JSON; parameters and errors are those of ``decode``."""
    if newest:
        _check_schema(data, newest, where)
    settled = _settled(kind, data, where)
    _decoder(typing.cast(Any, kind))  # ``convert`` reads what it cached on the class
    try:
        return msgspec.convert(settled, kind)
    except msgspec.ValidationError as error:
        raise CorruptArtifact(f"{where}: {error}.") from error


def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """One decoder per noun. One thread builds at a time.

    msgspec caches what it finds out about a class on the class before it is complete, and a second
    thread that reads it then crashes the process: two phones that resume did.
    """
    with _BUILDING:
        return _built_decoder(kind)


@functools.cache
def _built_decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


@functools.cache
def _stored(kind: Any) -> dict[str, Any]:
    """The fields that belong to the document, with their types.

    A field with ``metadata={"transient": True}`` does not.
    """
    hints = typing.get_type_hints(kind)
    fields = (field for field in dataclasses.fields(kind) if not field.metadata.get("transient"))
    return {field.name: hints[field.name] for field in fields}


@functools.cache
def _required(kind: Any) -> frozenset[str]:
    absent = dataclasses.MISSING
    fields = dataclasses.fields(kind)
    return frozenset(f.name for f in fields if f.default is absent and f.default_factory is absent)


def _check_schema(data: Any, newest: int, where: str) -> None:
    schema = data.get("schema") if isinstance(data, dict) else None
    if type(schema) is not int or not 1 <= schema < 1 << _BITS:
        raise CorruptArtifact(f"{where}: expected a document with a schema number.")
    if schema > newest:
        raise SchemaTooNew(
            f"{where} has schema {schema}; this seaformer reads up to {newest}.",
            hint="Upgrade: pip install --upgrade seaformer",
        )


def _settled(kind: Any, data: Any, where: str) -> Any:
    """``data`` as msgspec takes it for ``kind``; raises for the first field that it cannot take."""
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _settled_fields(kind, data, where)
    if kind is float:
        return _settled_float(data, where)
    if origin is tuple:
        return _settled_items(typing.get_args(kind), data, where)
    if origin in (dict, Mapping):
        item = typing.get_args(kind)[1]
        _expect(isinstance(data, dict), "an object", data, where)
        return {key: _settled(item, value, f"{where}.{key}") for key, value in data.items()}
    if origin in (typing.Union, types.UnionType):
        return _settled_option(kind, data, where)
    _expect(_is(kind, data), _name(kind), data, where)
    if type(data) is int and data.bit_length() > _BITS:
        raise CorruptArtifact(
            f"{where}: expected a number of at most {_BITS} bits, got one of {data.bit_length()}."
        )
    return data


def _settled_fields(kind: Any, data: Any, where: str) -> dict[str, Any]:
    _expect(isinstance(data, dict), "an object", data, where)
    hints = _stored(kind)
    for name in hints:
        if name in _required(kind) and name not in data:
            raise CorruptArtifact(f"{where}: the field {name!r} is missing.")
    return {
        name: _settled(hint, data[name], f"{where}.{name}")
        for name, hint in hints.items()
        if name in data
    }


def _settled_float(data: Any, where: str) -> float:
    """A number; null is what ``to_json`` made of a NaN or an infinity, and NaN it is again."""
    if data is None:
        return math.nan
    _expect(type(data) in (int, float), "a number", data, where)
    try:
        return float(data)
    except OverflowError as error:
        raise CorruptArtifact(f"{where}: expected a number, got one too large.") from error


def _settled_items(items: tuple[Any, ...], data: Any, where: str) -> list[Any]:
    _expect(isinstance(data, list), "a list", data, where)
    if len(items) == 2 and items[1] is Ellipsis:
        items = (items[0],) * len(data)
    _expect(len(items) == len(data), f"a list of {len(items)}", data, where)
    pairs = enumerate(zip(items, data, strict=True))
    return [_settled(item, value, f"{where}[{i}]") for i, (item, value) in pairs]


def _settled_option(kind: Any, data: Any, where: str) -> Any:
    options = [option for option in typing.get_args(kind) if option is not type(None)]
    if data is None and len(options) < len(typing.get_args(kind)):
        return None
    if len(options) == 1:
        return _settled(options[0], data, where)
    for option in options:
        with suppress(CorruptArtifact):
            return _settled(option, data, where)
    raise _mismatch(f"one of {', '.join(map(_name, options))}", data, where)


def _is(kind: Any, data: Any) -> bool:
    """Whether a scalar is of this very type (a bool is not an int) or one of a ``Literal``'s."""
    if typing.get_origin(kind) is typing.Literal:
        return any(type(data) is type(value) and data == value for value in typing.get_args(kind))
    return kind is Any or type(data) is kind


def _name(kind: Any) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return f"one of {', '.join(map(str, typing.get_args(kind)))}"
    return str(getattr(kind, "__name__", kind))


def _expect(good: bool, expected: str, data: Any, where: str) -> None:
    if not good:
        raise _mismatch(expected, data, where)


def _mismatch(expected: str, data: Any, where: str) -> CorruptArtifact:
    return CorruptArtifact(f"{where}: expected {expected}, got {shortened(repr(data))}.")


def shortened(text: str) -> str:
    """The text as a message quotes it: at most 60 characters."""
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
