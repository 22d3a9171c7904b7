"""What commands print: tables and JSON on stdout, progress and advice on stderr.

What a function needs is imported inside it, so that ``--help`` answers at once.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from seaformer.core.console import safe
from seaformer.core.errors import SeaFormerError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn

    from seaformer.core.artifact import Artifact
    from seaformer.core.request import ExportRequest
    from seaformer.report.terminal import Block
    from seaformer.reproduce.page import Page

INTERRUPTED = 130


Step = Callable[[str], None]
COUNTING = 10.0  # seconds between two lines about images or iterations


@contextmanager
def steps(every: float = 0.0) -> Iterator[Step]:
    """What is being done and for how long, on stderr: a line that changes on a terminal.

    Without a terminal it is a line for each step; with ``every`` for the first and the last, and
    for one in so many seconds.
    """
    from rich.console import Console

    # Bound to the stream as it is now: exporters' own chatter is redirected while they work.
    stream, console, start = sys.stderr, Console(file=sys.stderr), time.monotonic()
    try:
        if console.is_terminal:
            with _spinner(console) as step:
                yield step
        else:
            lines = _Lines(stream, start, every)
            try:
                yield lines.step
            finally:
                lines.end()
    except KeyboardInterrupt:
        print("Interrupted.", file=stream)
        raise typer.Exit(INTERRUPTED) from None


class _Lines:
    """Steps as lines of a file. One that is left out is held, and is printed if it was the last."""

    def __init__(self, stream: TextIO, start: float, every: float) -> None:
        self._stream, self._start, self._every = stream, start, every
        self._printed, self._held = -math.inf, ""

    def step(self, what: str) -> None:
        self._held, now = f"{_elapsed(self._start)} {what}", time.monotonic()
        if now - self._printed >= self._every:
            self._printed = now
            self.end()

    def end(self) -> None:
        if self._held:
            print(safe(self._held), file=self._stream, flush=True)
        self._held = ""


@contextmanager
def _spinner(console: Console) -> Iterator[Step]:
    from rich.markup import escape
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with changing(console, *columns) as progress:
        task = progress.add_task("", total=None)
        yield lambda what: progress.update(task, description=escape(safe(what)))


def changing(console: Console, *columns: ProgressColumn) -> Progress:
    """A line on stderr's terminal that changes. What is printed to stdout meanwhile is above it
    where that is a terminal too; a file or a pipe gets it as ever."""
    from rich.progress import Progress

    above = sys.stdout.isatty()
    return Progress(*columns, console=console, transient=True, redirect_stdout=above)


def _elapsed(start: float) -> str:
    minutes, seconds = divmod(int(time.monotonic() - start), 60)
    return f"{minutes}:{seconds:02d}"


def titled(step: Step, requests: Sequence[ExportRequest], number: int) -> Step:
    """Steps of one of several exports, counted from 0."""
    of = f"file {number + 1} of {len(requests)}: "
    one = requests[number]
    return lambda what: step(f"{of}{one.model} {one.format} {one.precision}: {what}")


def github_summary(fitting: Callable[[int], str]) -> str:
    """Append a document to the job's summary and return its file; print it where there is none.

    ``fitting`` gives the document in at most so many bytes. What an earlier command of the same
    step has written counts towards the limit.
    """
    from seaformer.core.files import os_errors
    from seaformer.report.renderers import github

    named = os.environ.get("GITHUB_STEP_SUMMARY", "")
    if not named:
        print_document(fitting(github.LIMIT_BYTES))
        return ""
    path = Path(named)
    with os_errors(f"The summary {named}"):
        there = path.stat().st_size if path.exists() else 0
        with path.open("a", encoding="utf-8") as summary:
            summary.write(fitting(max(github.LIMIT_BYTES - there, 0)))
    return named


def show(page: Iterable[Block], wide: bool = False) -> None:
    """Print a page, fitted to the terminal; a pipe gets everything, and so does ``--wide``."""
    from seaformer.report.terminal import lines, plain

    if not sys.stdout.isatty():
        sys.stdout.write(safe(plain(page), lines=True))
        return
    from rich.console import Console
    from rich.text import Text

    width = None if wide else shutil.get_terminal_size().columns
    console = Console(highlight=False)
    with console.capture() as captured:  # a console writes beside what redirects stdout
        for line in lines(page, width):
            console.print(Text.assemble(*line), soft_wrap=True)
    sys.stdout.write(captured.get())


def print_page(page: Page[Any], format: str, wide: bool) -> None:
    """A page as ``text`` fitted to the terminal, as Markdown (``md``) or its rows as ``json``."""
    if format == "json":
        print_json(page.documents())
    elif format == "md":
        print_document(page.markdown())
    else:
        show(page.blocks(), wide)


def print_json(document: Any) -> None:
    """JSON in characters that every terminal shows and that stdout's encoding has."""
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    if encoding != "utf8" or not text.replace("\n", "").isprintable():
        text = json.dumps(document, indent=1, allow_nan=False)
    print(text)


def print_document(text: str) -> None:
    """A document whose renderer has escaped what it was filled with."""
    print(text, end="")


def say(sentence: str = "") -> None:
    """A sentence on stdout."""
    print(safe(sentence))


def notice(sentence: str) -> None:
    """A sentence on stderr that stays, also where the current step has a spinner."""
    print(safe(sentence), file=sys.stderr, flush=True)


def warn_quantised(artifact: Artifact) -> None:
    """The sentence that a file deserves whose integers rest on too few images."""
    if artifact.quantization and artifact.quantization.warning:
        notice(f"Warning: {artifact.quantization.warning}")


def warn_seeded(models: Iterable[str], checkpoint: str) -> None:
    """The sentence for a model that gets random weights though trained ones come with seaformer."""
    from seaformer.models.trained import trained_weights

    for model in dict.fromkeys(models):
        if not checkpoint and model in trained_weights():
            notice(f"Weights of {model} are random; --checkpoint {model} has trained ones.")


def next_step(line: str) -> None:
    print(f"\n{safe(f'Next: {line}')}", file=sys.stderr, flush=True)


def agreed(question: str) -> bool:
    """Ask a person; without a terminal it is refused."""
    return sys.stdin.isatty() and typer.confirm(question, default=False, err=True)


def complain(error: SeaFormerError) -> None:
    """The error and what to do; a message may quote the end of a log."""
    print(safe(f"Error: {error.message}", lines=True), file=sys.stderr)
    if error.hint:
        notice(error.hint)


def relative(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def command_line() -> str:
    """What the user typed."""
    return shlex.join(["seaformer", *sys.argv[1:]])
