"""``seaformer sweep``: a command over many models or files, on the processes of a Dask cluster."""

from __future__ import annotations

from typing import Annotated

import typer

from seaformer.commands._options import Results
from seaformer.commands._print import notice, say, steps

SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True}


def sweep(
    context: typer.Context,
    scheduler: Annotated[
        str, typer.Option(help="address of a Dask scheduler; absent: processes of this machine")
    ] = "",
    workers: Annotated[
        int, typer.Option(min=0, help="processes of this machine; 0: one a core")
    ] = 0,
    again: Annotated[bool, typer.Option("--again", help="also what succeeded before")] = False,
    results: Results = "",
) -> None:
    """Run export, bench on an emulated core, or eval over many models, files and formats.

    For example: seaformer sweep --workers 2 bench --model 'seaformer_*' --format onnx,executorch
    --device emulator. Options of the sweep come first. The same command continues one that was
    killed.
    """
    from seaformer.core.engine import installed_formats
    from seaformer.core.errors import SeaFormerError
    from seaformer.models import find_models
    from seaformer.store.results import results_dir
    from seaformer.sweep.division import divide
    from seaformer.sweep.run import SweepPlan
    from seaformer.sweep.run import sweep as run

    def listed(format: str) -> tuple[str, ...]:
        return installed_formats() if format == "all" else (format,)

    tasks = divide(context.args, find_models, listed)
    plan = SweepPlan(results_dir(results or None), scheduler, workers, again)
    failed = 0
    with steps() as step:
        for record in run(tasks, plan, step):
            if record.code:
                failed += 1
                notice(f"Failed: {record.command}: {record.error}")
    say(f"{len(tasks) - failed:,} of {len(tasks):,} tasks succeeded; results are in {plan.store}")
    if failed:
        raise SeaFormerError(
            f"{failed:,} of {len(tasks):,} tasks failed.", hint="The same command tries them again."
        )
