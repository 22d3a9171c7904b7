"""What is printed, as nouns, and how it is fitted to the width of a terminal.

    page = [Line("Latency"), Table(COLUMNS, rows)]
    lines(page, 80)                           painted lines, none longer than 80 cells
    plain(page)                               text without a width: everything, a row a line

Commands make a page of what a library call gave and print it. Only here is it decided what leaves
a table that is too wide. Nothing is printed here.
"""

from seaformer.report.terminal.layout import lines, plain
from seaformer.report.terminal.nouns import Block, Cell, Column, Facts, Line, Painted, Span, Table

__all__ = [
    "Block",
    "Cell",
    "Column",
    "Facts",
    "Line",
    "Painted",
    "Span",
    "Table",
    "lines",
    "plain",
]
