"""Which pictures a prediction reads, in which order, and what its files are called.

A name of an output is the input's without its suffix; where two inputs share it, the later one gets
``-2``. Of a folder the names of its own folders are kept. No output leaves the folder of outputs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from seaformer.core.errors import UsageError
from seaformer.core.files import expanded
from seaformer.evaluation.video import is_video

IMAGES = (
    ".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".webp", ".ppm",
    ".pgm", ".pbm", ".jp2", ".tga", ".avif",
)  # fmt: skip


@dataclass(frozen=True)
class Source:
    """One image or video. ``name`` is what its outputs begin with, below the folder of outputs;
    ``named``: the user named the file itself, and not its folder."""

    path: Path
    name: str
    named: bool

    @property
    def video(self) -> bool:
        return is_video(self.path)


def list_sources(paths: Iterable[Path], out: Path) -> tuple[Source, ...]:
    """Every image and video: files as they are named, folders with all that is below them.

    Raises ``UsageError`` for a name that does not exist, a folder without images, and for a folder
    of outputs that is one of inputs.
    """
    sources: list[Source] = []
    taken: set[str] = set()
    for given in paths:
        path = expanded(given)
        if path.is_dir():
            files = list(_below(path, out))
            if not files:
                raise UsageError(
                    f"{path} holds no image and no video.",
                    hint=f"Read are {' '.join(IMAGES)} and videos.",
                )
            names = [(file, file.relative_to(path)) for file in files]
        elif path.exists():
            names = [(path, Path(path.name))]
        else:
            raise UsageError(f"{path} does not exist.")
        for file, name in names:
            unique = _unique(str(name.with_name(stem(name))), taken)
            sources.append(Source(file, unique, named=path == file))
    return tuple(sources)


def _below(folder: Path, out: Path) -> Iterator[Path]:
    """Files below a folder in the order of their names; what is in ``out`` is passed over."""
    if out.resolve() == folder.resolve():
        raise UsageError(
            f"--out must be another folder than that of the images (got {out}).",
            hint="The overlays would be read as images by the next run.",
        )
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if (Path(place) / name).resolve() != out.resolve()
        )
        for name in sorted(names):
            path = Path(place) / name
            if path.suffix.lower() in IMAGES or is_video(path):
                yield path


def stem(name: Path) -> str:
    """A file's name without its suffix; the whole name where only dots are left (``..jpg``)."""
    bare = name.name.removesuffix(name.suffix)
    return bare if bare.strip(".") else name.name


def _unique(name: str, taken: set[str]) -> str:
    """``name``, or with a number: also where another system would take two names for one."""
    candidate, number = name, 1
    while candidate.casefold() in taken:
        number += 1
        candidate = f"{name}-{number}"
    taken.add(candidate.casefold())
    return candidate


def target(out: Path, name: str, suffix: str) -> Path:
    """Where an output goes. Raises ``UsageError`` where a link leads out of the folder."""
    path = out / f"{name}{suffix}"
    if not path.parent.resolve().is_relative_to(out.resolve()):
        raise UsageError(f"{path.parent} leads out of {out}, where outputs stay.")
    return path
