"""Engines whose library is built here from a source distribution, once, and kept in the cache.

The file is fetched from the index that pip is set up with, checked against the hash in the
engine's row, and built by ``recipes/<engine>.cmake``. A library is ``compiled/<key>/``; the key is
of the source, the recipe and the compiler. ``built_libraries`` looks, ``build_library`` builds.
``SEAFORMER_STOCK_KERNELS=1`` builds and uses the library without the kernels that a recipe adds.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from seaformer.core import child, codec, files
from seaformer.core.engine import STOCK_VARIABLE, Engine, Source, engine
from seaformer.core.errors import CorruptArtifact, MissingExtra, SeaFormerError
from seaformer.runtime.build.engines import EngineFiles, source_engines
from seaformer.runtime.build.steps import run_step
from seaformer.runtime.build.toolchain import Toolchain

Say = Callable[[str], None]

RECIPES = Path(__file__).parent / "recipes"
_MANIFEST = "library.json"
_FETCH_SECONDS, _CONFIGURE_SECONDS, _BUILD_SECONDS = 900, 900, 5400
_OPTIONS = {"index-url": "--index-url", "extra-index-url": "--index-url"}


@dataclass(frozen=True)
class _Library:
    """``library.json``: what was built, for which toolchain (``host``, ``arm64``)."""

    engine: str
    version: str
    target: str
    recipe_sha256: str
    sha256: str


def built_libraries(target: str) -> tuple[EngineFiles, ...]:
    """The libraries that the cache has for a toolchain; nothing is built."""
    built = [_find(row, source, target) for row, source in source_engines()]
    return tuple(library for library in built if library is not None)


def build_libraries(
    names: Iterable[str], toolchain: Toolchain, say: Say
) -> tuple[EngineFiles, ...]:
    """As ``built_libraries``, after those of the engines of these names were built."""
    for name in names:
        row = engine(name)
        if row.source is not None:
            build_library(row, row.source, toolchain, say)
    return built_libraries(toolchain.name)


def build_library(row: Engine, source: Source, toolchain: Toolchain, say: Say) -> EngineFiles:
    """The library of one engine, built now where the cache has none of this recipe.

    Raises ``MissingExtra`` where the source cannot be fetched, ``SeaFormerError`` with the end of
    the log where the build fails.
    """
    home = files.make_dir(_home())
    key = _key(row, source, toolchain)
    with files.locked(home / f".{key}.lock", lambda: say(f"Another process builds {row.title}.")):
        if (library := _find(row, source, toolchain.name)) is not None:
            return library
        where = "this machine" if toolchain.name == "host" else "ARM devices"
        where += f" without kernels of ours ({STOCK_VARIABLE})" if source.overrides else ""
        say(f"Building {row.title} for {where}, once ({source.minutes} minutes of one core).")
        with files.staging(home) as scratch:
            _build(row, source, toolchain, scratch, home / key)
    library = _find(row, source, toolchain.name)
    if library is None:
        raise SeaFormerError(f"The library of {row.title} just built is not usable: {home / key}.")
    return library


def _build(row: Engine, source: Source, toolchain: Toolchain, scratch: Path, folder: Path) -> None:
    log, tree, result = scratch / "build.log", scratch / "tree", files.make_dir(scratch / "result")
    unpacked = _unpack(_fetch(row, source, scratch), scratch / "source")
    argv = _configure_argv(row, source, unpacked, tree, toolchain)
    run_step(argv, log, _CONFIGURE_SECONDS, row.title)
    argv = [str(toolchain.cmake), "--build", str(tree), "--parallel", "2"]
    run_step(argv, log, _BUILD_SECONDS, row.title)
    built = [path for path in tree.glob(source.library) if not path.is_symlink()]
    if len(built) != 1:
        raise SeaFormerError(f"The build of {row.title} made no {source.library}.")
    shutil.copy2(built[0], result / source.opened_as)
    shutil.copy2(log, result / log.name)
    digest = files.sha256_file(result / source.opened_as)
    recipe = _recipe_sha256(row, source)
    made = _Library(row.name, source.version, toolchain.name, recipe, digest)
    files.write_json(result / _MANIFEST, codec.to_json(made))
    files.publish(result, folder)


def _configure_argv(
    row: Engine, source: Source, unpacked: Path, tree: Path, toolchain: Toolchain
) -> list[str]:
    argv = [str(toolchain.cmake), "-C", str(RECIPES / f"{row.name}.cmake")]
    argv += ["-S", str(unpacked), "-B", str(tree), "-G", toolchain.generator]
    if toolchain.file is not None:
        argv += [f"-DCMAKE_TOOLCHAIN_FILE={toolchain.file}"]
    else:
        compiler = str(toolchain.compiler)
        argv += [f"-DCMAKE_CXX_COMPILER={compiler}", f"-DCMAKE_C_COMPILER={_c_compiler(compiler)}"]
    # After the recipe, whose values they replace.
    return [*argv, *(f"-D{setting}" for setting in (*toolchain.settings, *source.overrides))]


def _c_compiler(compiler: str) -> str:
    """The C compiler beside a C++ compiler: ``gcc`` for ``g++``, ``clang`` for ``clang++``."""
    folder, name = Path(compiler).parent, Path(compiler).name
    for cpp, c in (("clang++", "clang"), ("g++", "gcc"), ("c++", "cc")):
        if cpp in name and (folder / name.replace(cpp, c)).exists():
            return str(folder / name.replace(cpp, c))
    return compiler


def _fetch(row: Engine, source: Source, folder: Path) -> Path:
    """The source distribution, of the hash in the row.

    pip cannot fetch one whose setup.py states another version than its name, and would run that
    setup.py to see: ``unearth`` takes the file from the same indexes and runs nothing.
    """
    needed = f"{source.package}=={source.version}"
    argv = [sys.executable, "-m", "unearth", needed, "--no-binary", "--download", str(folder)]
    argv += _index_options()
    hint = f"With a network: pip install 'seaformer[{row.extra}]'"
    try:
        done = child.run(argv, _FETCH_SECONDS)
    except child.ChildTimeoutError as error:
        raise MissingExtra(f"The download of {needed} timed out after 15 min.") from error
    path = next(iter(sorted(folder.glob("*.tar.gz"))), None)
    if done.returncode != 0 or path is None:
        reason = (done.stderr.strip().splitlines() or ["no file"])[-1]
        raise MissingExtra(f"The source of {needed} could not be fetched: {reason}", hint=hint)
    digest = files.sha256_file(path)
    if digest != source.sha256:
        raise SeaFormerError(
            f"The source of {needed} has another sha256 than the one that was tested: expected "
            f"{source.sha256[:16]}..., found {digest[:16]}...",
            hint="Another file of that name was served: check the index that pip is set up with.",
        )
    return path


def _index_options() -> list[str]:
    """The indexes that pip is set up with, as options; none where it has its own default."""
    done = child.run([sys.executable, "-m", "pip", "config", "list"], 60)
    options: list[str] = []
    for line in done.stdout.splitlines():
        match = re.fullmatch(r"[\w:.]*?\.?([\w-]+)='(.*)'", line.strip())
        if match and match[1] in _OPTIONS:
            for address in match[2].replace("\\n", " ").split():
                if not address.startswith("file:"):
                    options += [_OPTIONS[match[1]], address]
    return options


def _unpack(path: Path, folder: Path) -> Path:
    try:
        with tarfile.open(path) as archive:
            archive.extractall(folder, filter="data")
    except (tarfile.TarError, OSError) as error:
        raise SeaFormerError(f"{path.name} cannot be unpacked: {error}.", hint="Try again.") from (
            error
        )
    (top,) = folder.iterdir()
    return top


def _find(row: Engine, source: Source, target: str) -> EngineFiles | None:
    """A whole library of this recipe for a toolchain, of whatever compiler."""
    recipe = _recipe_sha256(row, source)
    for path in sorted(_home().glob(f"*/{_MANIFEST}")):
        try:
            made = codec.decode(_Library, files.read_bytes(path), where=_MANIFEST)
        except CorruptArtifact:
            continue
        library = path.parent / source.opened_as
        if made != _Library(row.name, source.version, target, recipe, made.sha256):
            continue
        if library.is_file() and files.sha256_file(library) == made.sha256:
            return EngineFiles(row.name, source.version, library=library)
    return None


def _key(row: Engine, source: Source, toolchain: Toolchain) -> str:
    parts = [source.sha256, _recipe_sha256(row, source), toolchain.name, toolchain.identity]
    return f"{row.name}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:16]}"


def _recipe_sha256(row: Engine, source: Source) -> str:
    """Of the recipe, of the headers under its engine's name, and of what overrides them."""
    digest = hashlib.sha256()
    for path in sorted(RECIPES.glob(f"{row.name}*")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update("".join(source.overrides).encode())
    return digest.hexdigest()


def _home() -> Path:
    return files.cache_dir() / "compiled"
