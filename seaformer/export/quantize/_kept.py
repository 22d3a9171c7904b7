"""Modules that stay in float: by their paths, whole branches of the network."""

from __future__ import annotations

from collections.abc import Iterable

from seaformer.core.registry import unknown


def is_kept(module: str, keep: Iterable[str]) -> bool:
    """Whether a module is one of those named, or inside of one."""
    return any(module == name or module.startswith(f"{name}.") for name in keep)


def check_kept(keep: Iterable[str], modules: Iterable[str]) -> None:
    """Raise ``UnknownName`` for a name that no operator of the graph is in.

    ``modules`` are the paths of the modules that operators are in.
    """
    paths = {module for module in modules if module}
    parents = {path.rsplit(".", n)[0] for path in paths for n in range(path.count(".") + 1)}
    for name in keep:
        if not any(is_kept(path, (name,)) for path in paths):
            raise unknown("module", name, parents | paths)


def kept_note(keep: Iterable[str]) -> str:
    """What a note adds about modules that stay in float."""
    names = ", ".join(keep)
    return f"; in float: {names}" if names else ""
