"""The paper's own tables, as they were published: ``core/paper/*.csv``, read and never written.

SeaFormer++ (Wan, Huang, Lu, Yu, Zhang), tables 2-18 and figure 10; and the tables of model zoos
(``zoo_*.csv``: PaddleViT's and mmsegmentation's) whose checkpoints have rows here. And
``sd855_paddlelite.csv``: latencies of MobileNets by width on a Snapdragon 855 (one thread, FP32,
224x224, Paddle-Lite), of PaddleClas's overview of ImageNet models, section 5.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
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
    "zoo_segformer": "zoo_segformer_ade20k",
    "zoo_setr": "zoo_setr",
}
# Our methods, what figure 10 calls them, and whose they are there.
COMPONENTS = {
    "stem": "shared STEM",
    "context": "context branch",
    "spatial": "spatial branch",
    "head": "light segmentation head",
}
COMPONENTS_OF = "SeaFormer-T"


@dataclass(frozen=True)
class Line:
    """One line of a table as it is printed; ``cells`` are texts by column name."""

    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def number(self, column: str) -> float | None:
        """A cell as a number; ``None`` where the paper leaves it empty or prints a word."""
        try:
            return float(self.cells.get(column, ""))
        except ValueError:
            return None


@functools.cache
def lines(table: str) -> tuple[Line, ...]:
    """All lines of one CSV."""
    source = resources.files("seaformer.core") / "paper" / f"{table}.csv"
    if not source.is_file():
        raise UnknownName(f"Unknown table of the paper: {table!r}.")
    text = source.read_text(encoding="utf-8").splitlines()
    return tuple(Line(cells) for cells in csv.DictReader(text))


def printed(table: str, column: str, value: float) -> str:
    """A figure as the paper prints it, with its decimals; the longest where a table has several.

    Raises ``UnknownName`` when that column has no such figure.
    """
    cells = [line[column] for line in lines(table) if line.number(column) == value]
    if not cells:
        raise UnknownName(f"{table} has no {column} of {value:g}.")
    return max(cells, key=len)


def find(table: str, cells: Mapping[str, str]) -> Line:
    """The one line whose cells have these values. Raises ``UnknownName`` when there is not one."""
    matches = [line for line in lines(table) if all(line[key] == cells[key] for key in cells)]
    if len(matches) != 1:
        raise UnknownName(f"{len(matches)} rows of {table} have {dict(cells)}; expected one.")
    return matches[0]


def table_number(table: str) -> str:
    """What a table is called before a row's label: ``2`` of the paper, ``zoo`` of a model zoo."""
    return "zoo" if table.startswith("zoo_") else table.removeprefix("table")[:2].lstrip("0")


def component_shares() -> dict[str, float]:
    """Figure 10: the share in percent of each component of SeaFormer-T's latency."""
    return {line["component"]: float(line["share_percent"]) for line in lines(TABLES["components"])}


def row(table: str, label: str, cells: Mapping[str, str], metric: str, column: str) -> PaperRow:
    """A line of one of the paper's tables as a ``PaperRow``; ``label`` is how it is printed."""
    line = find(table, cells)
    return PaperRow(
        table=table,
        label=label,
        params_m=line.number("params_m"),
        flops_g=line.number("flops_g"),
        latency_ms=line.number("latency_ms"),
        metric=metric,
        metric_value=line.number(column),
    )


@dataclass(frozen=True)
class AbsentLine:
    """A row of tables 2, 3 or 14 without a model here, and why."""

    table: str
    label: str
    reason: str


@functools.cache
def absent() -> tuple[AbsentLine, ...]:
    """Every such row, in the order of the tables."""
    return tuple(AbsentLine(**line.cells) for line in lines("absent"))


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
    return tuple(Reason(**line.cells) for line in lines("differences"))


@dataclass(frozen=True)
class OwnFigures:
    """What a network's own paper or page prints: parameters (M) and multiply-accumulates (G).

    A figure is the text that is printed, and empty where there is none; ``reason`` is why ours is
    farther off than the rounding of that text.
    """

    model: str
    params_m: str
    macs_g: str
    source: str
    reason: str


@functools.cache
def own_figures() -> tuple[OwnFigures, ...]:
    """Every network whose own source was compared with ours."""
    return tuple(OwnFigures(**line.cells) for line in lines("own_figures"))
