"""The engines for aarch64, from the wheels of the very versions that are installed here.

Where none is installed, of the versions this release asks for. They are downloaded by pip once,
kept in the cache and unpacked for a build; nothing of them is installed or run here.
"""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from seaformer.core import files
from seaformer.core.engine import DEFAULT_EXTRA, Engine, Wheel
from seaformer.core.errors import SeaFormerError
from seaformer.runtime.build.engines import (
    EngineFiles,
    files_in,
    files_of,
    installed_engines,
    public_version,
    wheel_engines,
)
from seaformer.runtime.build.wheels import download, pinned, requirement, unpack, wheel_version

# pip takes each tag as it is, none that is older.
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64")


def engine_versions(say: Callable[[str], None]) -> tuple[EngineFiles, ...]:
    """The versions a device should run: those installed here, else those of the wheels asked for.

    Only names and versions of the answer are of use: the files are this machine's, or none.

    Raises ``MissingExtra`` when nothing is installed and pip cannot have the wheels.
    """
    return installed_engines() or tuple(
        EngineFiles(row.name, wheel_version(_wheel(row, wheel, None, say)))
        for row, wheel in wheel_engines()
        if row.extra == DEFAULT_EXTRA
    )


def unpack_arm64_wheels(
    host: Sequence[EngineFiles], folder: Path, say: Callable[[str], None]
) -> tuple[EngineFiles, ...]:
    """The aarch64 twins of the engines of those versions, unpacked into ``folder``.

    Raises ``SeaFormerError`` when a wheel is not available or is of another version.
    """
    unpacked = []
    for row, wheel in wheel_engines():
        installed = files_of(row.name, host)
        if installed is None or installed.version is None:
            continue
        version = _unpack(row, wheel, installed.version, folder, say)
        own = files_in(row, folder / wheel.package, version)
        if own is None:
            lacking = wheel.cmake or wheel.opened
            raise SeaFormerError(f"The wheel of {wheel.package} {version} has no {lacking}.")
        unpacked.append(own)
    return tuple(unpacked)


def _unpack(
    row: Engine, wheel: Wheel, installed: str, folder: Path, say: Callable[[str], None]
) -> str:
    """One wheel's files in ``folder``; the version that the wheel itself states."""
    path = _wheel(row, wheel, public_version(installed), say)
    try:
        version = _stated_version(path)
        if version != public_version(installed):
            raise SeaFormerError(
                f"The aarch64 wheel of {wheel.package} is version {version}; {installed} is "
                "installed here.",
                hint="Both must be the same: a device would run another engine.",
            )
        unpack(path, wheel, folder)
    except SeaFormerError:
        files.remove(path)
        raise
    return version


def _stated_version(wheel: Path) -> str:
    """The version in the wheel's own metadata; a renamed wheel's file name has another."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            metadata = next((n for n in names if n.endswith(".dist-info/METADATA")), None)
            text = archive.read(metadata).decode("utf-8", "replace") if metadata else ""
    except (zipfile.BadZipFile, OSError) as error:
        raise SeaFormerError(
            f"The wheel {wheel.name} cannot be unpacked: {error}.", hint="Try again."
        ) from error
    version = re.search(r"^Version: (\S+)", text, re.MULTILINE)
    return public_version(version.group(1)) if version else "unknown"


def _wheel(row: Engine, wheel: Wheel, version: str | None, say: Callable[[str], None]) -> Path:
    """The wheel in the cache, or downloaded now. ``None``: of the version asked for."""
    home = files.make_dir(files.cache_dir() / "wheels")
    needed = f"{wheel.package}=={version}" if version else requirement(wheel.package)
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    pattern = f"{wheel.package}-{pinned(needed)}-{python}-*aarch64.whl"
    if (cached := max(home.glob(pattern), default=None)) is not None:
        return cached
    say(f"Downloading {needed} for aarch64 (about 20 MB).")
    with files.staging(home) as scratch:
        got = download(row, needed, scratch, platforms=PLATFORMS)
        files.publish(got, home / got.name)
        return home / got.name
