"""Tapes: a network's answers to the inputs that an export is proved on. Goes to ``export/``."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from seaformer.core.artifact import FORWARD, Method, Parity
from seaformer.core.precision import BASE, Precision
from seaformer.export import _verify
from seaformer.export._format import FileFacts, WriteRequest
from seaformer.runtime import RUNTIMES


def supports(precision: Precision) -> bool:
    """A tape holds float32."""
    return precision is BASE


def write(request: WriteRequest) -> FileFacts:
    """Magic, count, shapes of input and output, then pairs of both in float32."""
    height, width = request.image.shape[2:]
    takes = _verify.cases(request.model, height, width)
    shapes = (takes[0].image.shape, takes[0].expected[0].shape)
    data = b"TAPE" + struct.pack("<I", len(takes))
    data += b"".join(struct.pack(f"<{1 + len(s)}I", len(s), *s) for s in shapes)
    data += b"".join(t.image.tobytes() + t.expected[0].tobytes() for t in takes)
    request.path.write_bytes(data)
    session = RUNTIMES.load("replay").open_session(request.path)
    return FileFacts(
        exporter="recorded",
        methods=(Method(FORWARD, session.inputs(), session.outputs()),),
        operators={"Take": len(takes)},
    )


def verify(
    path: Path, cases: Sequence[_verify.Case], precision: Precision, network: nn.Module
) -> Parity:
    """Play the tape."""
    session = RUNTIMES.load("replay").open_session(path)
    return _verify.verify(session.run, cases, precision=precision, runtime="replay")
