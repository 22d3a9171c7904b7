"""The engines' wheels: fetched by pip where they are not installed, and unpacked, not installed.

A base install has neither ExecuTorch nor ONNX Runtime (the first one's wheel asks for half of a
training environment), yet the C++ runner needs only their headers and libraries. Those are taken
from the wheels of the versions this release is made for, once, into ``engines/`` of the cache.
The runner is built by ``_runner_build.py``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from platform import machine

from seaformer.core import files
from seaformer.core.errors import MissingExtra, SeaFormerError
from seaformer.runtime.build.toolchain import Wheels

Say = Callable[[str], None]

ENGINES = ("executorch", "onnxruntime")
INSTALL = "pip install 'seaformer[export]'"
_DOWNLOAD_SECONDS = 900
_TAIL_LINES = 4
# What a build and a run need of each wheel, as prefixes of the names inside it.
_WANTED = {
    "executorch": ("executorch/include/", "executorch/lib/", "executorch/share/cmake/"),
    "onnxruntime": ("onnxruntime/capi/libonnxruntime.so",),
}


def fetched_engines() -> Wheels:
    """The engines for this machine that were fetched before; nothing is downloaded."""
    found = {name: _newest(name) for name in ENGINES}
    executorch, onnxruntime = found["executorch"], found["onnxruntime"]
    return Wheels(
        executorch_root=executorch / "executorch" if executorch else None,
        executorch_version=_version_of(executorch) if executorch else None,
        onnxruntime_library=_library(onnxruntime) if onnxruntime else None,
        onnxruntime_version=_version_of(onnxruntime) if onnxruntime else None,
    )


def fetch_engines(say: Say) -> Wheels:
    """Both engines for this machine, downloaded now where the cache has none.

    Raises ``MissingExtra`` with the line that installs them when pip cannot have them.
    """
    home = files.make_dir(_home())
    for name in ENGINES:
        if _newest(name) is None:
            say(f"Fetching {name}, once: it is not installed.")
            with files.staging(home) as scratch:
                wheel = download(requirement(name), scratch)
                version = wheel_version(wheel)
                unpack(wheel, name, scratch / "unpacked")
                files.publish(scratch / "unpacked", home / f"{name}-{version}")
    return fetched_engines()


def requirement(name: str) -> str:
    """What this release asks for, as pip reads it: ``executorch==1.5.1``."""
    try:
        lines = metadata.requires("seaformer") or []
    except metadata.PackageNotFoundError:  # run from a checkout that is not installed
        lines = []
    wanted = (line.partition(";")[0].strip() for line in lines)
    return next((line for line in wanted if re.match(rf"{name}\b(?!-)", line)), name)


def pinned(wanted: str) -> str:
    """The version a requirement names, ``*`` where it names none: for a pattern of file names."""
    found = re.search(r"==([\w.]+)", wanted)
    return found.group(1) if found else "*"


def download(wanted: str, folder: Path, *, platform: str | None = None) -> Path:
    """The wheel of a requirement, for this machine or for a platform tag of another one.

    Raises ``MissingExtra`` with pip's own last words when it cannot be had.
    """
    argv = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "-q"]
    argv += ["--disable-pip-version-check", "-d", str(folder), wanted]
    if platform is not None:
        argv += ["--platform", platform]
        argv += ["--python-version", f"{sys.version_info.major}.{sys.version_info.minor}"]
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise MissingExtra(f"pip download {wanted}: no end in 15 minutes.") from error
    wheel = next(iter(sorted(folder.glob("*.whl"))), None)
    if done.returncode == 0 and wheel is not None:
        return wheel
    said = " ".join(done.stderr.split("\n")[-_TAIL_LINES:]).strip()
    where = f" for {platform}" if platform else ""
    raise MissingExtra(
        f"{wanted}{where} is not installed and pip could not fetch it: {said or 'no wheel'}",
        hint=f"With a network: {INSTALL}",
    )


def unpack(wheel: Path, name: str, folder: Path) -> None:
    """What a build and a run need of the wheel of ``name``. Raises ``SeaFormerError``."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            wanted = [item for item in archive.namelist() if item.startswith(_WANTED[name])]
            archive.extractall(folder, wanted)
    except (zipfile.BadZipFile, OSError) as error:
        raise SeaFormerError(
            f"The wheel {wheel.name} cannot be unpacked: {error}.", hint="Try again."
        ) from error


def wheel_version(wheel: Path) -> str:
    """The version in the wheel's name, without a local part: ``1.5.1+cpu`` is ``1.5.1``."""
    return wheel.name.split("-")[1].split("+")[0]


def _home() -> Path:
    return files.cache_dir() / "engines" / machine()


def _newest(name: str) -> Path | None:
    """A fetched engine of a version this release asks for."""
    return max(_home().glob(f"{name}-{pinned(requirement(name))}"), default=None)


def _version_of(folder: Path) -> str:
    return folder.name.partition("-")[2]


def _library(folder: Path) -> Path | None:
    return max(folder.glob("onnxruntime/capi/libonnxruntime.so*"), default=None)
