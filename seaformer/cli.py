"""``seaformer``: the commands put together, and the one place where their errors end.

Tables go to stdout, progress and warnings to stderr. An error is one sentence, what to do, and the
exit code drawn in ``core/errors.py``. A command is in ``commands/``, a file each.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from seaformer import __version__
from seaformer.commands._print import complain
from seaformer.commands.bench import bench
from seaformer.commands.cache import app as cache
from seaformer.commands.compare import compare
from seaformer.commands.devices import devices
from seaformer.commands.doctor import doctor
from seaformer.commands.export import export
from seaformer.commands.models import models
from seaformer.commands.report import report
from seaformer.commands.reproduce import reproduce
from seaformer.commands.results import app as results
from seaformer.commands.runner import app as runner
from seaformer.core.errors import SeaFormerError

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
for command in (models, export, bench, devices, report, compare, reproduce, doctor):
    app.command()(command)
app.add_typer(results, name="results")
app.add_typer(runner, name="runner")
app.add_typer(cache, name="cache")


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="print it")] = False) -> None:
    if version:
        print(f"seaformer {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; every error ends here."""
    argv = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(argv) < len(sys.argv) - 1 or bool(os.environ.get("SEAFORMER_DEBUG"))
    try:
        app(argv, prog_name="seaformer")
    except SeaFormerError as error:
        if debug:
            raise
        complain(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of our output went away: seaformer models | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if debug:
            raise
        print(f"Error: {type(error).__name__}: {error}", file=sys.stderr)
        print("This is a bug in seaformer. Rerun with --debug and report it.", file=sys.stderr)
        sys.exit(1)
