"""``seaformer reproduce``: a table of the paper, line by line, with our column beside it."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from seaformer.commands import _complete
from seaformer.commands._options import PlanOptions, Results, Wide, grouped
from seaformer.commands._parse import known, run_plan
from seaformer.commands._print import (
    INTERRUPTED,
    command_line,
    next_step,
    notice,
    print_document,
    print_json,
    show,
)
from seaformer.core.console import safe
from seaformer.core.engine import DEFAULT_FORMAT, timed_formats

if TYPE_CHECKING:
    from seaformer.reproduce.plan import PaperTable, PlannedRow, Work
    from seaformer.reproduce.run import Answer, Factory, Progress

_FORMATS = ("text", "md", "json")
_DEVICES = "host, emulator[:CORE], a phone, or estimate[:CORE]"
TableName = Annotated[
    str,
    typer.Argument(
        help="table2, table3, table14, table16, figure1 or figure10",
        autocompletion=_complete.paper_tables,
    ),
]


@grouped
def reproduce(
    how: PlanOptions,
    table: TableName,
    device: Annotated[str, typer.Option(help=_DEVICES, envvar="SEAFORMER_DEVICE")] = "host",
    model: Annotated[str, typer.Option(help="only these: a name or glob")] = "*",
    runtime: Annotated[str, typer.Option(help=" or ".join(timed_formats()))] = DEFAULT_FORMAT,
    again: Annotated[bool, typer.Option("--again", help="measure what is there already")] = False,
    stored: Annotated[
        bool, typer.Option("--stored", help="only what was measured already")
    ] = False,
    limit: Annotated[float, typer.Option(help="leave networks of more 10^9 MACs out")] = math.inf,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only print the plan")] = False,
    format: Annotated[str, typer.Option(help="text, md or json")] = "text",
    wide: Wide = False,
    results: Results = "",
) -> None:
    """Export and measure what a table of the paper needs; resumes where it was interrupted."""
    from seaformer.reproduce.estimated import is_estimate
    from seaformer.reproduce.page import plan_page
    from seaformer.reproduce.plan import find_table, plan, work_of
    from seaformer.reproduce.run import cached_files, run_works, states
    from seaformer.store.results import ResultStore, results_dir

    chosen = find_table(table)
    known("runtime", [runtime], timed_formats())
    known("format", [format], _FORMATS)
    run = run_plan(how, device, seed=0, components=False)
    rows = plan(chosen, model)
    works = work_of(rows)
    store = ResultStore(results_dir(results or None))
    if is_estimate(device):
        _estimate(chosen, rows, device, cached_files(runtime), format, wide, dry_run)
        return
    if dry_run:
        left = states(works, store, cached_files(runtime), run, device)
        show(plan_page(chosen, rows, left), wide)
        next_step(shlex.join(["seaformer", *(w for w in sys.argv[1:] if w != "--dry-run")]))
        return
    with _progress() as step:
        outcome = run_works(
            works, device, store, run, cached_files(runtime),
            progress=step, say=notice, command=command_line(), again=again,
            stored=stored, limit=limit,
        )  # fmt: skip
    _show(chosen, rows, outcome.answers, format, wide)
    next_step(f"seaformer report --results {shlex.quote(str(store.root))}")
    _end(outcome.interrupted, outcome.exit_code)


def _estimate(
    table: PaperTable,
    rows: Sequence[PlannedRow],
    device: str,
    factory: Factory,
    format: str,
    wide: bool,
    dry_run: bool,
) -> None:
    """The table with estimates; nothing is stored."""
    from seaformer.core import codec
    from seaformer.reproduce import estimated
    from seaformer.reproduce.page import plan_page
    from seaformer.reproduce.plan import work_of

    works = work_of(rows)
    if dry_run:
        show(plan_page(table, rows, estimated.estimate_states(works, factory)), wide)
        return
    with _progress() as step:
        estimates = estimated.open_estimates(device, factory, step, notice)
        estimates.run(works)
    lines = estimated.estimated_rows(rows, estimates.answers, estimates.reasons)
    if format == "json":
        print_json([codec.to_json(row) for row in lines])
    elif format == "md":
        print_document(estimated.estimate_markdown(table, lines))
    else:
        show(estimated.estimate_lines(table, lines), wide)
    next_step("seaformer estimate calibrate --help")
    _end(estimates.interrupted, estimates.exit_code)


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """A bar on stderr with the time left; a line per step without a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    stream, console = sys.stderr, Console(file=sys.stderr)
    if not console.is_terminal:
        yield lambda step: print(safe(_line(step)), file=stream, flush=True)
        return
    columns = (BarColumn(bar_width=20), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=1)
        yield lambda step: bar.update(
            task, completed=step.done, total=step.total, description=_line(step)
        )


def _line(step: Progress) -> str:
    """``3 of 12, about 8 min left: seaformer_s.ade20k fp32: trace the model``."""
    minutes = step.left_s / 60
    left = f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
    return f"{step.done} of {step.total}, about {left} left: {step.what}"


def _show(
    table: PaperTable,
    rows: Sequence[PlannedRow],
    answers: Mapping[Work, Answer],
    format: str,
    wide: bool,
) -> None:
    from seaformer.core import codec
    from seaformer.reproduce.page import markdown, page
    from seaformer.reproduce.table import reproduce_rows

    reproduced = reproduce_rows(rows, answers)
    if format == "json":
        print_json([codec.to_json(row) for row in reproduced])
    elif format == "md":
        print_document(markdown(table, reproduced))
    else:
        show(page(table, reproduced), wide)


def _end(interrupted: bool, exit_code: int) -> None:
    """Interrupted: 130. Else the code of the first line that has a model and no figure."""
    if interrupted:
        notice("Interrupted; the same command continues where it stopped.")
        raise typer.Exit(INTERRUPTED)
    if exit_code:
        raise typer.Exit(exit_code)
