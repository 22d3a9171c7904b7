"""``Evidence``: what models of the zoo execute on an emulated core; the rows are ``evidence.json``.

Counted once, with the versions that each row names. No time is in it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seaformer.core import codec, files, zoo
from seaformer.core.spec import ModelSpec

SCHEMA = 1
FILE = Path(__file__).with_name("evidence.json")


@dataclass(frozen=True)
class Evidence:
    """One artifact: ``macs`` of its model, instructions and cycles of one warm inference.

    ``core`` is QEMU's name. ``operators`` counts the file's operators by kind, ``outside`` names
    those that the engine's backend did not take. ``unpriced`` instructions are not in ``cycles``;
    ``memory_lines`` are cache lines read from and written to memory, where they were counted.
    """

    model: str
    engine: str
    precision: str
    core: str
    artifact_sha256: str
    macs: int
    instructions: int
    cycles: float
    unpriced: int
    memory_lines: int | None
    qemu: str
    llvm: str
    engine_version: str
    operators: Mapping[str, int]
    outside: tuple[str, ...] = ()


@dataclass(frozen=True)
class EvidenceFile:
    """All rows."""

    schema: int
    rows: tuple[Evidence, ...]


def read() -> tuple[Evidence, ...]:
    """Every row of the file as it is now; raises as ``evidence`` does."""
    content = files.read_bytes(FILE)
    return codec.decode(EvidenceFile, content, where=FILE.name, newest=SCHEMA).rows


@functools.cache
def evidence() -> tuple[Evidence, ...]:
    """Every row. Raises ``CorruptArtifact`` when the file is missing or unreadable."""
    return read()


def dense_share(model: str) -> float:
    """The part of a zoo model's multiply-accumulates in dense convolutions of more than 1x1.

    0 for any other model, of which that is unknown.
    """
    entry = zoo.entries().get(model)
    return entry.dense_macs / entry.macs if entry else 0.0


def family_of(spec: ModelSpec) -> str:
    """The kin of a model: what has the same blocks is left out of a calibration together."""
    if spec.family.startswith("seaformer"):
        return "seaformer"
    return spec.family
