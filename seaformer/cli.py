"""``seaformer``: the commands put together, and the one place where their errors end.

Tables go to stdout, progress and warnings to stderr. An error is one sentence, what to do, and the
exit code drawn in ``core/errors.py``. A command is in ``commands/``, a file each.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from typing import Annotated

import typer

from seaformer import __version__
from seaformer.commands._print import complain
from seaformer.commands.bench import bench
from seaformer.commands.cache import app as cache
from seaformer.commands.compare import compare
from seaformer.commands.data import app as data
from seaformer.commands.devices import devices
from seaformer.commands.distill import distill
from seaformer.commands.doctor import doctor
from seaformer.commands.estimate import EstimateCommand, estimate
from seaformer.commands.eval import evaluate
from seaformer.commands.export import export
from seaformer.commands.inspect import inspect
from seaformer.commands.models import models
from seaformer.commands.predict import predict
from seaformer.commands.report import report
from seaformer.commands.reproduce import reproduce
from seaformer.commands.results import app as results
from seaformer.commands.runner import app as runner
from seaformer.commands.sweep import SETTINGS, sweep
from seaformer.commands.train import train
from seaformer.core import console
from seaformer.core.codec import shortened
from seaformer.core.environment import is_on
from seaformer.core.errors import SeaFormerError, UsageError
from seaformer.core.files import is_full, write_error

_EPILOG = (
    "Exit codes: 0 done, 1 failed, 2 usage, 3 invalid model or file, 4 device or runner, "
    "5 measurement refused, 6 regression, 130 interrupted. --debug anywhere shows the traceback."
)

app = typer.Typer(
    name="seaformer",
    help="From a mobile vision model's definition to a latency that can be trusted.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
for command in (
    models,
    export,
    inspect,
    bench,
    devices,
    report,
    compare,
    reproduce,
    train,
    distill,
    predict,
    doctor,
):
    app.command()(command)
app.command("eval")(evaluate)
app.command("sweep", context_settings=SETTINGS)(sweep)
app.command(cls=EstimateCommand)(estimate)
app.add_typer(results, name="results")
app.add_typer(runner, name="runner")
app.add_typer(cache, name="cache")
app.add_typer(data, name="data")


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="print it")] = False) -> None:
    if version:
        print(f"seaformer {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; every error ends here."""
    argv = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = is_on("SEAFORMER_DEBUG") or len(argv) < len(sys.argv) - 1
    console.prepare()
    try:
        try:
            app(argv, prog_name="seaformer")
        finally:
            sys.stdout.flush()  # here, where an error can still be reported
    except SeaFormerError as error:
        if debug:
            _show_traceback()
        complain(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of our output went away: seaformer models | head
        _discard_stdout()
        sys.exit(0)
    except Exception as error:
        if debug:
            _show_traceback()
        if isinstance(error, OSError) and is_full(error):
            _discard_stdout()
            complain(full := write_error("What should be written (or printed)", error))
            sys.exit(full.exit_code)
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            name = shortened(str(error.filename))
            complain(refused := UsageError(f"{name} is not a file or a folder: {error.strerror}."))
            sys.exit(refused.exit_code)
        print(console.safe(f"Error: {type(error).__name__}: {error}"), file=sys.stderr)
        print("This is a bug in seaformer. Rerun with --debug and report it.", file=sys.stderr)
        sys.exit(1)


def _show_traceback() -> None:
    """The traceback of the error that is handled now; it may quote what came from outside."""
    print(console.safe(traceback.format_exc(), lines=True), end="", file=sys.stderr)


def _discard_stdout() -> None:
    """Let nothing more be written there: Python would try again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
