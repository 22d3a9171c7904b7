"""``seaformer doctor``: what this machine has for exporting and benching."""

from __future__ import annotations

import typer

from seaformer.commands._options import Results


def doctor(results: Results = "") -> None:
    """What is installed, what is missing, and the line that installs it."""
    from seaformer.bench.doctor import diagnose, exit_code, lines

    checks = diagnose(results=results or None)
    print("\n".join(lines(checks)))
    raise typer.Exit(exit_code(checks))
