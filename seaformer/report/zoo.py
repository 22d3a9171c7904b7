"""The zoo as a table: what was computed, beside what the paper says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rich import box
from rich.table import Table

from seaformer.core import codec, proof, zoo
from seaformer.core.paper import Absent
from seaformer.core.proof import Proof
from seaformer.core.spec import ModelSpec, PaperRow


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


HEADERS = (
    *("model", "task", "input", "classes", "params M", "MACs G", "FLOPs G"),
    *("paper's row", "paper M", "diff %", "paper G", "diff %", "paper ms", "proved"),
)
_LEFT = ("model", "task", "paper's row", "proved")


def zoo_cells(row: ZooRow) -> tuple[str, ...]:
    """One model's cells; the paper's are empty where it has no such row."""
    spec = row.spec
    return (
        spec.name,
        spec.task,
        f"{spec.height}x{spec.width}",
        str(spec.classes),
        f"{row.params / 1e6:.2f}",
        f"{row.macs / 1e9:.3f}",
        f"{row.flops / 1e9:.3f}",
        *_paper_cells(spec.paper or PaperRow("", ""), *row.differences_percent),
        row.proved,
    )


def _paper_cells(
    paper: PaperRow, params_percent: float | None, flops_percent: float | None
) -> tuple[str, ...]:
    number = paper.table.removeprefix("table")[:2].lstrip("0")
    return (
        f"{number}: {paper.label}" if number else "",
        _plain(paper.params_m),
        _plain(params_percent, "+.1f"),
        _plain(paper.flops_g),
        _plain(flops_percent, "+.1f"),
        _plain(paper.latency_ms),
    )


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


def zoo_table(rows: Iterable[ZooRow]) -> Table:
    """For a terminal."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in HEADERS:
        table.add_column(header, justify="left" if header in _LEFT else "right", no_wrap=True)
    for row in rows:
        table.add_row(*zoo_cells(row))
    return table


def zoo_markdown(rows: Iterable[ZooRow]) -> str:
    """For the documentation."""
    return markdown_table(HEADERS, (zoo_cells(row) for row in rows))


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
    *("model", "format", "precision", "scope", "size", "subgraphs", "computing outside"),
    *("relative error", "export s"),
)


def exports_markdown(rows: Iterable[ExportRow]) -> str:
    """What came of every export that was tried, for the documentation."""
    return markdown_table(EXPORT_HEADERS, rows)


def absent_markdown(rows: Iterable[Absent]) -> str:
    """The paper's rows that are not in the zoo, for the documentation."""
    cells = (
        (row.table.removeprefix("table")[:2].lstrip("0"), row.label, row.reason) for row in rows
    )
    return markdown_table(("table", "the paper's row", "why it is not here"), cells)


def markdown_table(headers: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table for the documentation; a bar in a cell becomes a slash."""
    headers = tuple(headers)
    lines = [" | ".join(headers), " | ".join("---" for _ in headers)]
    lines += [" | ".join(cell.replace("|", "/") for cell in row) for row in rows]
    return "".join(f"| {line} |\n" for line in lines)
