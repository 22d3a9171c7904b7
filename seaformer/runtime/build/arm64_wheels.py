"""The engines for aarch64, from the wheels of the very versions that are installed here.

Where none is installed, of the versions this release asks for. They are downloaded by pip once,
kept in the cache and unpacked for a build; nothing of them is installed or run here.
"""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from seaformer.core import files
from seaformer.core.errors import SeaFormerError
from seaformer.runtime.build.toolchain import Wheels, find_wheels
from seaformer.runtime.build.wheels import download, pinned, requirement, unpack, wheel_version

PLATFORM = "manylinux_2_28_aarch64"


def engine_versions(say: Callable[[str], None]) -> Wheels:
    """The versions a device should run: those installed here, else those of the wheels asked for.

    Raises ``MissingExtra`` when nothing is installed and pip cannot have the wheels.
    """
    installed = find_wheels()
    if installed.executorch_version or installed.onnxruntime_version:
        return installed
    return Wheels(
        executorch_version=wheel_version(_wheel("executorch", None, say)),
        onnxruntime_version=wheel_version(_wheel("onnxruntime", None, say)),
    )


def unpack_arm64_wheels(host: Wheels, folder: Path, say: Callable[[str], None]) -> Wheels:
    """The aarch64 twins of the engines of those versions, unpacked into ``folder``.

    Raises ``SeaFormerError`` when a wheel cannot be had or is of another version.
    """
    found = Wheels()
    if host.executorch_version is not None:
        version = _unpack("executorch", host.executorch_version, folder, say)
        found = Wheels(folder / "executorch", version)
    if host.onnxruntime_version is not None:
        version = _unpack("onnxruntime", host.onnxruntime_version, folder, say)
        libraries = sorted((folder / "onnxruntime" / "capi").glob("libonnxruntime.so*"))
        if not libraries:
            raise SeaFormerError(f"The wheel of onnxruntime {version} has no libonnxruntime.so.")
        found = Wheels(found.executorch_root, found.executorch_version, libraries[-1], version)
    return found


def public_version(version: str) -> str:
    """Without the local part: the aarch64 wheel of ``1.5.1+cpu`` is ``1.5.1``."""
    return version.split("+", maxsplit=1)[0]


def _unpack(name: str, wanted: str, folder: Path, say: Callable[[str], None]) -> str:
    """One wheel's files in ``folder``; the version that the wheel itself states."""
    wheel = _wheel(name, public_version(wanted), say)
    try:
        told = _stated_version(wheel)
        if told != public_version(wanted):
            raise SeaFormerError(
                f"The aarch64 wheel of {name} is version {told}; {wanted} is installed here.",
                hint="Both must be the same: a device would run another engine.",
            )
        unpack(wheel, name, folder)
    except SeaFormerError:
        files.remove(wheel)
        raise
    return told


def _stated_version(wheel: Path) -> str:
    """What the wheel's own metadata says, which is not what its name says if it was renamed."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            metadata = next((n for n in names if n.endswith(".dist-info/METADATA")), None)
            text = archive.read(metadata).decode("utf-8", "replace") if metadata else ""
    except (zipfile.BadZipFile, OSError) as error:
        raise SeaFormerError(
            f"The wheel {wheel.name} cannot be unpacked: {error}.", hint="Try again."
        ) from error
    found = re.search(r"^Version: (\S+)", text, re.MULTILINE)
    return public_version(found.group(1)) if found else "unknown"


def _wheel(name: str, version: str | None, say: Callable[[str], None]) -> Path:
    """The wheel in the cache, or downloaded now. ``None``: of the version asked for."""
    home = files.make_dir(files.cache_dir() / "wheels")
    wanted = f"{name}=={version}" if version else requirement(name)
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    pattern = f"{name}-{pinned(wanted)}-{python}-*aarch64.whl"
    if (found := max(home.glob(pattern), default=None)) is not None:
        return found
    say(f"Downloading {wanted} for aarch64 (about 20 MB).")
    with files.staging(home) as scratch:
        got = download(wanted, scratch, platform=PLATFORM)
        files.publish(got, home / got.name)
        return home / got.name
