"""Builds the C++ runner (``runner/``) once per content and keeps it in the cache.

What a build depends on is its key: the sources, the ExecuTorch wheel (version and place: the
binary finds the wheel's libraries by absolute path), the compiler and the machine. ONNX Runtime is
opened at run time, so its version is looked up here but is no part of the key. A finished build
is a folder ``runner/<key>/`` that appears whole, by one rename; ``runner.json`` in it says what it
is. Nothing is imported from the wheels. The bundle for ARM devices is ``_bundle.py``: another
``Toolchain`` and other ``Wheels``, the same steps.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from seaformer.core import codec, files
from seaformer.core.errors import CorruptArtifact, MissingExtra, SeaFormerError
from seaformer.runtime.build.toolchain import Toolchain, Wheels, find_toolchain, find_wheels
from seaformer.runtime.build.wheels import fetch_engines, fetched_engines

Progress = Callable[[str], None]

SOURCES = Path(__file__).parents[1] / "runner"
BINARY = "seaformer_runner"

_MANIFEST = "runner.json"
_SOURCE_SUFFIXES = (".cpp", ".h", ".txt")
_CONFIGURE_SECONDS, _BUILD_SECONDS, _ASK_SECONDS = 180, 900, 20
_LOG_TAIL_LINES = 25


@dataclass(frozen=True)
class RunnerBuild:
    """A runner that can be started.

    ``onnxruntime_library`` goes to ``--ort-lib``. ``library_dirs`` are where the binary looks for
    ExecuTorch's libraries by itself; nothing has to be set.
    """

    binary: Path
    build_id: str
    engines: tuple[str, ...]
    compiler: str
    executorch_version: str | None
    onnxruntime_version: str | None
    onnxruntime_library: Path | None
    library_dirs: tuple[Path, ...]
    sources_sha256: str

    def __str__(self) -> str:
        return f"{self.binary} ({', '.join(self.engines)})"


@dataclass(frozen=True)
class _Manifest:
    """``runner.json``: what a cached build was made of."""

    build_id: str
    sources_sha256: str
    machine: str
    compiler: str
    executorch_root: str | None
    executorch_version: str | None
    engines: tuple[str, ...]


def build_host_runner(progress: Progress | None = None) -> RunnerBuild:
    """The runner for this machine, built now if it has not been.

    ``progress`` is called with a sentence when something takes long. Raises ``MissingExtra``
    naming what is not there and the line that installs it, and ``SeaFormerError`` with the end of
    the log when the build itself fails. Where no engine is installed, both are fetched.
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
        if (found := find_host_runner()) is not None:
            return found
        raise
    wheels = _wheels()
    if not wheels.any:
        wheels = fetch_engines(say)
    wanted = _manifest(wheels, toolchain)
    home = files.make_dir(_cache())
    folder = home / wanted.build_id
    if (found := _read(folder, wheels)) is not None:
        return found
    with one_builder(home / f".{wanted.build_id}.lock", say):
        if (found := _read(folder, wheels)) is None:
            say("Building the C++ runner, once for this machine (about 20 s).")
            _build(folder, wanted, toolchain, wheels)
            found = _read(folder, wheels)
    if found is None:
        raise SeaFormerError(f"The runner just built is not usable: {folder}.")
    return found


def find_host_runner() -> RunnerBuild | None:
    """The runner for this machine if it is in the cache; nothing is built, no compiler needed."""
    wheels = _wheels()
    sources = sources_sha256()
    for folder in sorted(_cache().glob(f"*/{_MANIFEST}")):
        made = _read_manifest(folder.parent)
        if (
            made is not None
            and made.sources_sha256 == sources
            and made.machine == platform.machine()
            and made.executorch_root == _text(wheels.executorch_root)
            and made.executorch_version == wheels.executorch_version
        ):
            return _read(folder.parent, wheels)
    return None


def _wheels() -> Wheels:
    """The engines installed beside this Python; where there is none, those fetched before."""
    installed = find_wheels()
    return installed if installed.any else fetched_engines()


def sources_sha256() -> str:
    """Hash of everything a build reads from ``runner/``; its tests are not part of it."""
    digest = hashlib.sha256()
    for path in sorted(SOURCES.iterdir()):
        if path.suffix in _SOURCE_SUFFIXES:
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _cache() -> Path:
    return files.cache_dir() / "runner"


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _engines(wheels: Wheels) -> tuple[str, ...]:
    # ONNX Runtime's part needs nothing to build, so it is always in: the library may come later.
    return ("executorch", "onnxruntime") if wheels.executorch_root else ("onnxruntime",)


def _manifest(wheels: Wheels, toolchain: Toolchain) -> _Manifest:
    sources = sources_sha256()
    parts = (
        *(sources, platform.machine(), toolchain.name, str(toolchain.compiler)),
        *(toolchain.identity, str(wheels.executorch_root), str(wheels.executorch_version)),
    )
    return _Manifest(
        build_id=hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16],
        sources_sha256=sources,
        machine=platform.machine(),
        compiler=toolchain.identity,
        executorch_root=_text(wheels.executorch_root),
        executorch_version=wheels.executorch_version,
        engines=_engines(wheels),
    )


def _read_manifest(folder: Path) -> _Manifest | None:
    """What a cached folder says it is; a folder that says nothing sensible is no build."""
    try:
        return codec.from_json(_Manifest, files.read_json(folder / _MANIFEST))
    except CorruptArtifact:
        return None


def _read(folder: Path, wheels: Wheels) -> RunnerBuild | None:
    made = _read_manifest(folder)
    if made is None or not os.access(folder / BINARY, os.X_OK):
        return None
    root = wheels.executorch_root
    return RunnerBuild(
        binary=folder / BINARY,
        build_id=made.build_id,
        engines=made.engines,
        compiler=made.compiler,
        executorch_version=made.executorch_version,
        onnxruntime_version=wheels.onnxruntime_version,
        onnxruntime_library=wheels.onnxruntime_library,
        library_dirs=(root / "lib",) if root else (),
        sources_sha256=made.sources_sha256,
    )


@contextmanager
def one_builder(path: Path, say: Progress) -> Iterator[None]:
    """One builder at a time; the kernel lets go of it when a builder dies."""
    with files.os_errors(str(path)), path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another process is building the C++ runner; waiting for it.")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build(folder: Path, made: _Manifest, toolchain: Toolchain, wheels: Wheels) -> None:
    """Configure, compile, try it out, and move it to ``folder``."""
    with files.staging(folder.parent) as scratch:
        tree, result, log = scratch / "tree", scratch / "result", scratch / "build.log"
        result.mkdir()
        binary = compile_runner(tree, log, made.build_id, toolchain, wheels.executorch_root)
        shutil.copy2(binary, result / BINARY)
        run_step([str(result / BINARY), "--version"], log, _ASK_SECONDS)
        shutil.copy2(log, result / log.name)
        files.write_json(result / _MANIFEST, codec.to_json(made))
        files.publish(result, folder)


def configure_argv(
    tree: Path, build_id: str, toolchain: Toolchain, executorch_root: Path | None
) -> list[str]:
    """The CMake line that configures the runner in ``tree`` with that toolchain."""
    settings = {
        "CMAKE_BUILD_TYPE": "Release",
        "SEAFORMER_WITH_EXECUTORCH": "ON" if executorch_root else "OFF",
        "SEAFORMER_WITH_ONNXRUNTIME": "ON",
        "SEAFORMER_BUILD_ID": build_id,
        "SEAFORMER_SOURCES_SHA256": sources_sha256(),
    }
    if executorch_root is not None:
        settings["CMAKE_PREFIX_PATH"] = str(executorch_root)
    if toolchain.file is not None:
        settings["CMAKE_TOOLCHAIN_FILE"] = str(toolchain.file)
    else:
        settings["CMAKE_CXX_COMPILER"] = str(toolchain.compiler)
    argv = [str(toolchain.cmake), "-S", str(SOURCES), "-B", str(tree), "-G", toolchain.generator]
    given = [f"-D{name}={value}" for name, value in settings.items()]
    return [*argv, *given, *(f"-D{setting}" for setting in toolchain.settings)]


def compile_runner(
    tree: Path, log: Path, build_id: str, toolchain: Toolchain, executorch_root: Path | None
) -> Path:
    """Configure and compile in ``tree``; the binary. Raises ``SeaFormerError`` with the log."""
    run_step(configure_argv(tree, build_id, toolchain, executorch_root), log, _CONFIGURE_SECONDS)
    run_step([str(toolchain.cmake), "--build", str(tree), "--parallel", "2"], log, _BUILD_SECONDS)
    return tree / BINARY


def run_step(argv: list[str], log: Path, timeout_s: float, cwd: Path | None = None) -> str:
    """Run one step of a build, its output appended to ``log``; the output.

    With ``cwd`` the step runs there in an empty environment. A failure quotes the end of the log.
    """
    environment = os.environ | {"LC_ALL": "C"} if cwd is None else {}
    with log.open("a+", encoding="utf-8", errors="replace") as stream:
        stream.write(f"$ {' '.join(argv)}\n")
        stream.flush()
        start = stream.tell()
        try:
            done = subprocess.run(
                argv,
                stdout=stream,
                stderr=subprocess.STDOUT,
                timeout=timeout_s,
                check=False,
                env=environment,
                cwd=cwd,
            )
            problem = "" if done.returncode == 0 else f"exit code {done.returncode}"
        except subprocess.TimeoutExpired:
            problem = f"no end after {timeout_s:.0f} s"
        except OSError as error:
            problem = str(error)
        stream.seek(start)
        said = stream.read()
    if problem:
        raise _failed(argv, problem, log)
    return said


def _failed(argv: list[str], problem: str, log: Path) -> SeaFormerError:
    kept = files.make_dir(_cache()) / "failed.log"
    shutil.copy2(log, kept)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_TAIL_LINES:]
    step = " ".join([Path(argv[0]).name, *argv[1:2]])
    return SeaFormerError(
        f"The C++ runner could not be built: {step}: {problem}.\n" + "\n".join(lines),
        hint=f"The whole log is in {kept}.",
    )
