"""``seaformer estimate``: latency of a core that is not at hand; ``estimate calibrate``.

One command with files as its arguments, and one below it: click has no such command, so the first
argument decides.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from seaformer.commands import _complete
from seaformer.commands._options import AsJson, FileGroup, ModelOptions, Wide, grouped
from seaformer.commands._parse import (
    artifact_files,
    engine_names,
    export_requests,
    file_options,
    input_kind,
)
from seaformer.commands._print import next_step, notice, print_json, say, show, steps, titled
from seaformer.core.engine import DEFAULT_FORMAT, timed_formats
from seaformer.core.plan import MOST_SEED

if TYPE_CHECKING:
    from seaformer.core.artifact import Artifact
    from seaformer.core.estimate import Estimate
    from seaformer.estimate.figures import Figure

CORE = "sd865"
_CALIBRATE = "calibrate"
_BLOCKS = ".blocks.jsonl"


class EstimateCommand(TyperCommand):
    """The command, or ``calibrate`` where that is its first argument."""

    @property
    def commands(self) -> dict[str, Any]:
        """The commands below it, by name."""
        app = typer.Typer(add_completion=False)
        app.command(_CALIBRATE)(calibrate)
        return {_CALIBRATE: typer.main.get_command(app)}

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: Any = None,
        **extra: Any,
    ) -> Any:
        """The context of what the arguments mean."""
        if args[:1] == [_CALIBRATE]:
            below = typer.Context(self, info_name=info_name, parent=parent)
            return self.commands[_CALIBRATE].make_context(_CALIBRATE, args[1:], below, **extra)
        return super().make_context(info_name, args, parent, **extra)


@grouped
def estimate(
    models: ModelOptions,
    about: FileGroup,
    artifacts: Annotated[
        list[Path] | None,
        typer.Argument(help="model files, or *.blocks.jsonl of a bench; or calibrate"),
    ] = None,
    format: Annotated[
        str,
        typer.Option(
            "--format",
            "--engine",
            help=f"{', '.join(timed_formats())}, or all",
            autocompletion=_complete.formats,
        ),
    ] = DEFAULT_FORMAT,
    core: Annotated[str, typer.Option(help=f"{CORE} (when absent), sd855 or rpi5")] = "",
    calibration: Annotated[str, typer.Option(help="a file of `estimate calibrate`")] = "",
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="of seeded weights")] = 0,
    operators: Annotated[
        bool, typer.Option("--operators", help="each operator too, with its module")
    ] = False,
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Estimate latency on a core that is not at hand: emulated code, priced and scaled.

    `seaformer estimate calibrate --help` is about the scales. docs/estimate.md has the method.
    """
    from seaformer.core.errors import UsageError
    from seaformer.core.files import expanded
    from seaformer.estimate.run import open_estimator
    from seaformer.export import cached_export, check_exporter

    recorded = [expanded(path) for path in artifacts or [] if path.name.endswith(_BLOCKS)]
    model_files = [path for path in artifacts or [] if not path.name.endswith(_BLOCKS)]
    kind = input_kind(about.input or (), artifacts or ())
    if operators and recorded:
        raise UsageError(f"--operators needs a model file, not {recorded[0].name}.")
    requests = [] if artifacts else export_requests(models, format, seed, input=kind)
    check_exporter(requests)
    with steps() as step:
        stated = file_options(about, models.size, ("emulator",), seed)
        files = artifact_files(model_files, stated, step)
        engines = engine_names(requests, files)
        estimator = open_estimator(core, calibration or None, engines, notice, step)
        for number, request in enumerate(requests):
            files.append(cached_export(request, titled(step, requests, number)))
        estimates = [
            estimator.estimate(
                each, components=models.components, operators=operators, progress=step
            )
            for each in files
        ]
        estimates += [estimator.estimate_file(path) for path in recorded]
    _show(estimates, files, as_json, wide)


def calibrate(
    core: Annotated[
        str, typer.Option(help="sd865, sd855, rpi5, or a new name with --results or --rows")
    ] = CORE,
    leave_out: Annotated[
        str, typer.Option(help="families that it must not see: seaformer,topformer")
    ] = "",
    results: Annotated[
        str, typer.Option("--results", help="a results folder: three measured models are enough")
    ] = "",
    device: Annotated[str, typer.Option(help="of --results: an id or glob")] = "",
    rows: Annotated[
        str, typer.Option(help="a CSV file: model,latency_ms, or a column for each phone")
    ] = "",
    column: Annotated[
        str, typer.Option(help="of --rows: a column of ms, or a phone, 'pixel4|1large|float'")
    ] = "",
    out: Annotated[str, typer.Option(help="the new file; CORE.calibration.json")] = "",
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Make a calibration of a core from published or measured latencies.

    --leave-out makes one that has not seen a family, to be tested with it.
    """
    from seaformer.core import codec
    from seaformer.core.errors import UsageError
    from seaformer.core.files import expanded
    from seaformer.estimate.calibration import calibrate as make
    from seaformer.estimate.calibration import save, shown_rows, summaries
    from seaformer.report.estimate import calibration_page

    if Path(core).name != core:
        raise UsageError(
            f"--core {core!r} is not a name.", hint="A name such as my_phone; --out names the file."
        )
    families = [item.strip() for item in leave_out.split(",") if item.strip()]
    calibration = make(core, families, _figures(results, device, rows, column))
    path = expanded(out or f"{core}.calibration.json")
    save(path, calibration)
    if as_json:
        print_json(codec.to_json(calibration))
    else:
        title = f"Calibration of {core}{', without ' * bool(families)}{', '.join(families)}"
        show(calibration_page(title, summaries(calibration), shown_rows(calibration)), wide)
        for doubt in calibration.doubts:
            say(f"Every estimate is outside: {doubt}.")
        say(f"Written: {path}")
    next_step(f"seaformer estimate --calibration {shlex.quote(str(path))} --variant t")


def _figures(results: str, device: str, rows: str, column: str) -> list[Figure]:
    """What was measured, and what a table has."""
    from seaformer.core.errors import UsageError
    from seaformer.core.files import expanded
    from seaformer.estimate.figures import measured_figures, table_figures
    from seaformer.store.results import ResultStore, check_holds_runs

    for option, value, needs, source in (
        ("--column", column, "--rows", rows), ("--device", device, "--results", results),
    ):  # fmt: skip
        if value and not source:
            raise UsageError(f"{option} needs {needs}.")
    figures: list[Figure] = []
    if rows:
        figures += table_figures(expanded(rows), column)
    if results:
        root = expanded(results)
        check_holds_runs(root)
        figures += measured_figures(ResultStore(root).load().measurements, device)
    return figures


def _show(
    estimates: Sequence[Estimate], files: Sequence[Artifact], as_json: bool, wide: bool
) -> None:
    from seaformer.core import codec
    from seaformer.report.estimate import estimate_page

    if as_json:
        print_json([codec.to_json(each) for each in estimates])
        return
    show(estimate_page(estimates), wide)
    if files:
        next_step(f"seaformer bench --device phone --threads 1 {shlex.quote(str(files[0].path))}")
