"""From what a user named to an ``nn.Module``: a factory in a package or a file, or a ``.pt2``.

Python code runs from the module or file that was named, and from what it imports; nothing else is
searched. A factory is called without arguments, under the seed that was asked for.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from seaformer.core.engine import engines
from seaformer.core.errors import ModelError, UnknownName, UsageError
from seaformer.core.files import expanded
from seaformer.core.quiet import quiet

PROGRAM = ".pt2"
_SOURCE = ".py"


def load_named(text: str, seed: int) -> nn.Module:
    """The module that ``package.module:factory``, ``file.py:factory`` or ``file.pt2`` names.

    Raises ``UsageError`` for another text, ``UnknownName`` for a module, file or factory that does
    not exist, ``ModelError`` for code that raises or makes anything but an ``nn.Module``.
    """
    if text.endswith(PROGRAM):
        return _program(expanded(text))
    for row in engines():
        if text.endswith(row.suffix):
            raise UsageError(
                f"{text} is not a module: it is a file of {row.format} already.",
                hint=f"Time it as it is: seaformer bench {shlex.quote(text)}",
            )
    place, colon, attribute = text.rpartition(":")
    if not (colon and place and attribute):
        raise UsageError(
            "--module must be package.module:factory, file.py:factory, file.pt2 or file.onnx "
            f"(got {text!r}).",
            hint="For example: --module my_package.nets:small",
        )
    with _only_stderr():
        module = _from_file(place) if place.endswith(_SOURCE) else _from_package(place)
        return _made(_attribute(module, attribute, text), text, seed)


@contextlib.contextmanager
def _only_stderr() -> Iterator[None]:
    """What the user's code prints does not get into our tables and JSON."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Modules of a folder can be imported, after all that is installed."""
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _from_package(name: str) -> ModuleType:
    if name.startswith(".") or not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(f"{name!r} is not the name of a Python module or file.")
    with _importable(Path.cwd()):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is not None and f"{name}.".startswith(f"{error.name}."):
                raise UnknownName(
                    f"The Python module {name} does not exist.",
                    hint=f"It is searched among installed packages and in {Path.cwd()}.",
                ) from error
            raise _raised(f"Importing {name}", error) from error
        except Exception as error:  # the user's code: anything may come out of it
            raise _raised(f"Importing {name}", error) from error


def _from_file(place: str) -> ModuleType:
    path = expanded(place)
    if not path.is_file():
        raise UnknownName(f"The file {path} does not exist.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)  # dataclasses look their module up
    with _importable(path.resolve().parent):
        try:
            spec.loader.exec_module(module)
        except Exception as error:  # the user's code: anything may come out of it
            raise _raised(f"Running {path}", error) from error
    return module


def _attribute(module: ModuleType, dotted: str, text: str) -> Any:
    value: Any = module
    for name in dotted.split("."):
        if not hasattr(value, name):
            public = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
            raise UnknownName(
                f"{text.rpartition(':')[0]} has no {dotted!r}.",
                hint=f"It has {', '.join(public[:12])}." if public else "",
            )
        value = getattr(value, name)
    return value


def _made(factory: Any, text: str, seed: int) -> nn.Module:
    made = factory
    if not isinstance(factory, nn.Module):
        if not callable(factory):
            raise ModelError(
                f"{text} must be a module or a function that returns one "
                f"(got {type(factory).__name__})."
            )
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                made = factory()
        except Exception as error:  # the user's code: anything may come out of it
            raise _raised(f"{text}()", error) from error
    if not isinstance(made, nn.Module):
        raise ModelError(f"{text} must return a torch.nn.Module (got {type(made).__name__}).")
    return made


def _program(path: Path) -> nn.Module:
    """The graph of a ``torch.export`` program; its weights are the program's."""
    if not path.is_file():
        raise UnknownName(f"The file {path} does not exist.")
    try:
        with quiet():
            module = torch.export.load(path).module(check_guards=False)
    except Exception as error:  # a damaged archive fails in many ways
        raise ModelError(
            f"{path} is not a program that torch.export.save wrote: {first_line(error)}"
        ) from error
    # Its own class refuses eval(); the graph of an inference program has no training in it.
    return torch.fx.GraphModule(module, module.graph)


def _raised(what: str, error: Exception) -> ModelError:
    return ModelError(f"{what} raised {type(error).__name__}: {first_line(error)}")


def first_line(error: Exception) -> str:
    """How the message of the user's own code begins."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "no message"
