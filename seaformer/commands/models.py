"""``seaformer models``: the zoo, or the part of it that a name or glob matches."""

from __future__ import annotations

from typing import Annotated

import typer

from seaformer.commands import _complete
from seaformer.commands._options import AsJson, Wide
from seaformer.commands._print import next_step, print_json, show


def models(
    glob: Annotated[
        str,
        typer.Argument(
            help="a name or glob: t, seaformer_t, 'seaformer_?.*'", autocompletion=_complete.models
        ),
    ] = "*",
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """List models: parameters, MACs, input, the paper's row, and the exports that were proved."""
    from seaformer.models import find_models, list_models
    from seaformer.report.zoo import zoo_document, zoo_page, zoo_rows

    names = list_models(glob) or list_models(f"{glob}.*") or find_models(glob)
    rows = zoo_rows(names)
    if as_json:
        print_json([zoo_document(row) for row in rows])
        return
    show(zoo_page(rows), wide)
    next_step(f"seaformer export --model {names[0]}")
