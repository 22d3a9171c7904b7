"""The index of all models, ``zoo.json``: read without torch, written by ``python -m`` this file.

A model's parameters and MACs are properties of its source, so they are counted once
(``_complexity.py``) and kept here with a digest of the sources they were counted from.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

from seaformer.core import codec, files
from seaformer.core.errors import CorruptArtifact
from seaformer.core.spec import ModelSpec

INDEX = Path(__file__).with_name("zoo.json")
_NO_NUMBERS = (  # nothing is counted here
    *("__init__.py", "_names.py", "_zoo.py", "_checkpoints.py", "_seeding.py"),
    *("_proofs.py", "_segformer_layouts.py"),
)


@dataclass(frozen=True)
class ZooEntry:
    """One model: its spec and what it costs for one image of the spec's size.

    ``macs`` are multiply-accumulates of convolutions, linears and matrix products. ``paper_flops``
    is fvcore's total, which adds norms, resizing and pooling: the paper's FLOPs are counted so.
    """

    spec: ModelSpec
    params: int
    macs: int
    paper_flops: int


@dataclass(frozen=True)
class Zoo:
    """All models, and the digest of the sources they were counted from."""

    sources_sha256: str
    models: tuple[ZooEntry, ...]


@functools.cache
def read(path: Path = INDEX) -> Zoo:
    """The index. Raises ``CorruptArtifact`` when it is missing or unreadable."""
    return codec.from_json(Zoo, files.read_json(path), where=path.name)


@functools.cache
def entries() -> dict[str, ZooEntry]:
    """Every model by name."""
    return {entry.spec.name: entry for entry in read().models}


def sources_sha256() -> str:
    """Digest of the files the numbers follow from."""
    digest = hashlib.sha256()
    for path in sorted(INDEX.parent.glob("*.py")):
        if path.name not in _NO_NUMBERS:
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def is_stale() -> bool:
    """Whether a model source changed since the index was written."""
    try:
        return read().sources_sha256 != sources_sha256()
    except CorruptArtifact:
        return True


def family_names() -> list[str]:
    """The model families in the order of the index: SeaFormer's own before its rivals."""
    from seaformer.models import FAMILIES

    return sorted(FAMILIES.names(), key=lambda name: not name.startswith("seaformer"))


def count() -> Zoo:
    """Count every model of every family anew. Imports torch and fvcore."""
    from seaformer.models import FAMILIES, _complexity

    modules = [FAMILIES.load(name) for name in family_names()]
    counted = [_complexity.entry(module, spec) for module in modules for spec in module.specs()]
    return Zoo(sources_sha256=sources_sha256(), models=tuple(counted))


if __name__ == "__main__":
    files.write_json(INDEX, codec.to_json(count()))
