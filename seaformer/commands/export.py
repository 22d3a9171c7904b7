"""``seaformer export``: models as files of the formats that engines run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from seaformer.commands import _complete
from seaformer.commands._options import AsJson, ModelOptions, grouped
from seaformer.commands._parse import export_requests
from seaformer.commands._print import next_step, print_json, relative, show, steps, titled
from seaformer.core.engine import DEFAULT_FORMAT, formats


@grouped
def export(
    models: ModelOptions,
    format: Annotated[
        str, typer.Option(help=",".join(formats()), autocompletion=_complete.formats)
    ] = DEFAULT_FORMAT,
    seed: Annotated[int, typer.Option(help="of the weights without a checkpoint")] = 0,
    out: Annotated[Path, typer.Option(help="folder of the artifacts")] = Path("artifacts"),
    as_json: AsJson = False,
) -> None:
    """Export models to files that mobile runtimes run, each proved equal to PyTorch."""
    from seaformer.core import codec
    from seaformer.core.files import check_dir
    from seaformer.report.artifact import artifact_page

    requests = export_requests(models, format, seed)
    check_dir(out.expanduser())
    artifacts = []
    with steps() as step:
        for number, request in enumerate(requests):
            artifact = request.export(out, titled(step, requests, number))
            artifacts.append(artifact)
            if not as_json:
                show(artifact_page(artifact))
    if as_json:
        print_json([codec.to_json(each) | {"path": str(each.path)} for each in artifacts])
        return
    next_step(f"seaformer bench {shlex.quote(relative(artifacts[0].path))} --threads 1")
