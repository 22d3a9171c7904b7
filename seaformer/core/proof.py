"""``Proof``: the outcome of one export that was tried, and ``proofs.json``, which keeps them.

``tools/prove.py`` writes that file from the manifests of real exports, never a hand. An export is
refused when its file does not compute what the PyTorch model computes, so a proof is an export that
was not refused: on two photographs and noise, at the size it names. A refused one is kept with the
reason until a later one is proved.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seaformer.core import codec, files
from seaformer.core.precision import BASE

PROOFS = Path(__file__).with_name("proofs.json")


@dataclass(frozen=True)
class Proof:
    """One export that was tried.

    ``subgraphs``, ``delegated_ops`` and ``outside`` (operators outside by name, those that compute)
    are ``None`` without a delegate. ``seconds`` is how long the export took, on a machine
    that did other things too. ``sources`` is the digest of the code that exported it, empty where
    that was not kept. ``failure`` is why the file is missing: then nothing was proved.
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
        words += [self.precision] if self.precision != BASE.name else []
        words += [self.scope] if self.scope != "logits" else []
        words += ["failed"] if self.failure else []
        if self.subgraphs is not None and self.outside is not None:
            words.append(f"{self.subgraphs}+{sum(self.outside.values())}")
        return " ".join(words)


@dataclass(frozen=True)
class Proofs:
    """All proofs, the last one of each model, format, precision and scope."""

    proofs: tuple[Proof, ...] = ()

    def of(self, model: str) -> tuple[Proof, ...]:
        """The proofs of one model: the plain ones first, then by format."""
        proofs = [proof for proof in self.proofs if proof.model == model]
        return tuple(sorted(proofs, key=_plain_first))

    def adding(self, proof: Proof) -> Proofs:
        """These, and one more in the place of an older one of its kind."""
        kept = [p for p in self.proofs if p.kind != proof.kind]
        return Proofs(tuple(sorted([*kept, proof], key=lambda p: p.kind)))


def _plain_first(proof: Proof) -> tuple[bool, bool, str, str, str]:
    odd = (proof.scope != "logits", proof.precision != BASE.name)
    return (*odd, proof.format, proof.precision, proof.scope)


@functools.cache
def read(path: Path = PROOFS) -> Proofs:
    """What was proved; nothing before that file exists."""
    if not path.is_file():
        return Proofs()
    return codec.decode(Proofs, files.read_bytes(path), where=path.name)


def write(proofs: Proofs, path: Path = PROOFS) -> None:
    """Replace the file."""
    files.write_json(path, codec.to_json(proofs))


def add(proof: Proof, path: Path = PROOFS) -> None:
    """Read the file, add one proof, write it; another run that adds at the same time waits."""
    with files.locked(path.with_name(f"{path.name}.lock")):
        read.cache_clear()  # another run may have written meanwhile
        write(read(path).adding(proof), path)
    read.cache_clear()
