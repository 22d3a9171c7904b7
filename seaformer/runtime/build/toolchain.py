"""What compiles the runner: a compiler and CMake, for this machine or for another one.

The engines it is built with are in ``engines.py``, the build itself is in ``runner.py``.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from seaformer.core import child
from seaformer.core.errors import MissingExtra, UsageError

_LEAST_CMAKE = (3, 28)  # executorch 1.5.1: its CMake package defines no targets below it
_ARM64_COMPILER = "aarch64-linux-gnu-g++"
_ASK_SECONDS = 20


@dataclass(frozen=True)
class Toolchain:
    """What compiles: ``name`` is ``host``, ``arm64`` or ``android``.

    ``file`` is a CMake toolchain file, which then names the compiler; ``settings`` are further
    CMake variables (``NAME=VALUE``).
    """

    name: str
    compiler: Path
    identity: str
    cmake: Path
    generator: str
    file: Path | None = None
    settings: tuple[str, ...] = ()


def find_toolchain() -> Toolchain:
    """The system's C++ compiler and a CMake that is new enough. Raises ``MissingExtra``."""
    compiler = find_compiler()
    cmake, generator = _cmake(), _generator()
    return Toolchain("host", compiler, compiler_identity(compiler), cmake, generator)


def find_arm64_toolchain(file: Path | None = None) -> Toolchain:
    """A compiler for aarch64 Linux: Debian's, or the one a CMake toolchain file names.

    Raises ``MissingExtra`` with the line that installs Debian's.
    """
    if file is not None:
        if not file.is_file():
            raise UsageError(f"The toolchain file {file} does not exist.")
        digest = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
        return replace(find_cmake_tools("arm64", f"{file.name} {digest}"), file=file.resolve())
    compiler = shutil.which(_ARM64_COMPILER)
    if compiler is None and platform.machine() in ("aarch64", "arm64"):
        compiler = str(find_compiler())
    if compiler is None:
        raise MissingExtra(
            "The runner for ARM devices needs a C++ compiler for aarch64: no "
            f"{_ARM64_COMPILER} is on the PATH.",
            hint="sudo apt-get install g++-aarch64-linux-gnu",
        )
    # Without a run path: on a device the loader is given the folder with binary and libraries.
    settings = ("CMAKE_SYSTEM_NAME=Linux", "CMAKE_SYSTEM_PROCESSOR=aarch64", "CMAKE_SKIP_RPATH=ON")
    identity = _first_line([compiler, "--version"]) or compiler
    return Toolchain("arm64", Path(compiler), identity, _cmake(), _generator(), None, settings)


def find_cmake_tools(name: str, identity: str) -> Toolchain:
    """CMake and what it drives, for a toolchain whose compiler a toolchain file names."""
    return Toolchain(name, Path(), identity, _cmake(), _generator())


def _generator() -> str:
    generators = {"ninja": "Ninja", "make": "Unix Makefiles"}
    generator = next((generators[name] for name in generators if shutil.which(name)), None)
    if generator is None:
        raise MissingExtra(
            "The runner needs ninja or make to build; neither is on the PATH.",
            hint="sudo apt-get install make",
        )
    return generator


def compiler_identity(compiler: Path) -> str:
    """The first line of what a compiler reports as its version; its name where it reports none."""
    return _first_line([str(compiler), "--version"]) or compiler.name


def find_compiler() -> Path:
    """The system's C++ compiler. Raises ``MissingExtra`` with the line that installs one."""
    names = [os.environ.get("CXX", ""), "g++", "c++", "clang++"]
    compiler = next((path for name in names if name and (path := shutil.which(name))), None)
    if compiler is None:
        raise MissingExtra(
            "The runner needs a C++17 compiler: no g++, c++ or clang++ is on the PATH.",
            hint="sudo apt-get install g++",
        )
    return Path(compiler)


def _cmake() -> Path:
    """The newest enough of: the ``cmake`` package beside this Python, then the PATH."""
    hint = "pip install 'cmake>=3.28'"
    package = package_folder("cmake")
    on_path = shutil.which("cmake")
    candidates = [package / "data" / "bin" / "cmake"] if package else []
    candidates += [Path(on_path)] if on_path else []
    versions: list[str] = []
    for path in candidates:
        version = re.search(r"(\d+)\.(\d+)\S*", _first_line([str(path), "--version"]))
        if version and (int(version.group(1)), int(version.group(2))) >= _LEAST_CMAKE:
            return path
        if version:
            versions.append(f"{version.group(0)} at {path}")
    if versions:
        message = f"The runner needs CMake 3.28 or newer, found {', '.join(versions)}."
        raise MissingExtra(message, hint=hint)
    raise MissingExtra("The runner needs CMake 3.28 or newer, found none.", hint=hint)


def package_folder(name: str) -> Path | None:
    """The folder of an installed package; nothing of it is run."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    locations = list(spec.submodule_search_locations or ()) if spec else []
    return Path(locations[0]) if locations else None


def _first_line(argv: list[str]) -> str:
    try:
        done = child.run(argv, _ASK_SECONDS)
    except OSError:
        return ""
    return done.stdout.strip().split("\n")[0] if done.returncode == 0 else ""
