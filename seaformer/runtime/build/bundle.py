"""The bundle: everything an ARM device needs to run the runner, in one folder.

It needs nothing of the device but a Linux kernel, so it runs on Android as on a board, through its
own loader:

    ./ld-linux-aarch64.so.1 --library-path . ./seaformer_runner --version

A folder is named after its contents (``bundle/<content>/``) and appears whole; ``bundle.json`` in
it lists every file with its hash. Nothing of it is committed: glibc is LGPL, and every part can
be made again. ``arm64.py`` builds it with a cross compiler, ``android.py`` with an NDK.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seaformer.core import codec, files
from seaformer.core.engine import DEFAULT_EXTRA, timed_engines
from seaformer.core.errors import ChecksumMismatch, CorruptArtifact, SeaFormerError
from seaformer.runtime.build.elf import PAGE_BYTES, page_bytes
from seaformer.runtime.build.engines import (
    EngineFiles,
    built_in,
    files_of,
    public_version,
    source_engines,
    wheel_engines,
)
from seaformer.runtime.build.runner import BINARY

LOADER = "ld-linux-aarch64.so.1"
MANIFEST = "bundle.json"


@dataclass(frozen=True)
class BundleFile:
    """One file of a bundle."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class BundledEngine:
    """An engine of a bundle.

    ``version`` is unknown (``None``) for one whose files do not state it; ``library`` is the file
    that goes to ``--library``, empty where the runner opens none.
    """

    name: str
    version: str | None
    library: str = ""


@dataclass(frozen=True)
class BundleManifest:
    """``bundle.json``. ``build_id`` is the key of what it was made of, ``content_id`` of the files.

    ``system`` is ``linux`` (also for Android, through the bundled loader) or ``android``;
    ``proof`` is how it was seen to run from its own folder, and is empty when it was not.
    """

    content_id: str
    build_id: str
    sources_sha256: str
    system: str
    compiler: str
    engines: tuple[BundledEngine, ...]
    proof: str
    files: tuple[BundleFile, ...]

    def engine(self, name: str) -> BundledEngine | None:
        """The engine of that name, if the bundle has it."""
        return next((engine for engine in self.engines if engine.name == name), None)


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

    def library(self, engine: str, folder: str | None = None) -> str | None:
        """What goes to ``--library`` for an engine; none where the runner opens none."""
        bundled = self.manifest.engine(engine)
        if bundled is None or not bundled.library:
            return None
        return f"{folder if folder is not None else self.folder}/{bundled.library}"

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
                raise self._damaged(f"{file.name} is not the file of the manifest")

    def _damaged(self, what: str) -> ChecksumMismatch:
        hint = "Make it again: seaformer runner build --target arm64"
        return ChecksumMismatch(f"The bundle {self.folder} is damaged: {what}.", hint=hint)


def open_bundle(folder: Path) -> Bundle:
    """A bundle by its folder, every file checked against its hash.

    Raises ``CorruptArtifact`` when it is none, ``ChecksumMismatch`` when it is not whole.
    """
    bundle = Bundle(folder, _manifest(folder))
    bundle.check(contents=True)
    return bundle


def _manifest(folder: Path) -> BundleManifest:
    return codec.decode(BundleManifest, files.read_bytes(folder / MANIFEST), where=MANIFEST)


def find_bundle(fits: Callable[[BundleManifest], bool]) -> Bundle | None:
    """The first cached bundle that fits and is whole; a damaged one is as good as none."""
    for path in sorted(bundles_dir().glob(f"*/{MANIFEST}")):
        try:
            if fits(_manifest(path.parent)):
                return open_bundle(path.parent)
        except (CorruptArtifact, ChecksumMismatch):
            continue
    return None


def bundled_engines(engines: Sequence[EngineFiles]) -> tuple[BundledEngine, ...]:
    """Everything that a runner built with these engines has, as a bundle lists it."""
    libraries = {row.name: wheel.opened_as for row, wheel in wheel_engines()}
    libraries |= {row.name: source.opened_as for row, source in source_engines()}
    absent = {
        row.name
        for row in timed_engines()
        if row.extra != DEFAULT_EXTRA and files_of(row.name, engines) is None
    }
    bundled = []
    for name in (each for each in built_in(engines) if each not in absent):
        own = files_of(name, engines) or EngineFiles(name)
        version = public_version(own.version) if own.version else None
        library = libraries[name].format(version=version) if own.library else ""
        bundled.append(BundledEngine(name, version, library))
    return tuple(bundled)


def opened_parts(engines: Sequence[EngineFiles]) -> Iterator[tuple[Path, str]]:
    """The libraries that the runner opens at run time, with their names in a bundle."""
    for row, source in source_engines():
        own = files_of(row.name, engines)
        if own is not None and own.library is not None:
            yield own.library, source.opened_as
    for row, wheel in wheel_engines():
        own = files_of(row.name, engines)
        if own is not None and own.library is not None:
            yield own.library, wheel.opened_as.format(version=public_version(own.version or ""))


def copy_parts(parts: Iterable[tuple[Path, str]], folder: Path) -> None:
    """Copy files to their names in a new ``folder``, executable."""
    folder.mkdir()
    for source, name in parts:
        shutil.copyfile(source, folder / name)
        (folder / name).chmod(0o755)


def publish_bundle(result: Path, made: BundleManifest) -> Bundle:
    """List and hash the files in ``result`` and move it to the cache under the hash of all.

    Fills in ``content_id`` and ``files`` of ``made``. Raises ``SeaFormerError`` for a file that
    a kernel with pages of 16 KB could not load.
    """
    check_pages(result)
    listed = tuple(
        BundleFile(path.name, path.stat().st_size, files.sha256_file(path))
        for path in sorted(result.iterdir())
    )
    content = "\n".join(f"{file.sha256} {file.name}" for file in listed)
    content_id = hashlib.sha256(content.encode()).hexdigest()[:16]
    manifest = replace(made, content_id=content_id, files=listed)
    files.write_json(result / MANIFEST, codec.to_json(manifest))
    folder = bundles_dir() / content_id
    files.publish(result, folder)
    return Bundle(folder, manifest)


def check_pages(folder: Path) -> int:
    """The largest page, in bytes, that every program of a bundle loads on: at least 16 KB.

    Raises ``SeaFormerError`` naming the file that requires smaller ones.
    """
    pages = {path.name: page_bytes(path) for path in sorted(folder.iterdir())}
    known = {name: size for name, size in pages.items() if size is not None}
    for name, size in known.items():
        if size < PAGE_BYTES:
            raise SeaFormerError(
                f"{name} must be linked for pages of {PAGE_BYTES // 1024} KB or more (got "
                f"{size // 1024} KB): Android 15 and some boards could not load it.",
                hint="Link it with -Wl,-z,max-page-size=16384, or use a newer engine.",
            )
    return min(known.values(), default=PAGE_BYTES)


def bundles_dir() -> Path:
    """Where bundles are kept."""
    return files.cache_dir() / "bundle"
