"""Builds the C++ runner (``runner/``) once per content and keeps it in the cache.

What a build depends on is its key: the sources, the engines that are linked (version and place:
the binary finds their libraries by absolute path), the compiler and the machine. The version of an
engine that is opened at run time is looked up here but is not a part of the key. A finished build
is a folder ``runner/<key>/`` that appears whole, by one rename; ``runner.json`` in it is what it
is, with the hash of its binary: one that was changed is built again. Nothing is imported from the
wheels. The bundle for ARM devices is ``bundle.py``: another
``Toolchain`` and other ``EngineFiles``, the same steps.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from seaformer.core import codec, files
from seaformer.core.errors import CorruptArtifact, MissingExtra, SeaFormerError
from seaformer.runtime.build.compiled import build_libraries, built_libraries
from seaformer.runtime.build.engines import EngineFiles, built_in, files_of, installed_engines
from seaformer.runtime.build.steps import run_step
from seaformer.runtime.build.toolchain import Toolchain, find_toolchain
from seaformer.runtime.build.wheels import fetch_engines, fetched_engines

Progress = Callable[[str], None]

SOURCES = Path(__file__).parents[1] / "runner"
BINARY = "seaformer_runner"

_MANIFEST = "runner.json"
_SOURCE_SUFFIXES = (".cpp", ".h", ".txt", ".cmake")
_CONFIGURE_SECONDS, _BUILD_SECONDS, _ASK_SECONDS = 180, 900, 20


@dataclass(frozen=True)
class RunnerBuild:
    """A runner that can be started. ``engines`` were built in, ``files`` are what it uses here."""

    binary: Path
    build_id: str
    engines: tuple[str, ...]
    compiler: str
    files: tuple[EngineFiles, ...]
    sources_sha256: str

    def library(self, engine: str) -> Path | None:
        """What goes to ``--library`` for an engine; none where it opens none."""
        files = files_of(engine, self.files)
        return files.library if files else None

    def __str__(self) -> str:
        return f"{self.binary} ({', '.join(self.engines)})"


@dataclass(frozen=True)
class _Linked:
    """An engine that was linked: the binary works as long as that version is in that place."""

    name: str
    version: str | None
    root: str


@dataclass(frozen=True)
class _Manifest:
    """``runner.json``: what a cached build was made of, and what its binary must be."""

    build_id: str
    sources_sha256: str
    machine: str
    compiler: str
    linked: tuple[_Linked, ...]
    engines: tuple[str, ...]
    binary_sha256: str = ""


def build_host_runner(
    progress: Progress | None = None, libraries: Sequence[str] = ()
) -> RunnerBuild:
    """The runner for this machine, built now if it has not been.

    ``libraries`` are engines that must be usable: one that is built from its source is built, too.

    ``progress`` is called with a sentence when something takes long. Raises ``MissingExtra``
    naming what is missing and the line that installs it, and ``SeaFormerError`` with the end of
    the log when the build itself fails. Where no engine is installed, all are fetched.
    """
    say = progress or (lambda sentence: None)
    if platform.system() != "Linux":
        raise SeaFormerError(
            f"The C++ runner runs on Linux and Android, this is {platform.system()}.",
            hint="The bench uses the Python runner here.",
        )
    try:
        toolchain = find_toolchain()
    except MissingExtra:
        # Built before, by a compiler that is gone: still the runner of these sources.
        if (cached := find_host_runner()) is not None:
            return cached
        raise
    engines = _installed() or fetch_engines(say)
    engines += build_libraries(libraries, toolchain, say)
    planned = _manifest(engines, toolchain)
    home = files.make_dir(_cache())
    folder = home / planned.build_id
    if (build := _read(folder, engines)) is not None:
        return build
    with one_builder(home / f".{planned.build_id}.lock", say):
        if (build := _read(folder, engines)) is None:
            say("Building the C++ runner, once for this machine (about 20 s).")
            _build(folder, planned, toolchain, engines)
            build = _read(folder, engines)
    if build is None:
        raise SeaFormerError(f"The runner just built is not usable: {folder}.")
    return build


def find_host_runner() -> RunnerBuild | None:
    """The runner for this machine if it is in the cache; nothing is built, no compiler needed."""
    engines = _engines()
    sources = sources_sha256()
    for folder in sorted(_cache().glob(f"*/{_MANIFEST}")):
        made = _read_manifest(folder.parent)
        if (
            made is not None
            and made.sources_sha256 == sources
            and made.machine == platform.machine()
            and made.linked == _linked(engines)
            and made.engines == built_in(engines)
        ):
            return _read(folder.parent, engines)
    return None


def _engines() -> tuple[EngineFiles, ...]:
    """Those of ``_installed``, and the libraries that were built here."""
    return _installed() + built_libraries("host")


def _installed() -> tuple[EngineFiles, ...]:
    """The engines installed beside this Python; where there is none, those fetched before."""
    return installed_engines() or fetched_engines()


def sources_sha256() -> str:
    """Hash of everything a build reads from ``runner/``; its tests are not part of it."""
    digest = hashlib.sha256()
    for path in sorted(SOURCES.iterdir()):
        if path.suffix in _SOURCE_SUFFIXES:
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _cache() -> Path:
    return files.cache_dir() / "runner"


def _linked(engines: Sequence[EngineFiles]) -> tuple[_Linked, ...]:
    return tuple(_Linked(e.name, e.version, str(e.root)) for e in engines if e.root is not None)


def _manifest(engines: Sequence[EngineFiles], toolchain: Toolchain) -> _Manifest:
    sources, linked = sources_sha256(), _linked(engines)
    parts = [sources, platform.machine(), toolchain.name, str(toolchain.compiler)]
    parts += [toolchain.identity, *built_in(engines), *map(str, linked)]
    return _Manifest(
        build_id=hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16],
        sources_sha256=sources,
        machine=platform.machine(),
        compiler=toolchain.identity,
        linked=linked,
        engines=built_in(engines),
    )


def _read_manifest(folder: Path) -> _Manifest | None:
    """The manifest of a cached folder; ``None`` for one without a readable manifest."""
    try:
        return codec.decode(_Manifest, files.read_bytes(folder / _MANIFEST), where=_MANIFEST)
    except CorruptArtifact:
        return None


def _read(folder: Path, engines: Sequence[EngineFiles]) -> RunnerBuild | None:
    """A cached build; ``None`` where there is none or its binary is not the one that was built."""
    made = _read_manifest(folder)
    if made is None or not os.access(folder / BINARY, os.X_OK):
        return None
    try:
        if files.sha256_file(folder / BINARY) != made.binary_sha256:
            return None
    except OSError:
        return None
    return RunnerBuild(
        binary=folder / BINARY,
        build_id=made.build_id,
        engines=made.engines,
        compiler=made.compiler,
        files=tuple(engines),
        sources_sha256=made.sources_sha256,
    )


def one_builder(path: Path, say: Progress) -> AbstractContextManager[None]:
    """One builder at a time; the others wait and report it."""
    message = "Another process is building the C++ runner; waiting for it."
    return files.locked(path, lambda: say(message))


def _build(
    folder: Path, made: _Manifest, toolchain: Toolchain, engines: Sequence[EngineFiles]
) -> None:
    """Configure, compile, try it out, and move it to ``folder``."""
    with files.staging(folder.parent) as scratch:
        tree, result, log = scratch / "tree", scratch / "result", scratch / "build.log"
        result.mkdir()
        binary = compile_runner(tree, log, made.build_id, toolchain, engines)
        shutil.copy2(binary, result / BINARY)
        run_step([str(result / BINARY), "--version"], log, _ASK_SECONDS)
        shutil.copy2(log, result / log.name)
        finished = replace(made, binary_sha256=files.sha256_file(result / BINARY))
        files.write_json(result / _MANIFEST, codec.to_json(finished))
        files.publish(result, folder)


def configure_argv(
    tree: Path, build_id: str, toolchain: Toolchain, engines: Sequence[EngineFiles]
) -> list[str]:
    """The CMake line that configures the runner in ``tree`` with that toolchain."""
    prefixes = [str(files.root) for files in engines if files.root is not None]
    settings = {
        "CMAKE_BUILD_TYPE": "Release",
        "SEAFORMER_ENGINES": ";".join(built_in(engines)),
        "SEAFORMER_BUILD_ID": build_id,
        "SEAFORMER_SOURCES_SHA256": sources_sha256(),
    }
    if prefixes:
        settings["CMAKE_PREFIX_PATH"] = ";".join(prefixes)
    if toolchain.file is not None:
        settings["CMAKE_TOOLCHAIN_FILE"] = str(toolchain.file)
    else:
        settings["CMAKE_CXX_COMPILER"] = str(toolchain.compiler)
    argv = [str(toolchain.cmake), "-S", str(SOURCES), "-B", str(tree), "-G", toolchain.generator]
    given = [f"-D{name}={value}" for name, value in settings.items()]
    return [*argv, *given, *(f"-D{setting}" for setting in toolchain.settings)]


def compile_runner(
    tree: Path, log: Path, build_id: str, toolchain: Toolchain, engines: Sequence[EngineFiles]
) -> Path:
    """Configure and compile in ``tree``; the binary. Raises ``SeaFormerError`` with the log."""
    run_step(configure_argv(tree, build_id, toolchain, engines), log, _CONFIGURE_SECONDS)
    run_step([str(toolchain.cmake), "--build", str(tree), "--parallel", "2"], log, _BUILD_SECONDS)
    return tree / BINARY
