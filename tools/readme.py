"""Rewrite what is generated in the documentation: ``python tools/readme.py``.

The tables of README.md (the zoo, the differences from the paper) and the exports of docs/exports.md
stand between two comments; they come from the index of models and from the proofs of exports and
are never typed.
"""

from __future__ import annotations

from pathlib import Path

from seaformer.core import paper
from seaformer.core.proof import Proof, read
from seaformer.models import list_models
from seaformer.report.differences import differences_markdown
from seaformer.report.zoo import (
    ExportRow,
    absent_markdown,
    exports_markdown,
    zoo_markdown,
    zoo_rows,
)

ROOT = Path(__file__).parents[1]
README, EXPORTS = ROOT / "README.md", ROOT / "docs" / "exports.md"
BEGIN, END = "<!-- zoo: make zoo -->\n", "<!-- end of zoo -->\n"
BEGIN_DIFFERENCES = "<!-- differences: make zoo -->\n"
END_DIFFERENCES = "<!-- end of differences -->\n"
BEGIN_EXPORTS, END_EXPORTS = "<!-- exports: make zoo -->\n", "<!-- end of exports -->\n"


def zoo() -> str:
    """The zoo, and the paper's rows that are not in it, as Markdown tables."""
    return f"{zoo_markdown(zoo_rows())}\n{absent_markdown(paper.absent())}"


def with_zoo(text: str) -> str:
    """``text`` with fresh tables between the comments."""
    return _between(text, BEGIN, END, zoo())


def with_differences(text: str) -> str:
    """``text`` with a fresh table of the differences from the paper between the comments."""
    table = differences_markdown(zoo_rows(), paper.differences())
    return _between(text, BEGIN_DIFFERENCES, END_DIFFERENCES, table)


def with_exports(text: str) -> str:
    """``text`` with a fresh table of exports, and how many there are, between the comments."""
    proofs = [proof for model in list_models() for proof in read().of(model)]
    table = exports_markdown(map(_row, proofs))
    return _between(text, BEGIN_EXPORTS, END_EXPORTS, f"{_summary(proofs)}\n{table}")


def _summary(proofs: list[Proof]) -> str:
    proved = [proof for proof in proofs if not proof.failure]
    lowered = [proof for proof in proved if proof.subgraphs is not None]
    whole = [p for p in lowered if p.subgraphs == 1 and not sum((p.outside or {}).values())]
    models = len({proof.model for proof in proved})
    return (
        f"{len(proved)} exports of {models} of {len(list_models())} models are proved, "
        f"{len(proofs) - len(proved)} refused. Of {len(lowered)} ExecuTorch programs {len(whole)} "
        "are one XNNPACK subgraph with no computing operator outside.\n"
    )


def _row(proof: Proof) -> ExportRow:
    size = f"{proof.height}x{proof.width}"
    head = (proof.model, proof.format, proof.precision, proof.scope, size)
    if proof.failure:
        return ExportRow(*head, "", f"refused: {proof.failure}", "", f"{proof.seconds:.0f}")
    outside = ", ".join(f"{count} {name}" for name, count in (proof.outside or {}).items())
    return ExportRow(
        *head,
        subgraphs="" if proof.subgraphs is None else str(proof.subgraphs),
        outside="" if proof.subgraphs is None else outside or "0",
        error=f"{proof.relative_error:.1e}",
        seconds=f"{proof.seconds:.0f}",
    )


def _between(text: str, begin: str, end: str, fresh: str) -> str:
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{fresh}\n{end}{after}"


if __name__ == "__main__":
    text = with_zoo(README.read_text(encoding="utf-8"))
    README.write_text(with_differences(text), encoding="utf-8")
    EXPORTS.write_text(with_exports(EXPORTS.read_text(encoding="utf-8")), encoding="utf-8")
