"""``ArtifactFacts``: the part of a manifest that is the same on every machine, in a measurement.

A result outlives its artifact. With the facts in it, two results can be compared without either
file: how much a backend took, what stayed outside, how far the file agrees with the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seaformer.core.artifact import Artifact, Delegation


@dataclass(frozen=True)
class ParityFacts:
    """The worst agreement of the whole network with the eager model; fields as in ``Parity``."""

    verified_by: str
    max_abs: float | None = None
    relative_error: float | None = None
    psnr_db: float | None = None
    argmax_agreement: float | None = None


@dataclass(frozen=True)
class ArtifactFacts:
    """From the manifest of the measured file.

    ``operators`` counts the file's operators by kind, ``weights`` is the spec's (``seeded:0`` or
    ``sha256:...``), ``tools`` are the versions that made the file.
    """

    exporter: str
    weights: str
    parity: ParityFacts
    delegation: Delegation | None = None
    operators: Mapping[str, int] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)


def facts_of(artifact: Artifact) -> ArtifactFacts:
    """The facts of one artifact."""
    parity = artifact.parity
    return ArtifactFacts(
        exporter=artifact.exporter,
        weights=artifact.spec.weights,
        parity=ParityFacts(
            parity.verified_by,
            parity.max_abs,
            parity.relative_error,
            parity.psnr_db,
            parity.argmax_agreement,
        ),
        delegation=artifact.delegation,
        operators=artifact.operators,
        tools=artifact.tools,
    )
