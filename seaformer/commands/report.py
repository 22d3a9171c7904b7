"""``seaformer report``: every document that is made of the stored measurements."""

from __future__ import annotations

import atexit
import gc
import shlex
from typing import Annotated

import typer

from seaformer.commands._options import ROWS_SHOWN, Results, Wide
from seaformer.commands._print import (
    github_summary,
    next_step,
    notice,
    relative,
    say,
    show,
)

PAGE = "report.html"


def report(
    every: Annotated[bool, typer.Option("--all", help="print every row, not the newest")] = False,
    wide: Wide = False,
    results: Results = "",
    github: Annotated[
        bool, typer.Option("--github", help="a summary for $GITHUB_STEP_SUMMARY, or on stdout")
    ] = False,
) -> None:
    """Write report.html, report.md, report.svg and tables/*.csv from stored measurements."""
    from seaformer.estimate.counted import report_store
    from seaformer.report.renderers.github import summary
    from seaformer.report.renderers.terminal import report_page
    from seaformer.store.accuracy import check_holds_results
    from seaformer.store.results import results_dir

    root = results_dir(results or None)
    check_holds_results(root)
    written = report_store(root)
    atexit.register(gc.freeze)  # Python then ends without searching all records for cycles
    if github:
        named = github_summary(lambda room: summary(written.report, room))
        if named:
            say(named)
        return
    show(report_page(written.report, None if every else ROWS_SHOWN), wide)
    for path in sorted(written.paths, key=lambda path: path.name == PAGE):
        say(str(path))
    for damaged in written.report.damaged:
        notice(f"skipped {damaged.path}: {damaged.reason}")
    page = relative((root / PAGE).absolute())
    next_step(f"python -m webbrowser -t {shlex.quote(page)}")
