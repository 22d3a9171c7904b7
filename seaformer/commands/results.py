"""``seaformer results``: list, show, merge and prune what is stored. Nothing here runs a model."""

from __future__ import annotations

import fnmatch
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seaformer.commands import _complete
from seaformer.commands._options import ROWS_SHOWN, AsJson, Results, Wide, Yes
from seaformer.commands._print import (
    agreed,
    next_step,
    notice,
    print_json,
    say,
    show,
)
from seaformer.core.errors import CorruptArtifact
from seaformer.core.files import expanded
from seaformer.core.plural import counted
from seaformer.core.scratch import temporary_folder

if TYPE_CHECKING:
    from seaformer.store.index import IndexEntry, Listing
    from seaformer.store.merge import MergePlan
    from seaformer.store.results import ResultStore

app = typer.Typer(help="List, show, merge and prune stored measurements.", no_args_is_help=True)


@app.command("list")
def list_stored(
    model: Annotated[str, typer.Option(help="name or glob: seaformer_t.*")] = "*",
    device: Annotated[str, typer.Option(help="id or glob")] = "*",
    source: Annotated[str, typer.Option(help="measured or emulated")] = "*",
    limit: Annotated[int, typer.Option(min=0, help="the newest so many; 0: all")] = ROWS_SHOWN,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="make the index anew")] = False,
    results: Results = "",
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """List stored measurements, newest first. Only new or changed files are opened."""
    from seaformer.core import codec
    from seaformer.report.listing import listing_page
    from seaformer.store.find import short_ids
    from seaformer.store.index import list_results
    from seaformer.store.results import results_dir

    root = results_dir(results or None)
    listing = list_results(root, rebuild=rebuild)
    named = {"model": model, "device": device, "source": source}
    globs = {name: glob for name, glob in named.items() if glob != "*"}
    matching = [entry for entry in reversed(listing.entries) if _matches(entry, globs)]
    shown = matching[:limit] if limit > 0 else matching
    if as_json:
        print_json([codec.to_json(entry) for entry in shown])
    elif not listing.entries:
        say(f"No measurement is stored under {root}.")
    else:
        count = f"{len(shown)} of {counted(len(listing.entries), 'measurement')} under {root}"
        show(listing_page(shown, short_ids(entry.id for entry in listing.entries), count), wide)
    _warn(listing)
    if shown and not as_json:
        next_step(f"seaformer results show {shown[0].id}{_elsewhere(results)}")


@app.command("show")
def show_stored(
    which: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="an id, its beginning, or a file",
            autocompletion=_complete.results,
        ),
    ],
    results: Results = "",
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Show one measurement: what ran, where, in which state, every figure, and what made it."""
    from seaformer.core.measurement import document
    from seaformer.core.runs import Runs
    from seaformer.report import build
    from seaformer.report.measurement import lines
    from seaformer.report.renderers import terminal
    from seaformer.report.terminal import Line
    from seaformer.store.find import find_run
    from seaformer.store.results import results_dir

    root = results_dir(results or None)
    path, measurement = find_run(root, which)
    if as_json:
        print_json(document(measurement))
        return
    table = build(Runs((measurement,))).table
    about = [f"file: {path}", *lines(measurement)]
    show([*terminal.page(table), *(Line(each, hang=2) for each in about)], wide)


@app.command()
def merge(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="results folders, run files, records of eval, answers of a board (.tar)"
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="only print what would be done")
    ] = False,
    results: Results = "",
) -> None:
    """Copy other people's results into the results folder; nothing is overwritten."""
    from seaformer.bench.answer import is_answer
    from seaformer.store.merge import merge as copy_files
    from seaformer.store.merge import plan_merge
    from seaformer.store.results import ResultStore, results_dir

    store = ResultStore(results_dir(results or None))
    sources = [expanded(path) for path in sources]
    answers = [path for path in sources if is_answer(path)]
    for path in answers:
        _merge_answer(path, store, dry_run)
    sources = [path for path in sources if path not in answers]
    if not sources:
        return
    plan = plan_merge(store, sources)
    if not dry_run:
        copy_files(plan, store)
    _show_merge(plan, store, dry_run)
    _check_merged(plan)
    if not dry_run:
        next_step(f"seaformer report{_elsewhere(results)}")


@app.command()
def prune(
    keep: Annotated[int, typer.Option(help="newest valid measurements that stay, per row")] = 5,
    older_than: Annotated[int, typer.Option(help="only what is older, in days")] = 0,
    yes: Yes = False,
    results: Results = "",
) -> None:
    """Delete old repeats and failures that were redone; asks first, and deletes nothing damaged."""
    from seaformer.store.index import list_results
    from seaformer.store.prune import plan_prune
    from seaformer.store.prune import prune as delete
    from seaformer.store.results import results_dir

    root = results_dir(results or None)
    listing = list_results(root)
    outdated = plan_prune(listing.entries, keep=keep, older_than_days=older_than)
    for one in outdated:
        say(f"{one.entry.path}: {one.reason}")
    left = len(listing.entries) - len(outdated)
    say(f"{len(outdated)} of {counted(len(listing.entries), 'measurement')} may go; {left} stay.")
    _warn(listing)
    if not outdated:
        return
    if not (yes or agreed(f"Delete {counted(len(outdated), 'file')} for good?")):
        notice("Nothing was deleted. --yes deletes without asking.")
        return
    delete(root, outdated)
    say(f"{len(outdated)} deleted.")


def _elsewhere(results: str) -> str:
    """The option that names the same results folder again, where one was named."""
    return f" --results {shlex.quote(results)}" if results else ""


def _matches(entry: IndexEntry, globs: dict[str, str]) -> bool:
    return all(fnmatch.fnmatchcase(getattr(entry, name), glob) for name, glob in globs.items())


def _warn(listing: Listing) -> None:
    """What was skipped, and devices that share an id."""
    for file in listing.damaged:
        notice(f"skipped {file.path}: {file.reason}")
    for device, names in listing.shared_ids().items():
        shared = " and ".join(names)
        notice(f"{len(names)} devices share the id {device}: {shared}")
    if not listing.kept:
        notice("The index cannot be written; every file was read.")


def _merge_answer(path: Path, store: ResultStore, dry_run: bool) -> None:
    """Measurements of what a board ran by hand (``seaformer runner pack``)."""
    from seaformer.bench.answer import merge_answer
    from seaformer.report.renderers.terminal import run_page
    from seaformer.store.results import ResultStore

    if dry_run:
        with temporary_folder("merge") as folder:
            merged = merge_answer(path, ResultStore(folder), store)
    else:
        merged = merge_answer(path, store)
    if merged.measured:
        show(run_page(list(merged.measured)))
    done = "would be stored" if dry_run else "stored"
    count = len(merged.measured)
    say(f"{counted(count, 'measurement')} {done} in {store.root}, {_present(merged.present)}.")
    if count and not dry_run:
        next_step(f"seaformer report --results {shlex.quote(str(store.root))}")


def _check_merged(plan: MergePlan) -> None:
    """Raise ``CorruptArtifact`` where every file that was named is damaged."""
    if plan.damaged and not (plan.copies or plan.evaluations or plan.present or plan.conflicts):
        files = counted(len(plan.damaged), "file is", "files are")
        raise CorruptArtifact(
            f"Nothing can be merged: {files} damaged.", hint="Copy them from their source again."
        )


def _present(count: int) -> str:
    return counted(count, "was there", "were there")


def _show_merge(plan: MergePlan, store: ResultStore, dry_run: bool) -> None:
    done = "would be copied" if dry_run else "copied"
    for device in plan.devices:
        say(f"new device {device}")
    evaluated = len(plan.evaluations)
    evaluations = f" and {counted(evaluated, 'evaluation')}" if evaluated else ""
    say(
        f"{counted(len(plan.copies), 'measurement')}{evaluations} {done} into {store.root}, "
        f"{_present(plan.present)}, "
        f"{counted(len(plan.conflicts), 'differs', 'differ')}, {len(plan.damaged)} damaged."
    )
    for file in (*plan.conflicts, *plan.damaged):
        notice(f"skipped {file.path}: {file.reason}")
    for sentence in plan.namesakes:
        notice(sentence)
