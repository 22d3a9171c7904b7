"""Which of our models stands for which row of the paper, table by table: what to reproduce.

A model names its own row (``ModelSpec.paper``), so nothing is typed here a second time: a line of
a table is matched with the model whose row it is. A line without a model is planned all the same,
with the reason why there is none. Figure 1 draws lines of table 2; table 16 adds half precision to
them.
"""

from __future__ import annotations

import fnmatch
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from seaformer.core import paper
from seaformer.core.errors import UsageError
from seaformer.core.spec import ModelSpec

MS, PERCENT = "ms", "%"
_TITLE2 = "Table 2: ADE20K validation set"


@dataclass(frozen=True)
class PaperTable:
    """A table or figure that can be reproduced.

    ``identity`` are the columns that name a line; ``latency`` the columns with times, by
    precision; ``rows_of`` is the table whose rows the models name where that is another one.
    """

    name: str
    title: str
    csv: str
    identity: tuple[str, ...]
    metric: str = "miou"
    metric_name: str = "mIoU"
    latency: tuple[tuple[str, str], ...] = (("fp32", "latency_ms"),)
    rows_of: str = ""
    components: bool = False


_ADE20K = paper.TABLES["ade20k"]
_BOTH = (("fp32", "fp32_ms"), ("fp16", "fp16_ms"))
TABLES = {
    table.name: table
    for table in (
        PaperTable("table2", _TITLE2, _ADE20K, ("backbone", "decoder")),
        PaperTable(
            "table3",
            "Table 3: Cityscapes validation set; (h) 512x1024, (f) 1024x2048",
            paper.TABLES["cityscapes"],
            ("method", "backbone"),
            metric="miou_val",
        ),
        PaperTable(
            "table14",
            "Table 14: ImageNet-1K",
            paper.TABLES["imagenet"],
            ("model",),
            metric="top1",
            metric_name="top-1",
        ),
        PaperTable(
            "table16",
            "Table 16: FP32 and FP16 on ADE20K",
            paper.TABLES["precision"],
            ("model",),
            latency=_BOTH,
            rows_of=_ADE20K,
        ),
        PaperTable(
            "figure1",
            "Figure 1: accuracy against latency on ADE20K (lines of table 2)",
            _ADE20K,
            ("backbone", "decoder"),
        ),
        PaperTable(
            "figure10",
            "Figure 10: shares of SeaFormer-T's components",
            paper.TABLES["components"],
            ("component",),
            metric="",
            metric_name="",
            latency=(("fp32", "share_percent"),),
            rows_of=_ADE20K,
            components=True,
        ),
    )
}


@dataclass(frozen=True)
class PlannedRow:
    """One line of the paper in one precision, and the model that stands for it, if there is one.

    ``published`` is the paper's latency in ms, or a share in percent (``unit``). ``method`` is
    ``forward``, or the component of ours that a share belongs to; ``absent`` why no model of ours
    stands for the line.
    """

    table: str
    label: tuple[str, ...]
    precision: str
    published: float | None
    unit: str = MS
    metric: float | None = None
    params_m: float | None = None
    flops_g: float | None = None
    model: str = ""
    method: str = "forward"
    components: bool = False
    absent: str = ""

    @property
    def name(self) -> str:
        return " ".join(self.label)


def plan(table: PaperTable, specs: Iterable[ModelSpec], only: str = "*") -> tuple[PlannedRow, ...]:
    """Every line of ``table``, in the paper's order; ``only`` keeps models of that name or glob.

    Raises ``UsageError`` when ``only`` leaves nothing.
    """
    models = _models(tuple(specs), table.rows_of or table.csv)
    rows = _components(table, models) if table.components else _lines(table, models)
    kept = tuple(row for row in rows if only == "*" or fnmatch.fnmatchcase(row.model, only))
    if not kept:
        known = ", ".join(dict.fromkeys(row.model for row in rows if row.model))
        raise UsageError(
            f"No line of {table.name} is a model called {only!r}.", hint=f"It has {known}."
        )
    return kept


def _models(specs: Sequence[ModelSpec], csv: str) -> dict[str, ModelSpec]:
    """The models whose paper row is in that table, by the row's label."""
    return {s.paper.label: s for s in specs if s.paper is not None and s.paper.table == csv}


def _lines(table: PaperTable, models: Mapping[str, ModelSpec]) -> list[PlannedRow]:
    reasons = {row.label: row.reason for row in paper.absent() if row.table == table.csv}
    return [
        PlannedRow(
            table=table.name,
            label=tuple(row[column] for column in table.identity),
            precision=precision,
            published=paper.number(row, column),
            metric=paper.number(row, table.metric),
            params_m=paper.number(row, "params_m"),
            flops_g=paper.number(row, "flops_g"),
            model=_model([row[column] for column in table.identity], models),
            absent=reasons.get(" ".join(row[column] for column in table.identity), ""),
        )
        for row in paper.rows(table.csv)
        for precision, column in table.latency
    ]


def _components(table: PaperTable, models: Mapping[str, ModelSpec]) -> list[PlannedRow]:
    """Figure 10: one measurement of SeaFormer-T with its parts answers every line."""
    methods = {label: method for method, label in paper.COMPONENTS.items()}
    return [
        PlannedRow(
            table=table.name,
            label=(row["component"],),
            precision="fp32",
            published=paper.number(row, "share_percent"),
            unit=PERCENT,
            model=_model([paper.COMPONENTS_OF], models),
            method=methods[row["component"]],
            components=True,
        )
        for row in paper.rows(table.csv)
    ]


def _model(cells: Sequence[str], models: Mapping[str, ModelSpec]) -> str:
    """The model of a line: its label is some of the line's cells, in some order.

    ``SeaFormer-T`` and ``SeaFormer-T*`` are one network, trained with other batches: a star is
    no other latency.
    """
    orders = [
        " ".join(some)
        for count in range(len(cells), 0, -1)
        for some in itertools.permutations(cells, count)
    ]
    for label in orders:
        if label in models:
            return models[label].name
    plain = {label.replace("*", ""): spec.name for label, spec in models.items()}
    return next((plain[o.replace("*", "")] for o in orders if o.replace("*", "") in plain), "")
