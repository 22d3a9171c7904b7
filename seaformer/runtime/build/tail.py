"""Builds the tail (``runner/tail.cpp``) as a shared library for this machine's Python, once.

One file, one call of the compiler. The key of a build is its sources, the compiler, its flags and
the processor: it is compiled for the instructions that this one has.
"""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

from seaformer.core import files
from seaformer.runtime.build.runner import SOURCES
from seaformer.runtime.build.steps import run_step
from seaformer.runtime.build.toolchain import compiler_identity, find_compiler

LIBRARY = "libseaformer_tail.so"
# Fused multiply-adds would give other values than numpy and other processors.
EXACT = ("-std=c++17", "-O3", "-ffp-contract=off", "-fno-math-errno", "-Wno-psabi")
_FLAGS = (*EXACT, "-march=native", "-shared", "-fPIC", "-fvisibility=default")
_BUILD_SECONDS = 300


def tail_library() -> Path:
    """The library, built now if it has not been (a few seconds).

    Raises ``MissingExtra`` without a compiler and ``SeaFormerError`` with the end of the
    log where the build fails.
    """
    compiler = find_compiler()
    home = files.make_dir(files.cache_dir() / "tail")
    folder = home / _key(compiler)
    with files.locked(home / f".{folder.name}.lock"):
        if not _is_whole(folder):
            _build(compiler, folder)
    return folder / LIBRARY


def _build(compiler: Path, folder: Path) -> None:
    with files.staging(folder.parent) as scratch:
        result = files.make_dir(scratch / "result")
        argv = [str(compiler), *_FLAGS, str(SOURCES / "tail.cpp"), "-o", str(result / LIBRARY)]
        run_step(argv, scratch / "build.log", _BUILD_SECONDS, "The tail")
        files.write_text(result / "sha256", files.sha256_file(result / LIBRARY))
        files.publish(result, folder)


def _is_whole(folder: Path) -> bool:
    """Whether the library is there and is the one that was built."""
    try:
        digest = (folder / "sha256").read_text(encoding="ascii")
        return digest == files.sha256_file(folder / LIBRARY)
    except OSError:
        return False


def _key(compiler: Path) -> str:
    digest = hashlib.sha256()
    for name in ("tail.cpp", "tail.h", "tail_axis.h", "tail_cells.h"):
        digest.update(name.encode() + b"\0" + (SOURCES / name).read_bytes() + b"\0")
    parts = [str(compiler), compiler_identity(compiler), *_FLAGS, platform.machine(), _features()]
    digest.update("\0".join(parts).encode())
    return digest.hexdigest()[:16]


def _features() -> str:
    """The instruction sets of the first processor, in the kernel's words."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return os.uname().machine
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
