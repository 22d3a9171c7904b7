"""``seaformer inspect``: what a model file of any origin holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seaformer.commands._options import AsJson, Wide
from seaformer.commands._print import print_json, show


def inspect(
    file: Annotated[Path, typer.Argument(help="a model file, exported here or anywhere")],
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Print what a model file holds: input, output, pre-processing, classes, operators, sizes."""
    from seaformer.agreement.images import normalisation
    from seaformer.core import codec
    from seaformer.core.artifact import check_file, load_artifact, manifest_path, model_path
    from seaformer.core.files import expanded
    from seaformer.report.model_file import model_file_page
    from seaformer.runtime import describe_file

    path = model_path(expanded(file))
    known = manifest_path(path).exists() or not path.exists()
    manifest = load_artifact(path) if known else None
    if manifest is not None:
        check_file(manifest)
    model = describe_file(path)
    stated = manifest.preprocessing if manifest is not None else None
    preprocessing = str(stated or "")
    if manifest is not None and stated is None and not manifest.origin:
        preprocessing = normalisation()  # a manifest of before it was stated there
    if as_json:
        document = codec.to_json(model) | {"preprocessing": preprocessing}
        print_json(document | {"manifest": codec.to_json(manifest) if manifest else None})
        return
    show(model_file_page(model, manifest, preprocessing), wide)
