"""What a build of the runner stands on: a compiler with CMake, and the engines' wheels.

Everything is found without importing or running anything of the wheels. Building is
``_runner_build.py``'s business.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from seaformer.core.errors import MissingExtra

_LEAST_CMAKE = (3, 28)  # executorch 1.5.1: its CMake package defines no targets below it
_ASK_SECONDS = 20


@dataclass(frozen=True)
class Toolchain:
    """What compiles: ``name`` is ``host``; ``file`` a CMake toolchain file for another machine."""

    name: str
    compiler: Path
    identity: str
    cmake: Path
    generator: str
    file: Path | None = None


@dataclass(frozen=True)
class Wheels:
    """The engines found: a CMake prefix for ExecuTorch, a shared library for ONNX Runtime."""

    executorch_root: Path | None = None
    executorch_version: str | None = None
    onnxruntime_library: Path | None = None
    onnxruntime_version: str | None = None

    @property
    def any(self) -> bool:
        """Whether there is an engine at all."""
        return self.executorch_root is not None or self.onnxruntime_library is not None


def find_wheels() -> Wheels:
    """The engines installed beside this Python, found without importing them."""
    executorch, onnxruntime = _package("executorch"), _package("onnxruntime")
    has_cmake = (
        executorch is not None
        and (executorch / "share" / "cmake" / "executorch-config.cmake").is_file()
    )
    libraries = sorted((onnxruntime / "capi").glob("libonnxruntime.so*")) if onnxruntime else []
    return Wheels(
        executorch_root=executorch if has_cmake else None,
        executorch_version=_version("executorch") if has_cmake else None,
        onnxruntime_library=libraries[-1] if libraries else None,
        onnxruntime_version=_version("onnxruntime") if libraries else None,
    )


def find_toolchain() -> Toolchain:
    """The system's C++ compiler and a CMake that is new enough. Raises ``MissingExtra``."""
    compiler = _compiler()
    cmake = _cmake()
    generators = {"ninja": "Ninja", "make": "Unix Makefiles"}
    generator = next((generators[name] for name in generators if shutil.which(name)), None)
    if generator is None:
        raise MissingExtra(
            "The runner needs ninja or make to build; neither is on the PATH.",
            hint="sudo apt-get install make",
        )
    identity = _first_line([str(compiler), "--version"])
    return Toolchain("host", compiler, identity or compiler.name, cmake, generator)


def _compiler() -> Path:
    names = [os.environ.get("CXX", ""), "g++", "c++", "clang++"]
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        raise MissingExtra(
            "The runner needs a C++17 compiler: no g++, c++ or clang++ is on the PATH.",
            hint="sudo apt-get install g++",
        )
    return Path(found)


def _cmake() -> Path:
    """The newest enough of: the ``cmake`` package beside this Python, then the PATH."""
    hint = "pip install 'cmake>=3.28'"
    package = _package("cmake")
    on_path = shutil.which("cmake")
    candidates = [package / "data" / "bin" / "cmake"] if package else []
    candidates += [Path(on_path)] if on_path else []
    told: list[str] = []
    for path in candidates:
        version = re.search(r"(\d+)\.(\d+)\S*", _first_line([str(path), "--version"]))
        if version and (int(version.group(1)), int(version.group(2))) >= _LEAST_CMAKE:
            return path
        if version:
            told.append(f"{version.group(0)} at {path}")
    if told:
        message = f"The runner needs CMake 3.28 or newer, found {', '.join(told)}."
        raise MissingExtra(message, hint=hint)
    raise MissingExtra("The runner needs CMake 3.28 or newer, found none.", hint=hint)


def _package(name: str) -> Path | None:
    """The folder of an installed package; nothing of it is run."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    locations = list(spec.submodule_search_locations or ()) if spec else []
    return Path(locations[0]) if locations else None


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _first_line(argv: list[str]) -> str:
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=_ASK_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().split("\n")[0] if done.returncode == 0 else ""
