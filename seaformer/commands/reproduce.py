"""``seaformer reproduce``: a table of the paper, line by line, with our column beside it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seaformer.commands._options import Results
from seaformer.commands._print import INTERRUPTED, command_line, next_step, print_json, wide_print

if TYPE_CHECKING:
    from seaformer.core.artifact import Artifact
    from seaformer.core.plan import RunPlan
    from seaformer.export._request import ExportRequest
    from seaformer.reproduce.plan import PaperTable, PlannedRow
    from seaformer.reproduce.run import Answer, Factory, Progress, Reproduction, Work
    from seaformer.reproduce.table import ReproducedRow
    from seaformer.store.results import ResultStore

_FORMATS = ("text", "md", "json")


def reproduce(
    table: Annotated[
        str, typer.Argument(help="table2, table3, table14, table16, figure1 or figure10")
    ],
    device: Annotated[str, typer.Option(help="host", envvar="SEAFORMER_DEVICE")] = "host",
    model: Annotated[str, typer.Option(help="only these: a name or glob")] = "*",
    runtime: Annotated[str, typer.Option(help="executorch or onnx")] = "executorch",
    threads: Annotated[int, typer.Option(help="1: as the paper")] = 1,
    core: Annotated[str, typer.Option(help="prime, big, little or a core's number")] = "prime",
    warmup: Annotated[int, typer.Option(help="exact warm-up runs; -1: adaptive")] = -1,
    runs: Annotated[int, typer.Option(help="exact timed runs; -1: adaptive")] = -1,
    min_secs: Annotated[float, typer.Option(help="time at least this long")] = 3.0,
    max_secs: Annotated[float, typer.Option(help="time at most this long")] = 20.0,
    repeats: Annotated[int, typer.Option(help="fresh processes per file")] = 3,
    again: Annotated[bool, typer.Option("--again", help="measure what is there already")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only print the plan")] = False,
    format: Annotated[str, typer.Option(help="text, md or json")] = "text",
    results: Results = "",
) -> None:
    """Export and measure what a table of the paper needs; goes on where it was interrupted.

    The paper's figures stay in the paper's column. An emulated core fills instructions, this
    computer its own times. docs/reproduce.md tells how the paper measured.
    """
    from seaformer.commands._parse import known, run_plan
    from seaformer.core.artifact import RUNTIMES
    from seaformer.models import list_models, zoo_entry
    from seaformer.reproduce.plan import TABLES, plan
    from seaformer.store.results import ResultStore, results_dir

    known("table", [table], tuple(TABLES))
    known("runtime", [runtime], tuple(RUNTIMES))
    known("format", [format], _FORMATS)
    how = run_plan(
        device,
        threads=threads,
        core=core,
        warmup=warmup,
        runs=runs,
        min_secs=min_secs,
        max_secs=max_secs,
        repeats=repeats,
        seed=0,
        components=False,
    )
    chosen = TABLES[table]
    rows = plan(chosen, [zoo_entry(name).spec for name in list_models()], model)
    store = ResultStore(results_dir(results or None))
    factory = _factory(runtime)
    if dry_run:
        _show_plan(chosen, rows, store, factory, how, device)
        return
    answers, interrupted = _run(rows, device, store, factory, how, again)
    _show(chosen, rows, answers, format)
    next_step(f"seaformer report --results {shlex.quote(str(store.root))}")
    _exit_for(answers, interrupted)


def _factory(runtime: str) -> Factory:
    """Files from the cache; what is not there is exported into it."""
    from seaformer.export._request import ExportRequest
    from seaformer.reproduce.run import Factory

    def request(work: Work) -> ExportRequest:
        return ExportRequest(
            model=work.model,
            format=runtime,
            precision=work.precision,
            components=work.components,
        )

    def make(work: Work, tell: Callable[[str], None]) -> Artifact:
        return request(work).cached(tell)

    return Factory(find=lambda work: request(work).find(), make=make)


def _macs(model: str) -> int:
    from seaformer.models import zoo_entry

    return zoo_entry(model).macs


def _run(
    rows: Sequence[PlannedRow],
    device: str,
    store: ResultStore,
    factory: Factory,
    how: RunPlan,
    again: bool,
) -> tuple[list[Answer], bool]:
    """Answers so far, and whether Ctrl-C ended it."""
    from seaformer.bench.target import open_target
    from seaformer.reproduce.run import Reproduction, work_of

    with _progress() as tell:
        target = open_target(device, lambda what: print(what, file=sys.stderr))
        run = Reproduction(
            target=target,
            store=store,
            plan=how,
            factory=factory,
            macs=_macs,
            progress=tell,
            command=command_line(),
            again=again,
        )
        return _answers(run, work_of(rows, _macs))


def _answers(run: Reproduction, works: Sequence[Work]) -> tuple[list[Answer], bool]:
    try:
        return run.run(works), False
    except KeyboardInterrupt:
        return run.answers, True


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """A bar on stderr with the time left; a line per step where nobody watches."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    stream, console = sys.stderr, Console(file=sys.stderr)
    if not console.is_terminal:
        yield lambda step: print(_line(step), file=stream, flush=True)
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


def _show_plan(
    table: PaperTable,
    rows: Sequence[PlannedRow],
    store: ResultStore,
    factory: Factory,
    how: RunPlan,
    device: str,
) -> None:
    """Each line of the paper, the file it needs, and how far that is."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from seaformer.reproduce.run import work_of

    states = _states(work_of(rows, _macs), store, factory, how, device)
    shown = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, title=table.title)
    for name in (*table.identity, "precision", "paper", "model", "to do"):
        shown.add_column(name.replace("_", " "))
    for row in rows:
        paper = "-" if row.published is None else f"{row.published:g} {row.unit}"
        absent = f"missing: {row.absent or 'no model of that name'}"
        state = states.get((row.model, row.precision), absent)
        cells = (*row.label, row.precision, paper, row.model or "-", state)
        shown.add_row(*map(Text, cells))
    wide_print(shown)
    ready = sum(bool(row.model) for row in rows)
    files = "1 file is" if len(states) == 1 else f"{len(states)} files are"
    print(f"{ready} of {len(rows)} lines have a model; {files} to be measured.")
    next_step(shlex.join(["seaformer", *(word for word in sys.argv[1:] if word != "--dry-run")]))


def _states(
    works: Sequence[Work], store: ResultStore, factory: Factory, how: RunPlan, device: str
) -> dict[tuple[str, str], str]:
    """What is left to do for each file, as far as it can be told without the device."""
    from seaformer.core.measurement import EMULATED, MEASURED
    from seaformer.reproduce.run import measured_before
    from seaformer.store.index import list_results

    entries = list_results(store.root).entries
    source = EMULATED if device.partition(":")[0] == "emulator" else MEASURED
    states = {}
    for work in works:
        artifact = factory.find(work)
        if artifact is None:
            state = "export, measure"
        else:
            before = measured_before(entries, artifact, work, how, source)
            devices = ", ".join(dict.fromkeys(entry.device for entry in before))
            state = f"measured already on {devices}" if devices else "exported already, measure"
        states[work.model, work.precision] = state
    return states


def _show(
    table: PaperTable, rows: Sequence[PlannedRow], answers: Sequence[Answer], format: str
) -> None:
    from seaformer.core import codec
    from seaformer.reproduce import table as reproduction
    from seaformer.reproduce.run import Work

    found_for = {answer.work: answer for answer in answers}
    ours = {}
    for row in rows:
        answer = found_for.get(Work(row.model, row.precision, row.components))
        if answer is not None:
            ours[row] = reproduction.OurSide(answer.measurement, answer.reason)
    found = reproduction.reproduce_rows(rows, ours)
    if format == "json":
        print_json([codec.to_json(row) for row in found])
    elif format == "md":
        print(reproduction.markdown(table, found), end="")
    else:
        wide_print(_text_table(table, found))
        print("\n".join(reproduction.notes(table, found)))


def _text_table(table: PaperTable, found: Sequence[ReproducedRow]) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from seaformer.reproduce.table import cells, header

    shown = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, title=table.title)
    words = (*(name.replace("_", " ") for name in table.identity), "precision", "scope", "note")
    for name in header(table, found):
        style = "cyan" if name.startswith("paper") else ""
        shown.add_column(name, justify="left" if name in words else "right", style=style)
    for row in found:
        style = "" if row.measurement_id else "dim"
        shown.add_row(*map(Text, cells(table, row, found)), style=style)
    return shown


def _exit_for(answers: Sequence[Answer], interrupted: bool) -> None:
    """Interrupted: 130. Else the code of the first line that has a model and no figure."""
    if interrupted:
        print("Interrupted; the same command goes on where it stopped.", file=sys.stderr)
        raise typer.Exit(INTERRUPTED)
    code = next((answer.exit_code for answer in answers if answer.exit_code), 0)
    if code:
        raise typer.Exit(code)
