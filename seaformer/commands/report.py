"""``seaformer report``: every document that is made of the stored measurements."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from seaformer.commands._options import ROWS_SHOWN, Results, Wide
from seaformer.commands._print import github_summary, show


def report(
    wide: Wide = False,
    results: Results = "",
    github: Annotated[
        bool, typer.Option("--github", help="a summary for $GITHUB_STEP_SUMMARY, or on stdout")
    ] = False,
) -> None:
    """Rebuild report.html, report.md, report.svg and tables/*.csv from the raw runs."""
    from seaformer.report import write_report
    from seaformer.report.renderers import terminal
    from seaformer.report.renderers.github import summary
    from seaformer.report.zoo import zoo_rows
    from seaformer.store.results import ResultStore, results_dir

    root = results_dir(results or None)
    written = write_report(root, ResultStore(root).load(), zoo_rows())
    if github:
        named = github_summary(lambda room: summary(written.report, room))
        print(named, end="\n" * bool(named))
        return
    table = written.report.table
    if len(table.rows) <= ROWS_SHOWN:
        show(terminal.page(table), wide)
    else:
        print(f"{len(table.rows)} rows, too many for a terminal; they are in")
    for path in written.paths:
        print(path)
    for damaged in written.report.damaged:
        print(f"skipped {damaged.path}: {damaged.reason}", file=sys.stderr)
