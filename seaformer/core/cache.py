"""What the cache folder holds, by kind: everything in it can be made or fetched again.

A kind is a folder below ``files.cache_dir``. A folder of another name is listed under its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seaformer.core import files
from seaformer.core.registry import unknown

CONTENTS = {
    "artifacts": "models that were exported for a bench",
    "runner": "builds of the C++ runner for this machine",
    "bundle": "runner and engines for 64-bit ARM",
    "compiled": "engines built from their source",
    "engines": "engines fetched for a base install",
    "wheels": "packages that engines were taken from",
    "qemu": "plugin and prefixes of emulated cores",
    "foreign": "inputs and outputs of files without a manifest",
    "tail": "the library for upsampling and argmax",
    "packs": "packed to run by hand; a merge needs them",
    "blocks": "code executed on an emulated core",
    "mca": "cycles of blocks of code",
    "results-index": "indexes of results folders",
}


@dataclass(frozen=True)
class CacheKind:
    """One kind of content: how many entries, and their bytes on the disk."""

    name: str
    contents: str
    path: Path
    entries: int
    size_bytes: int


def cache_kinds() -> tuple[CacheKind, ...]:
    """Everything the cache holds, the largest kind first."""
    home = files.cache_dir()
    folders = sorted(home.iterdir()) if home.is_dir() else []
    kinds = [
        CacheKind(
            name=path.name,
            contents=CONTENTS.get(path.name, ""),
            path=path,
            entries=len(list(path.iterdir())) if path.is_dir() else 1,
            size_bytes=files.size_bytes(path),
        )
        for path in folders
    ]
    return tuple(sorted(kinds, key=lambda kind: (-kind.size_bytes, kind.name)))


def find_kinds(name: str = "") -> tuple[CacheKind, ...]:
    """The kind of that name, or all of them.

    Raises ``UnknownName`` for an unknown kind; a known one may be empty.
    """
    kinds = cache_kinds()
    if name and name not in (*CONTENTS, *(kind.name for kind in kinds)):
        raise unknown("kind of cache", name, CONTENTS)
    return tuple(kind for kind in kinds if name in ("", kind.name))


def clear(kind: CacheKind) -> None:
    """Delete one kind. Whatever needs it makes it again."""
    files.remove(kind.path)
