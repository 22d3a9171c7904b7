"""The plugin that counts what an emulated core executes (``qemu/counter.c``): build, use, read.

Built by the system's C compiler at first use and kept in the cache under the hash of its sources.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from seaformer.core import child, codec, files
from seaformer.core.code_blocks import Block, CodePart, parse_blocks
from seaformer.core.counts import Counts
from seaformer.core.errors import CorruptArtifact, MissingExtra, RunnerFailed, SeaFormerError
from seaformer.runtime.emulator.qemu import FOLDER

_FLAGS = ("-std=c11", "-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-pthread")
_BUILD_SECONDS = 60


@dataclass(frozen=True)
class Counter:
    """A built plugin; ``caches`` runs every access through the cache model too, which is slower."""

    library: Path
    caches: bool = True

    def plugin(self, counts: Path, blocks: Path | None = None, *, parts: Path | None = None) -> str:
        """QEMU's ``-plugin`` value: ``counts`` gets a line per marked inference, ``blocks`` a
        line per executed block of the last one, ``parts`` in its place the same of each part."""
        options = [f"file={_escaped(self.library)}", f"out={_escaped(counts)}"]
        options += [f"blocks={_escaped(blocks)}"] if blocks else []
        options += [f"parts={_escaped(parts)}"] if parts else []
        return ",".join([*options, "caches=on"] if self.caches else options)


def build_counter(*, caches: bool = True) -> Counter:
    """The plugin, built now if it has not been.

    Raises ``MissingExtra`` without a C compiler, ``SeaFormerError`` with its output when it
    could not compile.
    """
    sources = sorted(path for path in FOLDER.iterdir() if path.suffix in (".c", ".h"))
    content = b"\0".join(path.name.encode() + b"\0" + path.read_bytes() for path in sources)
    key = hashlib.sha256(content + " ".join(_FLAGS).encode()).hexdigest()[:16]
    library = files.cache_dir() / "qemu" / f"counter-{key}.so"
    if not library.is_file():
        _compile([FOLDER / "counter.c"], library)
    return Counter(library, caches)


def read_counts(path: Path) -> tuple[Counts, ...]:
    """What the plugin wrote, one for each marked inference. Raises ``RunnerFailed``."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        counts = tuple(codec.from_json(Counts, row, where="counts") for row in rows)
        threads = max((row["threads"] for row in rows), default=1)
    except (OSError, ValueError, KeyError, CorruptArtifact) as error:
        raise RunnerFailed(f"The emulator's counts cannot be read: {error}.") from error
    if threads > 1:
        raise RunnerFailed(
            f"{threads} threads ran on the emulated core; instructions are counted for one.",
            hint="--threads 1",
        )
    return counts


def read_blocks(path: Path) -> tuple[Block, ...]:
    """The executed blocks that the plugin wrote, in no order. Raises ``RunnerFailed``."""
    try:
        return parse_blocks(path.read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError, CorruptArtifact) as error:
        raise RunnerFailed(f"The emulator's blocks cannot be read: {error}.") from error


def read_parts(path: Path) -> tuple[CodePart, ...]:
    """The parts of the last marked inference, in order. Raises ``RunnerFailed``."""
    counts: list[Counts] = []
    blocks: list[list[Block]] = []
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if "words" in row:
                blocks[-1].append(Block(row["address"], row["count"], row["words"]))
            else:
                counts.append(codec.from_json(Counts, row, where="counts"))
                blocks.append([])
    except (OSError, ValueError, KeyError, IndexError, CorruptArtifact) as error:
        raise RunnerFailed(f"The emulator's parts cannot be read: {error}.") from error
    return tuple(CodePart(one, tuple(some)) for one, some in zip(counts, blocks, strict=True))


def _compile(sources: list[Path], library: Path) -> None:
    names = [os.environ.get("CC", ""), "cc", "gcc", "clang"]
    compiler = next((path for name in names if name and (path := shutil.which(name))), None)
    if compiler is None:
        raise MissingExtra(
            "Counting instructions needs a C compiler: no cc, gcc or clang is on the PATH.",
            hint="sudo apt-get install gcc libc6-dev",
        )
    with files.staging(library.parent) as scratch:
        built = scratch / library.name
        argv = [compiler, *_FLAGS, *map(str, sources), "-o", str(built)]
        done = child.run(argv, _BUILD_SECONDS)
        if done.returncode != 0:
            output = "\n".join(done.stderr.splitlines()[:10])
            raise SeaFormerError(f"The counting plugin could not be built:\n{output}")
        files.publish(built, library)


def _escaped(path: Path) -> str:
    """QEMU's options are separated by commas; two of them are one in a value."""
    return str(path).replace(",", ",,")
