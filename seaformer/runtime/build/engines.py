"""``EngineFiles``: where the files of each engine are, for a build of the runner and a run of it.

The rows of ``core/engine.py`` have what to look for. Everything is found without importing or
running anything of the wheels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from seaformer.core.engine import Engine, Source, Wheel, timed_engines
from seaformer.runtime.build.toolchain import package_folder


@dataclass(frozen=True)
class EngineFiles:
    """One engine that was found.

    ``root`` is the CMake prefix of an engine that is linked, ``library`` the shared library of one
    that is opened at run time.
    """

    name: str
    version: str | None = None
    root: Path | None = None
    library: Path | None = None


def wheel_engines() -> tuple[tuple[Engine, Wheel], ...]:
    """The engines that a build takes from a wheel, each with it."""
    return tuple((row, row.wheel) for row in timed_engines() if row.wheel is not None)


def source_engines() -> tuple[tuple[Engine, Source], ...]:
    """The engines whose library is built from their source, each with it."""
    return tuple((row, row.source) for row in timed_engines() if row.source is not None)


def installed_engines() -> tuple[EngineFiles, ...]:
    """The engines installed beside this Python."""
    installed = []
    for row, wheel in wheel_engines():
        folder = package_folder(wheel.package)
        own = files_in(row, folder, _version(wheel.package)) if folder else None
        installed += [own] if own else []
    return tuple(installed)


def files_in(row: Engine, folder: Path, version: str | None) -> EngineFiles | None:
    """The files of an engine in the ``folder`` of its package; none where they are missing."""
    wheel = row.wheel
    if wheel is None:
        return None
    is_linked = bool(wheel.cmake) and (folder / wheel.cmake).is_file()
    library = max(folder.glob(wheel.opened), default=None) if wheel.opened else None
    if not is_linked and library is None:
        return None
    return EngineFiles(row.name, version, folder if is_linked else None, library)


def files_of(name: str, engines: Iterable[EngineFiles]) -> EngineFiles | None:
    """The files of the engine of that name, if it is among them."""
    return next((files for files in engines if files.name == name), None)


def built_in(engines: Sequence[EngineFiles]) -> tuple[str, ...]:
    """The engines that a runner built with these files has, by name.

    One that is opened at run time needs nothing to build, so it is always in: the library may come
    later. So is one that its own source contains.
    """
    linked = {files.name for files in engines if files.root is not None}
    return tuple(
        sorted(
            row.name
            for row in timed_engines()
            if row.wheel is None or not row.wheel.cmake or row.name in linked
        )
    )


def public_version(version: str) -> str:
    """Without the local part: the aarch64 wheel of ``1.5.1+cpu`` is ``1.5.1``."""
    return version.split("+", maxsplit=1)[0]


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
