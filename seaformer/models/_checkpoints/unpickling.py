"""Reads the pickles of torch, Paddle and NumPy and runs nothing of what they name.

A pickle is a program: it names classes and functions and calls them. Here only those that build
tensors and arrays are called, in versions of our own that ignore hooks. Any other name of a package
(a trainer's history buffer, a configuration) becomes an ``Inert`` object, which takes whatever is
given to it and keeps nothing; the package is not imported. A name of Python's own library that is
not plain data (``os.system``, ``builtins.eval``) is refused: no file of weights needs it.
"""

from __future__ import annotations

import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from seaformer.models._checkpoints import kinds


class CodeInFileError(pickle.UnpicklingError):
    """A file names something of Python's own that runs code."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Inert:
    """In place of an object whose class is not loaded; ``origin`` is what the file calls it."""

    origin: ClassVar[str] = ""

    def __new__(cls, *_: object, **__: object) -> Inert:
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __call__(self, *_: object, **__: object) -> Inert:
        return self

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, value: object) -> None:
        pass

    def extend(self, values: object) -> None:
        pass

    def add(self, value: object) -> None:
        pass


class _Function:
    """A function a pickle may call. It cannot be changed by the pickle."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., object]) -> None:
        self._call = call

    def __call__(self, *arguments: object) -> object:
        return self._call(*arguments)

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("the file changes a function")


def _tensor(storage: Any, offset: int, size: Any, stride: Any, *_: object) -> Tensor:
    tensor: Tensor = torch._utils._rebuild_tensor(storage, offset, size, stride)  # type: ignore[no-untyped-call]
    return tensor


def _parameter(data: Tensor, *_: object) -> Tensor:
    return data


def _of_type(function: object, _: object, arguments: Any, *__: object) -> object:
    """A tensor with attributes of its own, without them."""
    if not isinstance(function, _Function):
        raise pickle.UnpicklingError("a tensor of a class of its own")
    return function(*arguments)


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    """Bytes as pickles before protocol 3 hold them."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes written as {encoding}")
    return text.encode("latin1")


_RECONSTRUCT: Callable[..., object] = np.zeros(0).__reduce__()[0]  # type: ignore[assignment]
_ALLOWED: dict[str, object] = {
    "collections.OrderedDict": OrderedDict,
    "torch.Size": torch.Size,
    "torch._utils._rebuild_tensor": _Function(_tensor),
    "torch._utils._rebuild_tensor_v2": _Function(_tensor),
    "torch._utils._rebuild_parameter": _Function(_parameter),
    "torch._utils._rebuild_parameter_with_state": _Function(_parameter),
    "torch._tensor._rebuild_from_type_v2": _Function(_of_type),
    "_codecs.encode": _Function(_latin1),
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
    "numpy.core.multiarray._reconstruct": _Function(_RECONSTRUCT),  # numpy 1
    "numpy._core.multiarray._reconstruct": _Function(_RECONSTRUCT),
    "builtins.tuple": tuple,
    "builtins.set": set,
}
# Plain data of Python's own library: not refused, but not made either.
_PLAIN = (
    "argparse",
    "collections",
    "copyreg",
    "copy_reg",
    "datetime",
    "decimal",
    "enum",
    "pathlib",
)
_PLAIN_BUILTINS = (
    "getattr",  # how protocol 2 names a method of a class
    "bool",
    "bytearray",
    "bytes",
    "complex",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "object",
    "range",
    "slice",
    "str",
)


class Reader(pickle.Unpickler):
    """``pickle.Unpickler`` that imports nothing."""

    def find_class(self, module: str, name: str) -> Any:
        """What a pickle means by a name. Raises ``CodeInFileError`` for what would run."""
        module = "builtins" if module == "__builtin__" else module
        full = f"{module}.{name}"
        if full in _ALLOWED:
            return _ALLOWED[full]
        if module == "torch" and isinstance(value := vars(torch).get(name), torch.dtype):
            return value
        top = module.partition(".")[0]
        plain = name in _PLAIN_BUILTINS if top == "builtins" else top in _PLAIN
        if top in (*sys.stdlib_module_names, "builtins", "nt") and not plain:
            raise CodeInFileError(full)
        return type("Inert", (Inert,), {"origin": full})


def _load(file: Any, **options: Any) -> object:
    return Reader(file, **options).load()


_MODULE = types.ModuleType("restricted_pickle")
_MODULE.Unpickler = Reader  # type: ignore[attr-defined]
_MODULE.load = _load  # type: ignore[attr-defined]


def read_pickled(path: Path) -> object:
    """What a file of torch, or a plain pickle of arrays, holds.

    A damaged one raises anything, from ``KeyError`` to ``EOFError``.
    """
    head = kinds.head_of(path)
    if head[:1] == kinds.PICKLE and kinds.TORCH_BEFORE_1_6 not in head[:32]:
        with path.open("rb") as handle:
            return _load(handle, encoding="latin1")
    return torch.load(path, map_location="cpu", weights_only=False, pickle_module=_MODULE)
