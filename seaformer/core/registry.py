"""Plug-in folders: a folder is listed, a file name is the key, one file is imported.

Adding an entry to a registry is adding a file to its folder. Files that start with ``_`` and
folders are shared code. Listing imports nothing; asking for an entry imports that entry alone.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType

from seaformer.core.errors import MissingExtra, UnknownName


@dataclass(frozen=True)
class Registry:
    """The public modules of one package.

    Args:
        package: dotted name of the folder, such as ``seaformer.export``.
        noun: what an entry is called in a message, such as ``format``.
        extra: the pip extra that brings what the entries import, or "".
    """

    package: str
    noun: str
    extra: str = ""

    def names(self) -> tuple[str, ...]:
        """Every entry, sorted; nothing of them is imported."""
        spec = importlib.util.find_spec(self.package)
        paths = list(spec.submodule_search_locations or ()) if spec else []
        modules = (each for each in pkgutil.iter_modules(paths) if not each.ispkg)
        return tuple(sorted(each.name for each in modules if not each.name.startswith("_")))

    def load(self, name: str) -> ModuleType:
        """Import one entry.

        Raises ``UnknownName`` with the nearest known name, or ``MissingExtra`` with the pip line
        when something the entry imports is not installed.
        """
        if name not in self.names():
            raise unknown(self.noun, name, self.names())
        try:
            return importlib.import_module(f"{self.package}.{name}")
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] == "seaformer":
                raise
            raise missing(error.name, f"the {self.noun} {name}", self.extra) from error


def lazy_attribute(module: str, name: str, used_for: str, extra: str) -> object:
    """An attribute of one of our modules that is imported only now, as its libraries are heavy.

    Raises ``MissingExtra`` with the pip line when a library is not installed.
    """
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "seaformer":
            raise
        raise missing(error.name, used_for, extra) from error
    value: object = getattr(loaded, name)
    return value


def unknown(noun: str, name: str, known: Iterable[str]) -> UnknownName:
    """The error for a name that is not registered, with the one nearest to it."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}?" if near else ""
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return UnknownName(f"Unknown {noun} {name!r}. Known: {shown}.", hint=hint)


def missing(module: str, wanted_by: str, extra: str) -> MissingExtra:
    """The error for a Python package that is not installed."""
    line = f"pip install 'seaformer[{extra}]'" if extra else f"pip install {module}"
    return MissingExtra(
        f"{module} is not installed, and {wanted_by} needs it.", hint=f"Run: {line}"
    )
