"""What a row shows that is neither measured nor counted: an estimate, in a table of its own.

The same on a terminal, in Markdown and in a job's summary. Whatever names a source that is not
known here is shown in this way too: it never stands among measurements.
"""

from __future__ import annotations

from seaformer.core.measurement import EMULATED, MEASURED
from seaformer.core.table import ResultRow, ResultTable
from seaformer.report import words

TITLE = "Estimated"
NOTE = "computed, not measured: nothing ran on the device that a row names."
WORDS = ("source", "model", "HxW", "runtime", "precision", "scope", "device", "valid")
HEADER = (
    *WORDS[:-1],
    *("estimated ms", "95 % interval ms", "valid", f"{words.PAPER_SIDE} ms"),
)


def rows_of(table: ResultTable) -> ResultTable:
    """The rows that are neither measured nor emulated."""
    return table.without(MEASURED, EMULATED)


def cells(row: ResultRow) -> list[str]:
    """One cell for each of ``HEADER``."""
    names = [row.source, words.model(row), row.size, words.runtime(row), row.precision, row.scope]
    figures = [words.ms(row.median_ms), words.interval(row), words.validity(row)]
    plain = [*names, row.device_name, *figures, words.published(row.paper_ms)]
    return list(map(words.clean, plain))
