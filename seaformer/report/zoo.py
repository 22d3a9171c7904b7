"""The zoo as a table: what was computed, beside what the paper says."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.table import Table

from seaformer.core.spec import ModelSpec

ZooRow = tuple[ModelSpec, int, int, int]
HEADERS = (
    *("model", "input", "classes", "params M", "MACs G", "FLOPs G"),
    *("paper M", "paper G", "paper ms"),
)


def zoo_cells(row: ZooRow) -> tuple[str, ...]:
    """One model's cells; the paper's are empty where it has no such row.

    MACs are multiply-accumulates of convolutions, linear layers and matrix products. FLOPs G is
    fvcore's total, which adds normalisation, resizing and pooling: the paper's G is that.
    """
    spec, params, macs, flops = row
    paper = spec.paper
    published = (paper.params_m, paper.flops_g, paper.latency_ms) if paper else (None,) * 3
    return (
        spec.name,
        f"{spec.height}x{spec.width}",
        str(spec.classes),
        f"{params / 1e6:.2f}",
        f"{macs / 1e9:.3f}",
        f"{flops / 1e9:.3f}",
        *("" if value is None else f"{value:g}" for value in published),
    )


def zoo_table(rows: Iterable[ZooRow]) -> Table:
    """For a terminal."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, header in enumerate(HEADERS):
        table.add_column(header, justify="left" if i < 1 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*zoo_cells(row))
    return table


def zoo_markdown(rows: Iterable[ZooRow]) -> str:
    """For the README."""
    lines = [" | ".join(HEADERS), " | ".join("---" for _ in HEADERS)]
    lines += [" | ".join(zoo_cells(row)) for row in rows]
    return "".join(f"| {line} |\n" for line in lines)
