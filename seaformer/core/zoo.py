"""``ZooEntry``: one model and what it costs; the index of all of them, ``zoo.json``.

The index is generated (``make zoo``) and read without torch. How it is counted, and from which
sources, is ``models/_zoo.py``.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from seaformer.core import codec, files
from seaformer.core.spec import ModelSpec

INDEX = Path(__file__).with_name("zoo.json")


@dataclass(frozen=True)
class ZooEntry:
    """One model: its spec and what it costs for one image of the spec's size.

    ``macs`` are multiply-accumulates of convolutions, linears and matrix products. ``paper_flops``
    is fvcore's total, which adds norms, resizing and pooling: the paper's FLOPs are counted so.
    ``dense_macs`` of ``macs`` are those of convolutions with one group and a kernel above 1x1.
    """

    spec: ModelSpec
    params: int
    macs: int
    paper_flops: int
    dense_macs: int = 0


@dataclass(frozen=True)
class Zoo:
    """All models, and the digest of the sources they were counted from."""

    sources_sha256: str
    models: tuple[ZooEntry, ...]


@functools.cache
def read(path: Path = INDEX) -> Zoo:
    """The index. Raises ``CorruptArtifact`` when it is missing or unreadable."""
    return codec.decode(Zoo, files.read_bytes(path), where=path.name)


@functools.cache
def entries() -> dict[str, ZooEntry]:
    """Every model by name."""
    return {entry.spec.name: entry for entry in read().models}
