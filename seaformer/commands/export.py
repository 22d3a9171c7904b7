"""``seaformer export``: models as files of the formats that engines run."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seaformer.commands import _complete
from seaformer.commands._bisect import run_bisect
from seaformer.commands._integers import check_calibrated
from seaformer.commands._options import AsJson, ModelOptions, QuantizeOptions, grouped
from seaformer.commands._parse import export_requests, rewrites_left_out
from seaformer.commands._print import (
    next_step,
    notice,
    print_json,
    relative,
    show,
    steps,
    titled,
    warn_quantised,
    warn_seeded,
)
from seaformer.commands._source import GraphOptions, ModuleSource, free_axes, one_source
from seaformer.core.engine import DEFAULT_FORMAT, formats
from seaformer.core.plan import MOST_SEED
from seaformer.core.preprocessing import FLOAT

if TYPE_CHECKING:
    from seaformer.core.estimate import Estimate
    from seaformer.core.request import ExportRequest
    from seaformer.estimate.run import Estimator
    from seaformer.export import Outcome
    from seaformer.export.rewrites._graph import GraphRule
    from seaformer.export.rewrites._rule import Rule
    from seaformer.report.terminal import Block


@grouped
def export(
    models: ModelOptions,
    integers: QuantizeOptions,
    file: Annotated[
        str,
        typer.Argument(
            help="an .onnx or .pt2 file to export; as --module FILE", show_default=False
        ),
    ] = "",
    format: Annotated[
        str, typer.Option(help=", ".join(formats()), autocompletion=_complete.formats)
    ] = DEFAULT_FORMAT,
    seed: Annotated[
        int, typer.Option(min=0, max=MOST_SEED, help="of the weights without a checkpoint")
    ] = 0,
    out: Annotated[Path, typer.Option(help="folder of the artifacts")] = Path("artifacts"),
    module: Annotated[
        str,
        typer.Option(
            help="any network: package.module:factory, file.py:factory, file.pt2, file.onnx"
        ),
    ] = "",
    shape: Annotated[str, typer.Option(help="1xCxHxW, of the module's input")] = "",
    name: Annotated[str, typer.Option(help="of the module's files")] = "",
    mean: Annotated[str, typer.Option(metavar="R,G,B", help="of the module's input, 0-255")] = "",
    std: Annotated[str, typer.Option(metavar="R,G,B", help="of the module's input, 0-255")] = "",
    input: Annotated[
        str,
        typer.Option(
            help="float; uint8: 8-bit RGB, 1x3xHxW, normalised in the file; uint8-nhwc: 1xHxWx3",
            autocompletion=_complete.inputs,
        ),
    ] = FLOAT,
    opset: Annotated[int, typer.Option(help="of ONNX files, 11 to 20; 0: 17, or the source's")] = 0,
    dynamic: Annotated[
        str,
        typer.Option(
            metavar="AXIS,...",
            help="sizes that the file leaves free: batch,height,width",
            autocompletion=_complete.axes,
        ),
    ] = "",
    no_rewrite: Annotated[
        list[str] | None,
        typer.Option("--no-rewrite", metavar="RULE,...", help="rewrites to leave out"),
    ] = None,
    list_rewrites: Annotated[
        bool, typer.Option("--list-rewrites", help="print every rewrite with its reason")
    ] = False,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="and estimate each on a Snapdragon 865, emulated")
    ] = False,
    sqnr: Annotated[
        bool,
        typer.Option(
            "--sqnr",
            help="int8: print the modules furthest from float; --json has all",
            rich_help_panel="INT8",
        ),
    ] = False,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, help="processes side by side, as memory allows")
    ] = 1,
    bisect: Annotated[
        bool,
        typer.Option(
            "--bisect",
            help="instead: find the first module that departs from PyTorch; no file is kept but "
            "the smallest one that fails",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Export models to files that mobile runtimes run, each proved equal to PyTorch."""
    from seaformer.core.files import check_dir, expanded
    from seaformer.export import export_all, failure
    from seaformer.report.estimate import estimate_page

    if list_rewrites:
        show(_rewrites())
        return
    own = GraphOptions(opset or None, free_axes(dynamic))
    source = ModuleSource(one_source(file, module), shape, name, mean, std, own)
    left_out = rewrites_left_out(no_rewrite or ())
    requests = export_requests(models, format, seed, left_out, source, input, integers)
    if sqnr:
        check_calibrated("--sqnr", models.precision)
    warn_seeded([] if models.backbone else [each.model for each in requests], models.checkpoint)
    check_dir(expanded(out))
    if bisect:
        run_bisect(requests, out, as_json=as_json)
        return
    outcomes, estimates = [], {}
    with steps() as step:
        estimator = _estimator(requests, step) if estimate else None
        titles = [titled(step, requests, number) for number in range(len(requests))]
        for outcome in export_all(requests, out, jobs, lambda number, what: titles[number](what)):
            outcomes.append(outcome)
            _print_outcome(outcome, alone=len(requests) == 1, quiet=as_json, sqnr=sqnr)
            if estimator and outcome.artifact:
                estimates[outcome.number] = estimator.estimate(outcome.artifact, progress=step)
    ended = sorted(outcomes, key=lambda each: each.number)
    made = [each for each in ended if each.artifact]
    if as_json and made:
        print_json([_document(each, estimates.get(each.number)) for each in made])
    elif estimates:
        show(estimate_page([estimates[number] for number in sorted(estimates)]))
    if error := failure(ended):
        raise error
    if not as_json:
        _suggest_bench(made[0])


def _suggest_bench(outcome: Outcome) -> None:
    assert outcome.artifact is not None
    path = shlex.quote(relative(outcome.artifact.path))
    next_step(f"seaformer bench {path} --threads 1")


def _print_outcome(outcome: Outcome, *, alone: bool, quiet: bool, sqnr: bool) -> None:
    """A file with its proof, or the line of one that failed among others."""
    from seaformer.report.artifact import artifact_page, noise_page

    artifact, request = outcome.artifact, outcome.request
    if outcome.error is not None and not alone:
        name = f"{request.model} {request.format} {request.precision}"
        notice(f"Failed: {name}: {outcome.error.message} {outcome.error.hint}".rstrip())
    if artifact is None:
        return
    warn_quantised(artifact)
    if not quiet:
        show(artifact_page(artifact))
        if sqnr and artifact.quantization:
            show(noise_page(artifact.quantization))


def _document(outcome: Outcome, estimate: Estimate | None) -> dict[str, Any]:
    """The manifest, with where the file is, and its estimate where one was asked for."""
    from seaformer.core import codec

    assert outcome.artifact is not None
    document: dict[str, Any] = codec.to_json(outcome.artifact)
    document["path"] = str(outcome.artifact.path)
    return document if estimate is None else document | {"estimate": codec.to_json(estimate)}


def _estimator(requests: Sequence[ExportRequest], step: Callable[[str], None]) -> Estimator:
    """What estimates the files; an engine that it does not cover is refused before any export."""
    from seaformer.core.engine import engine_of
    from seaformer.estimate.run import CORE, open_estimator

    engines = dict.fromkeys(engine_of(request.format).name for request in requests)
    return open_estimator(CORE, None, engines, notice, step)


def _rewrites() -> list[Block]:
    """Every rule by name, where it applies and why."""
    from seaformer.export.rewrites import list_graph_rules, list_rules
    from seaformer.report.terminal import Column, Table

    columns: tuple[Column[Rule | GraphRule], ...] = (
        Column("rewrite", lambda rule: rule.name, key=True),
        Column("applies to", lambda rule: rule.where, key=True),
        Column("reason", lambda rule: rule.reason, below="{}"),
    )
    return [Table(columns, (*list_rules(), *list_graph_rules()))]
