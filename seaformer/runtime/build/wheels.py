"""The engines' wheels: fetched by pip where they are not installed, and unpacked, not installed.

A base install has no engine (one engine's wheel requires half of a training environment), yet the
C++ runner needs only headers and libraries. Those are taken from the wheels of the versions this
release is made for, once, into ``engines/`` of the cache. The runner is built by ``runner.py``.
"""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from platform import machine

from seaformer.core import child, files
from seaformer.core.engine import DEFAULT_EXTRA, Engine, Wheel
from seaformer.core.errors import MissingExtra, SeaFormerError
from seaformer.runtime.build.engines import EngineFiles, files_in, wheel_engines

Say = Callable[[str], None]

_DOWNLOAD_SECONDS = 900
_TAIL_LINES = 4


def fetched_engines() -> tuple[EngineFiles, ...]:
    """The engines for this machine that were fetched before; nothing is downloaded."""
    fetched = []
    for row, wheel in wheel_engines():
        folder = _newest(wheel)
        own = files_in(row, folder / wheel.package, _version_of(folder)) if folder else None
        fetched += [own] if own else []
    return tuple(fetched)


def fetch_engines(say: Say) -> tuple[EngineFiles, ...]:
    """Every engine of the ``export`` extra for this machine, downloaded where the cache has none.

    Raises ``MissingExtra`` with the line that installs them when pip cannot have them.
    """
    home = files.make_dir(_home())
    for row, wheel in wheel_engines():
        if row.extra == DEFAULT_EXTRA and _newest(wheel) is None:
            say(f"Fetching {wheel.package}, once: it is not installed.")
            with files.staging(home) as scratch:
                path = download(row, requirement(wheel.package), scratch)
                version = wheel_version(path)
                unpack(path, wheel, scratch / "unpacked")
                files.publish(scratch / "unpacked", home / f"{wheel.package}-{version}")
    return fetched_engines()


def requirement(package: str) -> str:
    """What this release asks for, as pip reads it: ``torch==2.13.0``."""
    try:
        lines = metadata.requires("seaformer") or []
    except metadata.PackageNotFoundError:  # run from a checkout that is not installed
        lines = []
    bare = (line.partition(";")[0].strip() for line in lines)
    name = package.replace("_", "[-_]")
    return next((line for line in bare if re.match(rf"{name}\b(?!-)", line)), package)


def pinned(requirement: str) -> str:
    """The version a requirement names, ``*`` where it names none: for a pattern of file names."""
    version = re.search(r"==([\w.]+)", requirement)
    return version.group(1) if version else "*"


def download(row: Engine, requirement: str, folder: Path, *, platforms: Sequence[str] = ()) -> Path:
    """The wheel of a requirement, for this machine or for platform tags of another one.

    Raises ``MissingExtra`` with pip's own last words when it is not available.
    """
    argv = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "-q"]
    argv += ["--disable-pip-version-check", "-d", str(folder), requirement]
    if platforms:
        argv += [word for tag in platforms for word in ("--platform", tag)]
        argv += ["--python-version", f"{sys.version_info.major}.{sys.version_info.minor}"]
    try:
        done = child.run(argv, _DOWNLOAD_SECONDS)
    except child.ChildTimeoutError as error:
        raise MissingExtra(f"pip download {requirement} timed out after 15 min.") from error
    wheel = next(iter(sorted(folder.glob("*.whl"))), None)
    if done.returncode == 0 and wheel is not None:
        return wheel
    reason = " ".join(done.stderr.split("\n")[-_TAIL_LINES:]).strip()
    where = f" for {platforms[0]}" if platforms else ""
    raise MissingExtra(
        f"{requirement}{where} is not installed and pip could not fetch it: {reason or 'no wheel'}",
        hint=f"With a network: pip install 'seaformer[{row.extra}]'",
    )


def unpack(path: Path, wheel: Wheel, folder: Path) -> None:
    """What a build and a run need of the wheel file at ``path``. Raises ``SeaFormerError``."""
    needed = tuple(f"{wheel.package}/{beginning}" for beginning in wheel.needed)
    try:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder, [n for n in archive.namelist() if n.startswith(needed)])
    except (zipfile.BadZipFile, OSError) as error:
        raise SeaFormerError(
            f"The wheel {path.name} cannot be unpacked: {error}.", hint="Try again."
        ) from error


def wheel_version(wheel: Path) -> str:
    """The version in the wheel's name, without a local part: ``1.5.1+cpu`` is ``1.5.1``."""
    return wheel.name.split("-")[1].split("+")[0]


def _home() -> Path:
    return files.cache_dir() / "engines" / machine()


def _newest(wheel: Wheel) -> Path | None:
    """A fetched engine of a version this release asks for."""
    pattern = f"{wheel.package}-{pinned(requirement(wheel.package))}"
    return max(_home().glob(pattern), default=None)


def _version_of(folder: Path) -> str:
    return folder.name.partition("-")[2]
