"""What a row shows that is neither measured nor counted: an estimate, in a table of its own.

The same on a terminal, in Markdown and in a job's summary. Whatever names a source that is not
known here is shown in this way too: it is never among measurements.
"""

from __future__ import annotations

from seaformer.core.measurement import EMULATED, MEASURED
from seaformer.core.table import ResultRow, ResultTable
from seaformer.report import words
from seaformer.report.renderers._columns import MODEL, PRECISION, RUNTIME, SCOPE, SIZE, VALID
from seaformer.report.terminal import Column

TITLE = "Estimated"
NOTE = "computed, not measured: nothing ran on the device that a row names."
COLUMNS: tuple[Column[ResultRow], ...] = (
    Column("source", lambda row: row.source, shared=True),
    MODEL,
    SIZE,
    RUNTIME,
    PRECISION,
    SCOPE,
    Column("device", lambda row: row.device_name, key=True, shared=True),
    Column("estimated", lambda row: words.ms(row.median_ms), "ms", right=True),
    Column("95 % interval", words.interval, "ms", rank=1, right=True),
    VALID,
    Column(
        words.PAPER_SIDE,
        lambda row: words.published(row.paper_ms),
        "ms",
        rank=2,
        right=True,
        apart=True,
        style="cyan",
    ),
)
HEADER = tuple(column.title for column in COLUMNS)


def rows_of(table: ResultTable) -> ResultTable:
    """The rows that are neither measured nor emulated."""
    return table.without(MEASURED, EMULATED)


def cells(row: ResultRow) -> list[str]:
    """One cell for each of ``HEADER``."""
    return [words.clean(column.text(row)) for column in COLUMNS]
