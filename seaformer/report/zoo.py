"""The zoo as a table: what was computed, beside the paper's figures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from seaformer.core import codec, proof, zoo
from seaformer.core.paper import AbsentLine, table_number
from seaformer.core.proof import Proof
from seaformer.core.spec import ModelSpec, PaperRow
from seaformer.report.terminal import Block, Column, Table


class ZooRow(NamedTuple):
    """One model: its spec, what it costs, and its exports that were tried.

    ``macs`` are multiply-accumulates of convolutions, linear layers and matrix products. ``flops``
    is fvcore's total, which adds normalisation, resizing and pooling: the paper's G is that.
    """

    spec: ModelSpec
    params: int
    macs: int
    flops: int
    proofs: tuple[Proof, ...] = ()

    @property
    def proved(self) -> str:
        """``onnx, executorch 1+0``: XNNPACK subgraphs + computing operators outside of them."""
        return ", ".join(proof.words for proof in self.proofs)

    @property
    def differences_percent(self) -> tuple[float | None, float | None]:
        """Of parameters and of FLOPs from the paper's printed figures, where it prints them."""
        paper = self.spec.paper or PaperRow("", "")
        pairs = ((self.params / 1e6, paper.params_m), (self.flops / 1e9, paper.flops_g))
        params, flops = (
            difference_percent(ours, papers) if papers else None for ours, papers in pairs
        )
        return params, flops


def zoo_rows(names: Iterable[str] | None = None) -> list[ZooRow]:
    """Everything the index and the proofs hold of models, by exact names; of all when absent."""
    proofs, entries = proof.read(), zoo.entries()
    return [
        ZooRow(e.spec, e.params, e.macs, e.paper_flops, proofs.of(e.spec.name))
        for e in (entries.values() if names is None else map(entries.__getitem__, names))
    ]


def _paper(row: ZooRow) -> PaperRow:
    return row.spec.paper or PaperRow("", "")


def _papers_row(row: ZooRow) -> str:
    """``2: SeaFormer-T``: the paper's table and its line."""
    number = table_number(_paper(row).table)
    return f"{number}: {_paper(row).label}" if number else ""


COLUMNS: tuple[Column[ZooRow], ...] = (
    Column("model", lambda row: row.spec.name, key=True),
    Column("task", lambda row: row.spec.task, rank=10, shared=True),
    Column("input", lambda row: f"{row.spec.height}x{row.spec.width}", right=True),
    Column("classes", lambda row: str(row.spec.classes), rank=11, right=True),
    Column("params", lambda row: f"{row.params / 1e6:.2f}", "M", right=True),
    Column("MACs", lambda row: f"{row.macs / 1e9:.3f}", "G", right=True),
    Column("FLOPs", lambda row: f"{row.flops / 1e9:.3f}", "G", rank=5, right=True),
    Column("paper's row", _papers_row, rank=8),
    Column("paper", lambda row: _plain(_paper(row).params_m), "M", rank=6, right=True),
    Column("params", lambda row: _difference(row, 0), "diff %", rank=3, right=True),
    Column("paper", lambda row: _plain(_paper(row).flops_g), "G", rank=7, right=True),
    Column("FLOPs", lambda row: _difference(row, 1), "diff %", rank=4, right=True),
    Column("paper", lambda row: _plain(_paper(row).latency_ms), "ms", rank=1, right=True),
    Column("proved", lambda row: row.proved, rank=9),
)


def _difference(row: ZooRow, figure: int) -> str:
    return _plain(row.differences_percent[figure], "+.1f")


def difference_percent(ours: float, papers: float) -> float:
    """How far ours is from the paper's printed figure."""
    return 100 * (ours / papers - 1)


def _plain(value: float | None, form: str = "g") -> str:
    return "" if value is None else format(value, form)


def zoo_document(row: ZooRow) -> dict[str, object]:
    """One model as JSON: what the table has, every proof whole, differences in percent of the
    paper's figures (``null`` where it prints none), and ``paper`` ``null`` without a line of it.
    """
    paper = None
    if row.spec.paper is not None:
        params, flops = (p if p is None else round(p, 2) for p in row.differences_percent)
        differences = {"params_difference_percent": params, "flops_difference_percent": flops}
        paper = codec.to_json(row.spec.paper) | differences
    return {
        "spec": codec.to_json(row.spec),
        "params": row.params,
        "macs": row.macs,
        "paper_flops": row.flops,
        "paper": paper,
        "proofs": codec.to_json(row.proofs),
    }


def zoo_page(rows: Iterable[ZooRow]) -> list[Block]:
    """For a terminal."""
    return [Table(COLUMNS, tuple(rows))]


class ExportRow(NamedTuple):
    """One export that was tried, its cells in the order of ``EXPORT_HEADERS``."""

    model: str
    format: str
    precision: str
    scope: str
    size: str
    subgraphs: str
    outside: str
    error: str
    seconds: str


EXPORT_HEADERS = (
    "model",
    "format",
    "precision",
    "scope",
    "size",
    "subgraphs",
    "computing outside",
    "relative error",
    "export s",
)


def exports_markdown(rows: Iterable[ExportRow]) -> str:
    """The result of every export that was tried, for the documentation."""
    return markdown_table(EXPORT_HEADERS, rows)


def absent_markdown(rows: Iterable[AbsentLine]) -> str:
    """The paper's rows that are not in the zoo, for the documentation."""
    cells = (
        (row.table.removeprefix("table")[:2].lstrip("0"), row.label, row.reason) for row in rows
    )
    return markdown_table(("table", "the paper's row", "why it is not here"), cells)


def markdown_table(headers: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table for the documentation; a bar in a cell becomes a slash."""
    headers = tuple(headers)
    lines = [" | ".join(headers), " | ".join("---" for _ in headers)]
    lines += [
        " | ".join(cell.replace("|", "/") for _, cell in zip(headers, row, strict=True))
        for row in rows
    ]
    return "".join(f"| {line} |\n" for line in lines)
