"""``OperatorMap``: which module of the network each operator of an exported file came from.

Lies beside an artifact as ``<artifact>.operators.json``. An engine's profile lists operators, not
modules; this is what joins the two (``bench/profile.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from seaformer.core import codec, files
from seaformer.core.artifact import Artifact
from seaformer.core.checksums import check_sha256
from seaformer.core.errors import CorruptArtifact

SCHEMA = 1
DEPTHWISE = "DWConv"  # what XNNPACK calls a convolution of each channel by itself


@dataclass(frozen=True)
class GraphOperator:
    """One operator of the file's graph.

    ``kind`` is the format's own name (``Conv``, ``aten.convolution``), ``module`` the path of the
    module it was written in (``context.stages.1.blocks.0.expand``; empty where none is known),
    ``names`` everything an engine may call it by: the node's name and its outputs'.
    """

    kind: str
    module: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class OperatorMap:
    """Operators of each method, in the order in which they run."""

    schema: int
    methods: Mapping[str, tuple[GraphOperator, ...]]


def load_operator_map(artifact: Artifact) -> OperatorMap:
    """The map beside an artifact. Raises ``ArtifactError`` when there is none or it was changed."""
    if artifact.operator_map is None:
        raise CorruptArtifact(
            f"{artifact.file} has no operator map.", hint="Export the model again."
        )
    path = artifact.path.parent / artifact.operator_map.file
    check_sha256(path, artifact.operator_map.sha256)
    return codec.decode(OperatorMap, files.read_bytes(path), where=path.name)
