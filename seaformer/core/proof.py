"""``Proof``: what came of one export that was tried; kept in ``models/proofs.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Proof:
    """One export that was tried.

    ``subgraphs``, ``delegated_ops`` and ``outside`` (operators outside by name, those that compute)
    are ``None`` where there is no delegate. ``seconds`` is how long the export took, on a machine
    that did other things too. ``sources`` is the digest of the code that exported it, empty where
    that was not kept. ``failure`` is why there is no file: then nothing was proved.
    """

    model: str
    format: str
    precision: str
    height: int
    width: int
    relative_error: float | None
    seconds: float
    created_at: str
    tools: Mapping[str, str]
    subgraphs: int | None = None
    delegated_ops: int | None = None
    outside: Mapping[str, int] | None = None
    scope: str = "logits"
    sources: str = ""
    failure: str = ""

    @property
    def kind(self) -> tuple[str, str, str, str]:
        """What a newer proof must agree in to take this one's place."""
        return (self.model, self.format, self.precision, self.scope)

    @property
    def words(self) -> str:
        """``onnx``, or ``executorch 1+0``: subgraphs, and computing operators outside of them."""
        words = [self.format]
        words += [self.precision] if self.precision != "fp32" else []
        words += [self.scope] if self.scope != "logits" else []
        words += ["failed"] if self.failure else []
        if self.subgraphs is not None and self.outside is not None:
            words.append(f"{self.subgraphs}+{sum(self.outside.values())}")
        return " ".join(words)
