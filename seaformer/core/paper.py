"""The paper's own tables, as they were published: ``core/paper/*.csv``, read and never written.

SeaFormer++ (Wan, Huang, Lu, Yu, Zhang), tables 2-18 and figure 10.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from importlib import resources

from seaformer.core.errors import UnknownName
from seaformer.core.spec import PaperRow

TABLES = {
    "ade20k": "table02_ade20k",
    "cityscapes": "table03_cityscapes",
    "pascal_context": "table04_pascal_context",
    "coco_stuff": "table05_coco_stuff",
    "heads": "table13_heads",
    "precision": "table16_precision",
    "imagenet": "table14_imagenet",
    "components": "figure10_components",
    "enhancement": "table06_sea_components",
    "squeeze": "table07_squeeze_expand",
    "attention": "table09_attention_modules",
    "fusion": "table11_fusion",
    "fusion_width": "table12_fusion_width",
    "detection": "table15_coco_retinanet",
    "upsampling": "table17_upsampling",
}
# Our methods, what figure 10 calls them, and whose they are there.
COMPONENTS = {
    "stem": "shared STEM",
    "context": "context branch",
    "spatial": "spatial branch",
    "head": "light segmentation head",
}
COMPONENTS_OF = "SeaFormer-T"


@functools.cache
def rows(table: str) -> tuple[dict[str, str], ...]:
    """All rows of one CSV, as text by column name."""
    source = resources.files("seaformer.core") / "paper" / f"{table}.csv"
    if not source.is_file():
        raise UnknownName(f"There is no table {table!r} of the paper.")
    return tuple(csv.DictReader(source.read_text(encoding="utf-8").splitlines()))


def number(row: dict[str, str], column: str) -> float | None:
    """A cell as a number; ``None`` where the paper leaves it empty or prints a word."""
    try:
        return float(row.get(column, ""))
    except ValueError:
        return None


def printed(table: str, column: str, value: float) -> str:
    """A figure as the paper prints it, with its decimals; the longest where a table has several.

    Raises ``UnknownName`` when that column has no such figure.
    """
    found = [row[column] for row in rows(table) if number(row, column) == value]
    if not found:
        raise UnknownName(f"{table} has no {column} of {value:g}.")
    return max(found, key=len)


def find(table: str, **cells: str) -> dict[str, str]:
    """The one row whose cells have these values. Raises ``UnknownName`` when there is not one."""
    found = [row for row in rows(table) if all(row[key] == cells[key] for key in cells)]
    if len(found) != 1:
        raise UnknownName(f"{len(found)} rows of {table} have {cells}; expected one.")
    return found[0]


def component_shares() -> dict[str, float]:
    """Figure 10: the share in percent of each component of SeaFormer-T's latency."""
    return {row["component"]: float(row["share_percent"]) for row in rows(TABLES["components"])}


def row(table: str, label: str, cells: dict[str, str], metric: str, column: str) -> PaperRow:
    """A line of one of the paper's tables as a ``PaperRow``; ``label`` is how it is printed."""
    found = find(table, **cells)
    return PaperRow(
        table=table,
        label=label,
        params_m=number(found, "params_m"),
        flops_g=number(found, "flops_g"),
        latency_ms=number(found, "latency_ms"),
        metric=metric,
        metric_value=number(found, column),
    )


@dataclass(frozen=True)
class Absent:
    """A row of tables 2, 3 or 14 for which there is no model here, and why."""

    table: str
    label: str
    reason: str


@functools.cache
def absent() -> tuple[Absent, ...]:
    """Every such row, in the order of the tables."""
    return tuple(Absent(**row) for row in rows("absent"))


@dataclass(frozen=True)
class Reason:
    """Why ``figure`` (``params`` or ``flops``) of the models of a name or glob is not the paper's.

    "Not explained" is a reason too.
    """

    model: str
    figure: str
    reason: str


@functools.cache
def differences() -> tuple[Reason, ...]:
    """Every such reason that was found, in the order of the models."""
    return tuple(Reason(**row) for row in rows("differences"))
