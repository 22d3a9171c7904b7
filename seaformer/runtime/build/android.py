"""The bundle of an Android NDK: the runner as a native Android program. UNTESTED.

It follows the documentation of the NDK and of the engines; it has never been run. The bundle of
``arm64.py`` is the one that is tested. This one takes the same sources and the same CMakeLists. The
engines are given by hand: one that is linked as the folder that its Android build was installed to
(``cmake --install``), one that is opened at run time as its Android archive (``.aar``).
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seaformer.core import files
from seaformer.core.errors import SeaFormerError, UsageError
from seaformer.runtime.build.bundle import (
    Bundle,
    BundleManifest,
    bundled_engines,
    copy_parts,
    opened_parts,
    publish_bundle,
)
from seaformer.runtime.build.engines import EngineFiles, wheel_engines
from seaformer.runtime.build.runner import BINARY, compile_runner, sources_sha256
from seaformer.runtime.build.toolchain import Toolchain, find_cmake_tools

Progress = Callable[[str], None]

_TOOLCHAIN = Path("build/cmake/android.toolchain.cmake")
# Android 8: the first with the system calls that the engines make.
_API = "android-26"


@dataclass(frozen=True)
class EnginePath:
    """Where the Android build of an engine is: an install folder, or an archive."""

    name: str
    path: Path


def build_android_bundle(
    ndk: Path, engines: Sequence[EnginePath], *, progress: Progress | None = None
) -> Bundle:
    """Build the runner with an NDK and the files of at least one engine. Untested.

    Raises ``UsageError`` for a folder that is not an NDK, ``SeaFormerError`` when the build fails.
    """
    file = ndk / _TOOLCHAIN
    if not file.is_file():
        raise UsageError(f"--ndk {ndk} is not an Android NDK: {_TOOLCHAIN} is not in it.")
    if not engines:
        raise UsageError(
            "--ndk requires an engine built for Android.",
            hint="Name its files: --engine-files NAME=PATH, an install folder or an .aar archive",
        )
    toolchain = _toolchain(ndk, file)
    parts = [sources_sha256(), toolchain.identity]
    parts += sorted(f"{given.name} {given.path}" for given in engines)
    build_id = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    say = progress or (lambda sentence: None)
    say("Building the runner with the Android NDK. This way is untested.")
    home = files.make_dir(files.cache_dir() / "bundle")
    with files.staging(home) as scratch:
        log = scratch / "build.log"
        own = _engine_files(engines, scratch)
        binary = compile_runner(scratch / "tree", log, build_id, toolchain, own)
        copy_parts(_parts(binary, own), scratch / "result")
        made = BundleManifest(
            content_id="",
            build_id=build_id,
            sources_sha256=sources_sha256(),
            system="android",
            compiler=toolchain.identity,
            engines=bundled_engines(own),
            proof="",
            files=(),
        )
        return publish_bundle(scratch / "result", made)


def _toolchain(ndk: Path, file: Path) -> Toolchain:
    properties = ndk / "source.properties"
    text = properties.read_text(encoding="utf-8") if properties.is_file() else ""
    revision = re.search(r"Pkg\.Revision\s*=\s*(\S+)", text)
    settings = ("ANDROID_ABI=arm64-v8a", f"ANDROID_PLATFORM={_API}", "ANDROID_STL=c++_static")
    identity = f"Android NDK {revision.group(1) if revision else 'of unknown version'}"
    return replace(find_cmake_tools("android", identity), file=file.resolve(), settings=settings)


def _engine_files(engines: Sequence[EnginePath], scratch: Path) -> tuple[EngineFiles, ...]:
    paths = {given.name: given.path for given in engines}
    own = []
    for row, wheel in wheel_engines():
        path = paths.get(row.name)
        if path is not None and wheel.cmake:
            own.append(EngineFiles(row.name, root=path))
        elif path is not None:
            library = _extracted(path, wheel.archived_as, row.title, scratch / row.name)
            own.append(EngineFiles(row.name, _archive_version(path), library=library))
    return tuple(own)


def _parts(binary: Path, engines: Sequence[EngineFiles]) -> Iterator[tuple[Path, str]]:
    yield binary, BINARY
    yield from opened_parts(engines)


def _extracted(archive: Path, library: str, title: str, folder: Path) -> Path:
    try:
        with zipfile.ZipFile(archive) as opened:
            return Path(opened.extract(library, folder))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise SeaFormerError(
            f"{archive} is not the Android archive of {title}: {error}."
        ) from error


def _archive_version(archive: Path) -> str | None:
    version = re.search(r"(\d+\.\d+\.\d+)\.aar$", archive.name)
    return version.group(1) if version else None
