"""The engines for aarch64, from the wheels of the very versions that are installed here.

They are downloaded by pip once, kept in the cache and unpacked for a build; nothing of them is
installed or run here.
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from seaformer.core import files
from seaformer.core.errors import MissingExtra, SeaFormerError
from seaformer.runtime._toolchain import Wheels

PLATFORM = "manylinux_2_28_aarch64"
_DOWNLOAD_SECONDS = 900
_TAIL_LINES = 6
# What a build and a run need of each wheel, as prefixes of the names inside it.
_WANTED = {
    "executorch": ("executorch/include/", "executorch/lib/", "executorch/share/cmake/"),
    "onnxruntime": ("onnxruntime/capi/libonnxruntime.so",),
}


def unpack_arm64_wheels(host: Wheels, folder: Path, say: Callable[[str], None]) -> Wheels:
    """The aarch64 twins of the engines installed here, unpacked into ``folder``.

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


def _unpack(name: str, wanted: str, folder: Path, say: Callable[[str], None]) -> str:
    """One wheel's files in ``folder``; the version that the wheel itself states."""
    wheel = _wheel(name, public_version(wanted), say)
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = archive.namelist()
            told = _version(archive, members)
            if told != public_version(wanted):
                files.remove(wheel)
                raise SeaFormerError(
                    f"The aarch64 wheel of {name} is version {told}; {wanted} is installed here.",
                    hint="Both must be the same: a device would run another engine.",
                )
            chosen = [member for member in members if member.startswith(_WANTED[name])]
            archive.extractall(folder, chosen)
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        files.remove(wheel)
        raise SeaFormerError(
            f"The aarch64 wheel of {name} cannot be unpacked: {error}.", hint="Try again."
        ) from error
    return told


def _version(archive: zipfile.ZipFile, members: list[str]) -> str:
    metadata = next(
        name for name in [*members, ""] if name.endswith(".dist-info/METADATA") or not name
    )
    text = archive.read(metadata).decode("utf-8", "replace")
    found = re.search(r"^Version: (\S+)", text, re.MULTILINE)
    return public_version(found.group(1)) if found else "unknown"


def public_version(version: str) -> str:
    """Without the local part: the aarch64 wheel of ``1.5.1+cpu`` is ``1.5.1``."""
    return version.split("+", maxsplit=1)[0]


def _wheel(name: str, version: str, say: Callable[[str], None]) -> Path:
    """The wheel in the cache, downloaded now if it is not there."""
    home = files.make_dir(files.cache_dir() / "wheels")
    python = "".join(platform.python_version_tuple()[:2])
    pattern = f"{name}-{version}-cp{python}-*aarch64.whl"
    if (found := next(iter(home.glob(pattern)), None)) is not None:
        return found
    say(f"Downloading {name} {version} for aarch64 (about 20 MB).")
    with files.staging(home) as scratch:
        _download(f"{name}=={version}", python, scratch)
        got = next(iter(scratch.glob(f"{name}-*.whl")), None)
        if got is None:
            raise SeaFormerError(f"pip downloaded no wheel of {name} {version} for aarch64.")
        files.publish(got, home / got.name)
        return home / got.name


def _download(requirement: str, python: str, folder: Path) -> None:
    argv = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "-q"]
    argv += ["--platform", PLATFORM, "--python-version", python, "-d", str(folder), requirement]
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise SeaFormerError(f"pip download {requirement}: no end in 15 minutes.") from error
    if "No module named pip" in done.stderr:
        raise MissingExtra("Fetching the aarch64 wheels needs pip.", hint="python -m ensurepip")
    if done.returncode != 0:
        said = "\n".join(done.stderr.strip().splitlines()[-_TAIL_LINES:])
        raise SeaFormerError(
            f"{requirement} for aarch64 could not be downloaded:\n{said}",
            hint=f"It needs the network, once: pip download --platform {PLATFORM} "
            f"--only-binary=:all: --no-deps {requirement}",
        )
