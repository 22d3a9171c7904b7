"""Builds the bundle for ARM devices with a cross compiler, and proves that it runs on its own.

The runner, cross-built against the aarch64 wheels of the engines installed here, the wheels' own
libraries, and the C and C++ runtime of the cross compiler with its loader.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from seaformer.core import child, files
from seaformer.core.cpu import emulated_cores
from seaformer.core.errors import MissingExtra, SeaFormerError
from seaformer.core.scratch import temporary_folder
from seaformer.runtime.build.arm64_wheels import engine_versions, unpack_arm64_wheels
from seaformer.runtime.build.bundle import (
    LOADER,
    Bundle,
    BundledEngine,
    BundleManifest,
    bundled_engines,
    bundles_dir,
    check_pages,
    copy_parts,
    find_bundle,
    opened_parts,
    publish_bundle,
)
from seaformer.runtime.build.compiled import build_libraries, built_libraries
from seaformer.runtime.build.engines import (
    EngineFiles,
    files_of,
    installed_engines,
    source_engines,
    wheel_engines,
)
from seaformer.runtime.build.runner import (
    BINARY,
    compile_runner,
    one_builder,
    sources_sha256,
)
from seaformer.runtime.build.steps import run_step
from seaformer.runtime.build.toolchain import Toolchain, find_arm64_toolchain
from seaformer.runtime.emulator.qemu import find_qemu

Progress = Callable[[str], None]

_RUNTIME = (
    LOADER,
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "libstdc++.so.6",
    "libgcc_s.so.1",
)
_PROOF_SECONDS = 120


def build_arm64_bundle(
    progress: Progress | None = None,
    *,
    toolchain_file: Path | None = None,
    libraries: Sequence[str] = (),
) -> Bundle:
    """The bundle for 64-bit ARM Linux and Android, built now if it has not been.

    ``libraries`` are engines that must be in it: one that is built from its source is built, too,
    and is in every bundle from then on.
    Raises ``MissingExtra`` naming the compiler, tool or engine that is missing, and
    ``SeaFormerError`` when a wheel is of another version or the build or its proof fails.
    """
    say = progress or (lambda sentence: None)
    try:
        toolchain = find_arm64_toolchain(toolchain_file)
    except MissingExtra:
        bundle = find_arm64_bundle() if toolchain_file is None else None
        if bundle is not None and all(map(bundle.manifest.engine, libraries)):
            return bundle
        raise
    host = engine_versions(say) + build_libraries(libraries, toolchain, say)
    home = files.make_dir(bundles_dir())
    build_id = _build_id(host, toolchain)
    with one_builder(home / f".{build_id}.lock", say):
        if (bundle := find_bundle(lambda made: made.build_id == build_id)) is not None:
            return bundle
        say("Building the runner and its bundle for ARM devices, once (about a minute).")
        return _build(home, build_id, host, toolchain, say)


def prove_bundle(bundle: Bundle) -> str:
    """Run a bundle from its own folder again; returns how that was done.

    Raises ``ChecksumMismatch`` when a file is not the one its manifest lists, ``SeaFormerError``
    when the runner does not start.
    """
    bundle.check(contents=True)
    with temporary_folder("proof") as folder:
        made = bundle.manifest
        how = _prove(bundle.folder, folder / "proof.log", made.build_id, made.engines)
    return how or "not run: an emulator is missing. sudo apt-get install qemu-user"


def find_arm64_bundle() -> Bundle | None:
    """A whole bundle of these sources and of the engines installed here (any, where there is
    none), if one is cached."""
    sources, host = sources_sha256(), installed_engines()
    host = host and host + built_libraries("arm64")
    libraries = set(_built_digests(host))

    def fits(made: BundleManifest) -> bool:
        versions = tuple((engine.name, engine.version) for engine in made.engines)
        digests = {file.sha256 for file in made.files}
        is_of_host = not host or (versions == _versions(host) and libraries <= digests)
        return made.sources_sha256 == sources and is_of_host

    return find_bundle(fits)


def _versions(engines: Sequence[EngineFiles]) -> tuple[tuple[str, str | None], ...]:
    """The names and versions that a bundle of these engines lists."""
    return tuple((engine.name, engine.version) for engine in bundled_engines(engines))


def _built_digests(engines: Sequence[EngineFiles]) -> tuple[str, ...]:
    """Of the libraries that were built from source: another recipe gives the same version."""
    names = {row.name for row, _ in source_engines()}
    built = (e.library for e in engines if e.name in names and e.library is not None)
    return tuple(files.sha256_file(library) for library in built)


def _build_id(host: Sequence[EngineFiles], toolchain: Toolchain) -> str:
    parts = (sources_sha256(), toolchain.name, str(toolchain.compiler), toolchain.identity)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return hashlib.sha256(
        "\0".join([*parts, *map(str, _versions(host)), *_built_digests(host), python]).encode()
    ).hexdigest()[:16]


def _build(
    home: Path,
    build_id: str,
    host: Sequence[EngineFiles],
    toolchain: Toolchain,
    say: Progress,
) -> Bundle:
    with files.staging(home) as scratch:
        engines = unpack_arm64_wheels(host, scratch / "wheels", say) + built_libraries("arm64")
        bundled = bundled_engines(engines)
        tree, result, log = scratch / "tree", scratch / "result", scratch / "build.log"
        binary = compile_runner(tree, log, build_id, toolchain, engines)
        compiler = _used_compiler(tree) if toolchain.file else toolchain.compiler
        copy_parts(_parts(binary, compiler, engines), result)
        proof = _prove(result, log, build_id, bundled)
        return publish_bundle(
            result,
            BundleManifest(
                content_id="",
                build_id=build_id,
                sources_sha256=sources_sha256(),
                system="linux",
                compiler=toolchain.identity,
                engines=bundled,
                proof=proof,
                files=(),
            ),
        )


def _parts(
    binary: Path, compiler: Path, engines: Sequence[EngineFiles]
) -> Iterator[tuple[Path, str]]:
    """Every file of the bundle: where it is now, and its name there."""
    yield binary, BINARY
    for name in _RUNTIME:
        yield _runtime_library(compiler, name), name
    for row, wheel in wheel_engines():
        own = files_of(row.name, engines)
        if own is not None and own.root is not None:
            for path in (own.root / linked for linked in wheel.linked):
                yield _present(path, f"the wheel of {wheel.package}"), path.name
    for row, source in source_engines():
        if files_of(row.name, engines) is not None:
            yield from ((_runtime_library(compiler, name), name) for name in source.runtime)
    yield from opened_parts(engines)


def _runtime_library(compiler: Path, name: str) -> Path:
    """Where a compiler has a library of its C or C++ runtime."""
    done = child.run([str(compiler), f"-print-file-name={name}"], 20)
    return _present(Path(done.stdout.strip() or name), f"the runtime of {compiler}").resolve()


def _present(path: Path, owner: str) -> Path:
    if not path.is_absolute() or not path.is_file():
        raise SeaFormerError(f"{path.name} is not in {owner}, and a bundle needs it.")
    return path


def _used_compiler(tree: Path) -> Path:
    """The compiler that a toolchain file chose, read from what CMake found out about it."""
    for notes in tree.glob("CMakeFiles/*/CMakeCXXCompiler.cmake"):
        match = re.search(r'set\(CMAKE_CXX_COMPILER "([^"]+)"\)', notes.read_text("utf-8"))
        if match is not None:
            return Path(match.group(1))
    raise SeaFormerError("CMake does not report which compiler the toolchain file chose.")


def _prove(folder: Path, log: Path, build_id: str, engines: Sequence[BundledEngine]) -> str:
    """Start the runner from a bare environment, and see where every library is opened from.

    Raises ``SeaFormerError`` when it does not start or needs a library of another place. Empty
    on a machine that can neither run nor emulate it.
    """
    start: list[str] = []
    how = "run by this machine itself"
    if os.uname().machine != "aarch64":
        try:
            qemu = find_qemu()
        except MissingExtra:
            return ""
        core = next(iter(qemu.cores()), emulated_cores()[0])
        start, how = qemu.argv(core, ()), f"qemu {qemu.version}, {core.qemu}"
    loader = [*start, f"./{LOADER}", "--inhibit-cache", "--library-path", "."]
    output = run_step([*loader, f"./{BINARY}", "--version"], log, _PROOF_SECONDS, cwd=folder)
    if build_id not in output:
        raise SeaFormerError(f"The bundle's runner is of another build than {build_id}: {output}")
    opened = run_step([*loader, "--list", f"./{BINARY}"], log, _PROOF_SECONDS, cwd=folder)
    for library in (engine.library for engine in engines if engine.library):
        opened += run_step([*loader, "--list", f"./{library}"], log, _PROOF_SECONDS, cwd=folder)
    strays = [
        line.strip() for line in opened.splitlines() if " => " in line and " => ./" not in line
    ]
    if strays:
        raise SeaFormerError(f"The bundle needs libraries from outside: {'; '.join(strays)}.")
    names = {line.split(" => ")[0].strip() for line in opened.splitlines() if " => ./" in line}
    pages = f"pages up to {check_pages(folder) // 1024} KB"
    own = f"all {len(names)} libraries are of this folder"
    return f"{how}, empty environment: it starts, {own}; {pages}"
