"""Columns that more than one table of measurements has: what a row is, and whether it is valid."""

from __future__ import annotations

from seaformer.core.table import ResultRow
from seaformer.report import words
from seaformer.report.terminal import Cell, Column

_STYLES = {"yes": "green", "no": "red", "failed": "bold red"}


def _validity(row: ResultRow) -> Cell:
    """``no: noisy``, or ``no`` alone where there is little room: remarks give the reasons."""
    whole = words.validity(row)
    short = whole.split(":")[0].split(" ")[0]
    return Cell(whole, short, _STYLES[short])


MODEL: Column[ResultRow] = Column("model", words.model, key=True)
SIZE: Column[ResultRow] = Column("HxW", lambda row: row.size, key=True, shared=True)
RUNTIME: Column[ResultRow] = Column(
    "runtime", lambda row: Cell(words.runtime(row), row.runtime), key=True
)
PRECISION: Column[ResultRow] = Column("precision", lambda row: row.precision, key=True, shared=True)
SCOPE: Column[ResultRow] = Column("scope", lambda row: row.scope, key=True, shared=True)
SIZE_MB: Column[ResultRow] = Column(
    "size", lambda row: words.mb(row.size_mb), "MB", rank=13, right=True
)
VALID: Column[ResultRow] = Column("valid", _validity)
