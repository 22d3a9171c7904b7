"""``seaformer reproduce``: a table of the paper, line by line, with our column beside it."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from seaformer.commands import _complete
from seaformer.commands._options import PlanOptions, Results, Wide, grouped
from seaformer.commands._parse import known, run_plan
from seaformer.commands._print import (
    INTERRUPTED,
    changing,
    command_line,
    next_step,
    notice,
    print_page,
)
from seaformer.commands._unused import check_estimated
from seaformer.core.console import safe
from seaformer.core.engine import DEFAULT_FORMAT, timed_formats

if TYPE_CHECKING:
    from seaformer.reproduce.page import Progress, Way

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
        bool,
        typer.Option(
            "--stored", help="only what was measured, or counted for an estimate, already"
        ),
    ] = False,
    limit: Annotated[float, typer.Option(help="leave networks of more 10^9 MACs out")] = math.inf,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only print the plan")] = False,
    format: Annotated[str, typer.Option(help="text, md or json")] = "text",
    wide: Wide = False,
    results: Results = "",
) -> None:
    """Export and measure what a table of the paper needs; resumes where it was interrupted."""
    from seaformer.reproduce.estimated import Estimating, is_estimate
    from seaformer.reproduce.measured import Measuring
    from seaformer.reproduce.page import plan_page
    from seaformer.reproduce.plan import TABLES, plan
    from seaformer.reproduce.run import cached_files
    from seaformer.store.results import ResultStore, results_dir

    known("table", [table], tuple(TABLES))
    known("runtime", [runtime], timed_formats())
    known("format", [format], _FORMATS)
    run = run_plan(how, device, seed=0, components=False)
    planned = plan(TABLES[table], model)
    store, files = ResultStore(results_dir(results or None)), cached_files(runtime)
    way: Way = Measuring(
        device, store, run, files, notice, command_line(), again=again, stored=stored, limit=limit
    )
    advice = f"seaformer report --results {shlex.quote(str(store.root))}"
    if is_estimate(device):
        check_estimated(how, again=again)
        way = Estimating(device, files, notice, stored=stored, limit=limit)
        advice = "seaformer estimate calibrate --help"
    if dry_run:
        print_page(plan_page(planned, way), "text", wide)
        next_step(shlex.join(["seaformer", *(w for w in sys.argv[1:] if w != "--dry-run")]))
        return
    with _progress() as step:
        made = way.reproduce(planned, step)
    print_page(made.page, format, wide)
    next_step(advice)
    if made.interrupted:
        notice("Interrupted; the same command continues where it stopped.")
    raise typer.Exit(INTERRUPTED if made.interrupted else made.exit_code)


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """A bar on stderr with the time left; a line per step without a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn

    stream, console = sys.stderr, Console(file=sys.stderr)
    if not console.is_terminal:
        yield lambda step: print(safe(_line(step)), file=stream, flush=True)
        return
    columns = (BarColumn(bar_width=20), TextColumn("{task.description}"))
    with changing(console, *columns) as bar:
        task = bar.add_task("", total=1)
        yield lambda step: bar.update(
            task, completed=step.done, total=step.total, description=_line(step)
        )


def _line(step: Progress) -> str:
    """``3 of 12, about 8 min left: seaformer_s.ade20k fp32: trace the model``."""
    minutes = step.left_s / 60
    left = f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
    return f"{step.done} of {step.total}, about {left} left: {step.what}"
