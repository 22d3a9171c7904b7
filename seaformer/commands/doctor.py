"""``seaformer doctor``: what this machine has for exporting and benching."""

from __future__ import annotations

import typer

from seaformer.commands._options import Results
from seaformer.commands._print import next_step, show


def doctor(results: Results = "") -> None:
    """Check this machine: what is installed, what is missing, and the line that installs it."""
    from seaformer.bench.doctor import diagnose, exit_code, next_line, page

    checks = diagnose(results=results or None)
    show(page(checks))
    next_step(next_line(checks))
    raise typer.Exit(exit_code(checks))
