"""A package that is also the verb of its name: ``seaformer.bench(...)``.

Importing ``seaformer.bench.run`` makes Python bind the package to the name ``seaformer.bench``,
over any function of that name. So the package itself can be called, and calls the function.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


class _Verb(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function of ``seaformer.api`` that has this package's name."""
        api = importlib.import_module("seaformer.api")
        return getattr(api, self.__name__.rpartition(".")[2])(*args, **kwargs)


def make_callable(package: str) -> None:
    """Let the package be called. For its ``__init__``: ``make_callable(__name__)``."""
    sys.modules[package].__class__ = _Verb
