"""What commands print: tables and JSON on stdout, progress and advice on stderr.

What a function needs is imported inside it, so that ``--help`` answers at once.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from seaformer.core.errors import SeaFormerError

if TYPE_CHECKING:
    from seaformer.bench.fleet import Outcome
    from seaformer.core.measurement import Measurement
    from seaformer.core.profile import Profile
    from seaformer.export._request import ExportRequest

INTERRUPTED = 130


@contextmanager
def steps() -> Iterator[Callable[[str], None]]:
    """A spinner with the current step on stderr; a plain line per step where nobody watches."""
    from rich.console import Console

    # Bound to the stream as it is now: exporters' own chatter is redirected while they work.
    stream, console = sys.stderr, Console(file=sys.stderr)
    try:
        if console.is_terminal:
            with console.status("") as status:
                yield status.update
        else:
            yield lambda what: print(what, file=stream, flush=True)
    except KeyboardInterrupt:
        print("Interrupted.", file=stream)
        raise typer.Exit(INTERRUPTED) from None


def titled(step: Callable[[str], None], request: ExportRequest) -> Callable[[str], None]:
    return lambda what: step(f"{request.model} {request.format} {request.precision}: {what}")


def show_measurements(measured: list[Measurement], root: Path, as_json: bool) -> None:
    from seaformer.core.measurement import document
    from seaformer.report.renderers import terminal
    from seaformer.report.table import table_of

    if as_json:
        print_json([document(measurement) for measurement in measured])
        return
    for device in dict.fromkeys(measurement.device.id for measurement in measured):
        mine = [measurement for measurement in measured if measurement.device.id == device]
        table = table_of(mine)
        terminal.console(table).print(terminal.tables(table))
    next_step(f"seaformer report --results {shlex.quote(str(root))}")


def show_profiles(
    profiles: Iterable[Profile], refused: Iterable[str], root: Path, as_json: bool
) -> None:
    """Tables on stdout (not beside JSON); each profile and its trace go to files under ``root``."""
    from seaformer.report.profile import profile_tables, write_profile

    for profile in profiles:
        trace = write_profile(profile, root)
        if not as_json:
            wide_print(profile_tables(profile))
        print(f"Trace: {trace} (opens in https://ui.perfetto.dev)", file=sys.stderr)
    for sentence in refused:
        print(sentence, file=sys.stderr)


def github_summary(fitting: Callable[[int], str]) -> str:
    """Append a document to the job's summary and return its file; print it where there is none.

    ``fitting`` gives the document in at most so many bytes. What an earlier command of the same
    step has written counts towards the limit.
    """
    from seaformer.core.files import os_errors
    from seaformer.report.renderers import github

    named = os.environ.get("GITHUB_STEP_SUMMARY", "")
    if not named:
        print(fitting(github.LIMIT_BYTES), end="")
        return ""
    path = Path(named)
    with os_errors(f"The summary {named}"):
        there = path.stat().st_size if path.exists() else 0
        with path.open("a", encoding="utf-8") as summary:
            summary.write(fitting(max(github.LIMIT_BYTES - there, 0)))
    return named


def exit_for(outcomes: Sequence[Outcome]) -> None:
    """Interrupted ends with 130, a device's error with its code, a failed row 4, an invalid 5."""
    from seaformer.core.errors import MeasurementRefused, RunnerFailed

    errors = [(one.device, one.error) for one in outcomes if one.error is not None]
    for name, error in errors:
        print(f"{name}: {error.message} {error.hint}".rstrip(), file=sys.stderr)
    if any(outcome.interrupted for outcome in outcomes):
        print("Interrupted; what was measured has been stored.", file=sys.stderr)
        raise typer.Exit(INTERRUPTED)
    if errors:
        raise typer.Exit(errors[0][1].exit_code)
    measured = [each for one in outcomes for each in one.measured]
    if any(measurement.failure is not None for measurement in measured):
        raise typer.Exit(RunnerFailed.exit_code)
    if not all(measurement.valid for measurement in measured):
        raise typer.Exit(MeasurementRefused.exit_code)


def wide_print(renderable: Any) -> None:
    """Print a table uncut, also where the output is no terminal."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=Console(width=10_000).measure(renderable).maximum)
    console.print(renderable)


def print_json(document: Any) -> None:
    print(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False))


def notice(sentence: str) -> None:
    """A sentence that stays, also where the current step has a spinner."""
    print(sentence, file=sys.stderr, flush=True)


def next_step(line: str) -> None:
    print(f"\nNext: {line}", file=sys.stderr)


def complain(error: SeaFormerError) -> None:
    print(f"Error: {error.message}", file=sys.stderr)
    if error.hint:
        print(error.hint, file=sys.stderr)


def relative(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def command_line() -> str:
    """What the user typed."""
    return shlex.join(["seaformer", *sys.argv[1:]])
