"""The bundle of an Android NDK: the runner as a native Android program. UNTESTED.

No NDK, no ExecuTorch built for Android and no phone have been near this file: it follows their
documentation and nobody has seen it work. The bundle of ``_bundle.py`` is what has run. It takes
the same sources and the same CMakeLists; ExecuTorch comes from an install of its Android build
(``cmake --install``), ONNX Runtime from the Android archive (``onnxruntime-android-*.aar``).
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from seaformer.core import files
from seaformer.core.errors import SeaFormerError, UsageError
from seaformer.runtime.build.bundle import (
    ONNXRUNTIME,
    Bundle,
    BundleManifest,
    Progress,
    copy_parts,
    publish_bundle,
)
from seaformer.runtime.build.runner import BINARY, compile_runner, sources_sha256
from seaformer.runtime.build.toolchain import Toolchain, find_cmake_tools

_TOOLCHAIN = Path("build/cmake/android.toolchain.cmake")
_LIBRARY = "jni/arm64-v8a/libonnxruntime.so"
# Android 8: the first with the system calls both engines make.
_API = "android-26"


def build_android_bundle(
    ndk: Path,
    *,
    executorch: Path | None = None,
    onnxruntime_aar: Path | None = None,
    progress: Progress | None = None,
) -> Bundle:
    """Build the runner with an NDK; at least one engine is needed. Untested.

    Raises ``UsageError`` for a folder that is no NDK, ``SeaFormerError`` when the build fails.
    """
    file = ndk / _TOOLCHAIN
    if not file.is_file():
        raise UsageError(f"--ndk {ndk} is no Android NDK: {_TOOLCHAIN} is not in it.")
    if executorch is None and onnxruntime_aar is None:
        raise UsageError("--ndk needs an ExecuTorch install for Android or ONNX Runtime's AAR.")
    toolchain = _toolchain(ndk, file)
    parts = (sources_sha256(), toolchain.identity, str(executorch), str(onnxruntime_aar))
    build_id = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    say = progress or (lambda sentence: None)
    say("Building the runner with the Android NDK. This way is untested.")
    home = files.make_dir(files.cache_dir() / "bundle")
    with files.staging(home) as scratch:
        log = scratch / "build.log"
        binary = compile_runner(scratch / "tree", log, build_id, toolchain, executorch)
        copy_parts(_parts(binary, onnxruntime_aar, scratch), scratch / "result")
        made = BundleManifest(
            content_id="",
            build_id=build_id,
            sources_sha256=sources_sha256(),
            system="android",
            compiler=toolchain.identity,
            executorch_version=None,
            onnxruntime_version=_archive_version(onnxruntime_aar),
            proof="",
            files=(),
        )
        return publish_bundle(scratch / "result", made)


def _toolchain(ndk: Path, file: Path) -> Toolchain:
    properties = ndk / "source.properties"
    text = properties.read_text(encoding="utf-8") if properties.is_file() else ""
    found = re.search(r"Pkg\.Revision\s*=\s*(\S+)", text)
    settings = ("ANDROID_ABI=arm64-v8a", f"ANDROID_PLATFORM={_API}", "ANDROID_STL=c++_static")
    identity = f"Android NDK {found.group(1) if found else 'of unknown version'}"
    return replace(find_cmake_tools("android", identity), file=file.resolve(), settings=settings)


def _parts(binary: Path, archive: Path | None, scratch: Path) -> Iterator[tuple[Path, str]]:
    yield binary, BINARY
    if archive is not None:
        try:
            with zipfile.ZipFile(archive) as opened:
                yield Path(opened.extract(_LIBRARY, scratch)), ONNXRUNTIME
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            message = f"{archive} is not ONNX Runtime's Android archive: {error}."
            raise SeaFormerError(message) from error


def _archive_version(archive: Path | None) -> str | None:
    found = re.search(r"(\d+\.\d+\.\d+)\.aar$", archive.name) if archive else None
    return found.group(1) if found else None
