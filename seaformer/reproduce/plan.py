"""Which of our models is which row of the paper, table by table: what to reproduce.

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

from seaformer.core import paper, zoo
from seaformer.core.errors import UsageError
from seaformer.core.precision import BASE, precisions
from seaformer.core.zoo import ZooEntry

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
    latency: tuple[tuple[str, str], ...] = ((BASE.name, "latency_ms"),)
    rows_of: str = ""
    components: bool = False


_ADE20K = paper.TABLES["ade20k"]
_EVERY = tuple((row.name, f"{row.name}_ms") for row in precisions() if row.paper_latency)
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
            latency=_EVERY,
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
            latency=((BASE.name, "share_percent"),),
            rows_of=_ADE20K,
            components=True,
        ),
    )
}


@dataclass(frozen=True)
class Work:
    """One file to be measured; ``macs`` is what one inference costs.

    Several lines of a table may wait for the same one.
    """

    model: str
    precision: str
    components: bool = False
    macs: int = 0


@dataclass(frozen=True)
class PlannedRow:
    """One line of the paper in one precision, and the model that is meant, if there is one.

    ``published`` is the paper's latency in ms, or a share in percent (``unit``). ``method`` is
    ``forward``, or the component of ours that a share belongs to; ``absent`` why no model of ours
    is meant.
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
    macs: int = 0
    absent: str = ""

    @property
    def name(self) -> str:
        return " ".join(self.label)

    @property
    def work(self) -> Work | None:
        """The file this line waits for; none where no model is meant."""
        return Work(self.model, self.precision, self.components, self.macs) if self.model else None


@dataclass(frozen=True)
class Plan:
    """The lines of a table that are to be reproduced, in the paper's order."""

    table: PaperTable
    rows: tuple[PlannedRow, ...]

    @property
    def works(self) -> tuple[Work, ...]:
        """What the lines wait for, each once, the cheapest network first."""
        works = dict.fromkeys(row.work for row in self.rows if row.work is not None)
        return tuple(sorted(works, key=lambda work: (work.macs, work.model)))


def plan(table: PaperTable, only: str = "*", *, models: Iterable[ZooEntry] | None = None) -> Plan:
    """Every line of ``table``, in the paper's order; ``only`` keeps models of that name or glob.

    ``models`` are those of the zoo when absent. Raises ``UsageError`` when ``only`` leaves nothing.
    """
    entries = zoo.entries().values() if models is None else models
    by_label = _by_label(entries, table.rows_of or table.csv)
    lines_of = _components if table.components else _lines
    rows = lines_of(table, paper.lines(table.csv), by_label)
    kept = tuple(row for row in rows if only == "*" or fnmatch.fnmatchcase(row.model, only))
    if not kept:
        known = ", ".join(dict.fromkeys(row.model for row in rows if row.model))
        raise UsageError(
            f"No line of {table.name} is a model called {only!r}.", hint=f"It has {known}."
        )
    return Plan(table, kept)


def _by_label(entries: Iterable[ZooEntry], csv: str) -> dict[str, ZooEntry]:
    """The models whose paper row is in that table, by the row's label."""
    of_table = [(e, e.spec.paper) for e in entries if e.spec.paper is not None]
    return {row.label: entry for entry, row in of_table if row.table == csv}


def _lines(
    table: PaperTable, printed: Sequence[paper.Line], models: Mapping[str, ZooEntry]
) -> list[PlannedRow]:
    reasons = {row.label: row.reason for row in paper.absent() if row.table == table.csv}
    return [
        PlannedRow(
            table=table.name,
            label=label,
            precision=precision,
            published=row.number(column),
            metric=row.number(table.metric),
            params_m=row.number("params_m"),
            flops_g=row.number("flops_g"),
            model=entry.spec.name if entry else "",
            macs=entry.macs if entry else 0,
            absent=reasons.get(" ".join(label), ""),
        )
        for row in printed
        for label in [tuple(row[column] for column in table.identity)]
        for entry in [_find(label, models)]
        for precision, column in table.latency
    ]


def _components(
    table: PaperTable, printed: Sequence[paper.Line], models: Mapping[str, ZooEntry]
) -> list[PlannedRow]:
    """Figure 10: one measurement of SeaFormer-T with its parts answers every line."""
    methods = {label: method for method, label in paper.COMPONENTS.items()}
    entry = _find([paper.COMPONENTS_OF], models)
    return [
        PlannedRow(
            table=table.name,
            label=(row["component"],),
            precision=BASE.name,
            published=row.number("share_percent"),
            unit=PERCENT,
            model=entry.spec.name if entry else "",
            macs=entry.macs if entry else 0,
            method=methods[row["component"]],
            components=True,
        )
        for row in printed
    ]


def _find(cells: Sequence[str], models: Mapping[str, ZooEntry]) -> ZooEntry | None:
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
            return models[label]
    plain = {label.replace("*", ""): entry for label, entry in models.items()}
    return next((plain[o.replace("*", "")] for o in orders if o.replace("*", "") in plain), None)
