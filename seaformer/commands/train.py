"""``seaformer train``: train a model by its official recipe."""

from __future__ import annotations

from typing import Annotated

import typer

from seaformer.commands._options import grouped
from seaformer.commands._training import Data, Out, RunOptions, run_training


@grouped
def train(
    model: Annotated[str, typer.Option(help="a name of the zoo: seaformer_t.synth")],
    data: Data,
    out: Out,
    run: RunOptions,
    qat: Annotated[
        bool,
        typer.Option("--qat", help="round like an int8 file, and learn from the float network"),
    ] = False,
) -> None:
    """Train a model on a data set by its official recipe; --resume continues exactly."""
    run_training(model, data, out, run, qat=qat)
