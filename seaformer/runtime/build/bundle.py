"""The bundle: everything an ARM device needs to run the runner, in one folder.

The runner, cross-built against the aarch64 wheels of the engines installed here, the wheels' own
libraries, and the C and C++ runtime of the cross compiler with its loader. It needs nothing of
the device but a Linux kernel, so it runs on Android as on a board, through its own loader:

    ./ld-linux-aarch64.so.1 --library-path . ./seaformer_runner --version

A folder is named after its contents (``bundle/<content>/``) and appears whole; ``bundle.json`` in
it lists every file with its hash. Nothing of it is committed: glibc is LGPL, and every part can
be had again. ``_android.py`` makes the bundle of an NDK instead.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from seaformer.core import codec, files
from seaformer.core.cpu import emulated_cores
from seaformer.core.errors import (
    ChecksumMismatch,
    CorruptArtifact,
    MissingExtra,
    SeaFormerError,
)
from seaformer.runtime.build.arm64_wheels import (
    engine_versions,
    public_version,
    unpack_arm64_wheels,
)
from seaformer.runtime.build.runner import (
    BINARY,
    compile_runner,
    one_builder,
    run_step,
    sources_sha256,
)
from seaformer.runtime.build.toolchain import Toolchain, Wheels, find_arm64_toolchain, find_wheels
from seaformer.runtime.emulator.qemu import find_qemu

Progress = Callable[[str], None]

LOADER = "ld-linux-aarch64.so.1"
ONNXRUNTIME = "libonnxruntime.so.1"
MANIFEST = "bundle.json"
_RUNTIME = (
    *(LOADER, "libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1"),
    *("libstdc++.so.6", "libgcc_s.so.1"),
)
_EXECUTORCH = (
    *("libexecutorch.so", "libexecutorch_kernels_optimized.so"),
    *("libexecutorch_backend_xnnpack.so", "libexecutorch_threadpool.so"),
)
_PROOF_SECONDS = 120


@dataclass(frozen=True)
class BundleFile:
    """One file of a bundle."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class BundleManifest:
    """``bundle.json``. ``build_id`` is the key of what it was made of, ``content_id`` of the files.

    ``system`` is ``linux`` (also for Android, through the bundled loader) or ``android``;
    ``proof`` says how it was seen to run from its own folder, and is empty when it was not.
    """

    content_id: str
    build_id: str
    sources_sha256: str
    system: str
    compiler: str
    executorch_version: str | None
    onnxruntime_version: str | None
    proof: str
    files: tuple[BundleFile, ...]


@dataclass(frozen=True)
class Bundle:
    """A bundle that lies in ``folder``."""

    folder: Path
    manifest: BundleManifest

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.manifest.files)

    def argv(self, folder: str | None = None) -> list[str]:
        """How the runner starts; ``folder`` is where the bundle lies on a device."""
        home = folder if folder is not None else str(self.folder)
        if self.manifest.system == "android":
            return [f"{home}/{BINARY}"]
        return [f"{home}/{LOADER}", "--library-path", home, f"{home}/{BINARY}"]

    def onnxruntime_library(self, folder: str | None = None) -> str:
        """What goes to ``--ort-lib``."""
        return f"{folder if folder is not None else self.folder}/{ONNXRUNTIME}"

    def check(self, *, contents: bool = False) -> None:
        """Every file is there and of its size, and with ``contents`` of its hash.

        Raises ``ChecksumMismatch`` naming the file that is not.
        """
        for file in self.manifest.files:
            path = self.folder / file.name
            if not path.is_file():
                raise self._damaged(f"{file.name} is missing")
            size = path.stat().st_size
            if size != file.size_bytes:
                raise self._damaged(f"{file.name} has {size} bytes, expected {file.size_bytes}")
            if contents and files.sha256_file(path) != file.sha256:
                raise self._damaged(f"{file.name} is another file than the manifest says")

    def _damaged(self, what: str) -> ChecksumMismatch:
        hint = "Make it again: seaformer runner build --target arm64"
        return ChecksumMismatch(f"The bundle {self.folder} is damaged: {what}.", hint=hint)


def build_arm64_bundle(
    progress: Progress | None = None, *, toolchain_file: Path | None = None
) -> Bundle:
    """The bundle for 64-bit ARM Linux and Android, built now if it has not been.

    Raises ``MissingExtra`` naming the compiler, tool or engine that is not there, and
    ``SeaFormerError`` when a wheel is of another version or the build or its proof fails.
    """
    say = progress or (lambda sentence: None)
    try:
        toolchain = find_arm64_toolchain(toolchain_file)
    except MissingExtra:
        if toolchain_file is None and (found := find_arm64_bundle()) is not None:
            return found
        raise
    host = engine_versions(say)
    home = files.make_dir(_cache())
    build_id = _build_id(host, toolchain)
    with one_builder(home / f".{build_id}.lock", say):
        if (found := _find(lambda made: made.build_id == build_id)) is not None:
            return found
        say("Building the runner and its bundle for ARM devices, once (about a minute).")
        return _build(home, build_id, host, toolchain, say)


def prove_bundle(bundle: Bundle) -> str:
    """Run a bundle from its own folder again, and say how that was done.

    Raises ``ChecksumMismatch`` when a file is not the one its manifest lists, ``SeaFormerError``
    when the runner does not start.
    """
    bundle.check(contents=True)
    with tempfile.TemporaryDirectory(prefix="seaformer-proof-") as scratch:
        how = _prove(bundle.folder, Path(scratch) / "proof.log", bundle.manifest.build_id)
    return how or "not run: there is no emulator here. sudo apt-get install qemu-user"


def find_arm64_bundle() -> Bundle | None:
    """A whole bundle of these sources and of the engines installed here (any, where there is
    none), if one is cached."""
    sources, host = sources_sha256(), find_wheels()

    def fits(made: BundleManifest) -> bool:
        versions = (made.executorch_version, made.onnxruntime_version)
        right = versions == _versions(host) or not (host.executorch_version or host.any)
        return made.sources_sha256 == sources and right

    return _find(fits)


def open_bundle(folder: Path) -> Bundle:
    """A bundle by its folder, every file checked against its hash.

    Raises ``CorruptArtifact`` when it is none, ``ChecksumMismatch`` when it is not whole.
    """
    data = files.read_json(folder / MANIFEST)
    bundle = Bundle(folder, codec.from_json(BundleManifest, data, where=MANIFEST))
    bundle.check(contents=True)
    return bundle


def _cache() -> Path:
    return files.cache_dir() / "bundle"


def _find(fits: Callable[[BundleManifest], bool]) -> Bundle | None:
    """The first cached bundle that fits and is whole; a damaged one is as good as none."""
    for path in sorted(_cache().glob(f"*/{MANIFEST}")):
        try:
            data = files.read_json(path)
            if fits(codec.from_json(BundleManifest, data, where=MANIFEST)):
                return open_bundle(path.parent)
        except (CorruptArtifact, ChecksumMismatch):
            continue
    return None


def _versions(wheels: Wheels) -> tuple[str | None, str | None]:
    one, other = wheels.executorch_version, wheels.onnxruntime_version
    return one and public_version(one), other and public_version(other)


def _build_id(host: Wheels, toolchain: Toolchain) -> str:
    parts = (sources_sha256(), toolchain.name, str(toolchain.compiler), toolchain.identity)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return hashlib.sha256(
        "\0".join([*parts, *map(str, _versions(host)), python]).encode()
    ).hexdigest()[:16]


def _build(home: Path, build_id: str, host: Wheels, toolchain: Toolchain, say: Progress) -> Bundle:
    with files.staging(home) as scratch:
        wheels = unpack_arm64_wheels(host, scratch / "wheels", say)
        tree, result, log = scratch / "tree", scratch / "result", scratch / "build.log"
        binary = compile_runner(tree, log, build_id, toolchain, wheels.executorch_root)
        compiler = _used_compiler(tree) if toolchain.file else toolchain.compiler
        copy_parts(_parts(binary, compiler, wheels), result)
        proof = _prove(result, log, build_id)
        return publish_bundle(
            result,
            BundleManifest(
                content_id="",
                build_id=build_id,
                sources_sha256=sources_sha256(),
                system="linux",
                compiler=toolchain.identity,
                executorch_version=wheels.executorch_version,
                onnxruntime_version=wheels.onnxruntime_version,
                proof=proof,
                files=(),
            ),
        )


def copy_parts(parts: Iterable[tuple[Path, str]], folder: Path) -> None:
    """Copy files to their names in a new ``folder``, executable."""
    folder.mkdir()
    for source, name in parts:
        shutil.copyfile(source, folder / name)
        (folder / name).chmod(0o755)


def publish_bundle(result: Path, made: BundleManifest) -> Bundle:
    """List and hash the files in ``result`` and move it to the cache under the hash of them all.

    ``content_id`` and ``files`` of ``made`` are filled in here.
    """
    listed = tuple(
        BundleFile(path.name, path.stat().st_size, files.sha256_file(path))
        for path in sorted(result.iterdir())
    )
    content = "\n".join(f"{file.sha256} {file.name}" for file in listed)
    content_id = hashlib.sha256(content.encode()).hexdigest()[:16]
    manifest = replace(made, content_id=content_id, files=listed)
    files.write_json(result / MANIFEST, codec.to_json(manifest))
    folder = _cache() / content_id
    files.publish(result, folder)
    return Bundle(folder, manifest)


def _parts(binary: Path, compiler: Path, wheels: Wheels) -> Iterator[tuple[Path, str]]:
    """Every file of the bundle: where it is now, and its name there."""
    yield binary, BINARY
    for name in _RUNTIME:
        yield _runtime_library(compiler, name), name
    if wheels.executorch_root is not None:
        for name in _EXECUTORCH:
            yield _present(wheels.executorch_root / "lib" / name, "the wheel of executorch"), name
    if wheels.onnxruntime_library is not None:
        yield wheels.onnxruntime_library, ONNXRUNTIME


def _runtime_library(compiler: Path, name: str) -> Path:
    """Where a compiler has a library of its C or C++ runtime."""
    done = subprocess.run(
        [str(compiler), f"-print-file-name={name}"],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    return _present(Path(done.stdout.strip() or name), f"the runtime of {compiler}").resolve()


def _present(path: Path, owner: str) -> Path:
    if not path.is_absolute() or not path.is_file():
        raise SeaFormerError(f"{path.name} is not in {owner}, and a bundle needs it.")
    return path


def _used_compiler(tree: Path) -> Path:
    """The compiler that a toolchain file chose, read from what CMake found out about it."""
    for notes in tree.glob("CMakeFiles/*/CMakeCXXCompiler.cmake"):
        found = re.search(r'set\(CMAKE_CXX_COMPILER "([^"]+)"\)', notes.read_text("utf-8"))
        if found is not None:
            return Path(found.group(1))
    raise SeaFormerError("CMake does not say which compiler the toolchain file chose.")


def _prove(folder: Path, log: Path, build_id: str) -> str:
    """Start the runner from a bare environment, and see where every library is opened from.

    Raises ``SeaFormerError`` when it does not start or needs a library of another place; says
    nothing on a machine that can neither run nor emulate it.
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
    told = run_step([*loader, f"./{BINARY}", "--version"], log, _PROOF_SECONDS, cwd=folder)
    if build_id not in told:
        raise SeaFormerError(f"The bundle's runner is of another build than {build_id}: {told}")
    opened = run_step([*loader, "--list", f"./{BINARY}"], log, _PROOF_SECONDS, cwd=folder)
    if (folder / ONNXRUNTIME).exists():
        opened += run_step([*loader, "--list", f"./{ONNXRUNTIME}"], log, _PROOF_SECONDS, cwd=folder)
    strays = [
        line.strip() for line in opened.splitlines() if " => " in line and " => ./" not in line
    ]
    if strays:
        raise SeaFormerError(f"The bundle does not stand alone: {'; '.join(strays)}.")
    names = {line.split(" => ")[0].strip() for line in opened.splitlines() if " => ./" in line}
    return f"{how}, empty environment: it starts, all {len(names)} libraries are of this folder"
