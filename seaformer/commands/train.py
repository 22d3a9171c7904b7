"""``seaformer train``: train a model by its official recipe."""

from __future__ import annotations

from typing import Annotated

import typer

from seaformer.commands._print import next_step, notice, say, steps


def train(
    model: Annotated[str, typer.Option(help="a name of the zoo: seaformer_t.synth")],
    data: Annotated[str, typer.Option(help="folder of the data set")],
    out: Annotated[str, typer.Option(help="folder of the run")],
    iters: Annotated[int, typer.Option(help="iterations; 0: the recipe's")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="continue the run in --out")] = False,
    recipe: Annotated[str, typer.Option(help="a row by name; the model's first when absent")] = "",
    corrected: Annotated[
        bool, typer.Option("--corrected", help="without the quirks of the official recipe")
    ] = False,
    batch: Annotated[int, typer.Option(help="images an iteration, of all processes")] = 0,
    scale_lr: Annotated[
        bool, typer.Option("--scale-lr", help="scale the learning rate with --batch")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="of weights, order and augmentation")] = 0,
    checkpoint: Annotated[str, typer.Option(help="weights to begin with")] = "",
    backbone: Annotated[str, typer.Option(help="weights of the backbone to begin with")] = "",
    every: Annotated[int, typer.Option(help="iterations between checkpoints")] = 0,
    workers: Annotated[int, typer.Option(min=0, help="processes that read images")] = 0,
) -> None:
    """Train a model on a data set by its official recipe; --resume continues exactly."""
    from seaformer.training.loop import TrainPlan
    from seaformer.training.loop import train as run

    plan = TrainPlan(
        model=model, data=data, out=out, iterations=iters, recipe=recipe, corrected=corrected,
        batch=batch, scale_lr=scale_lr, seed=seed, checkpoint=checkpoint, backbone=backbone,
        every=every, workers=workers,
    )  # fmt: skip
    with steps() as step:
        result = run(
            plan,
            resume=resume,
            progress=lambda done, of, loss: step(f"iteration {done} of {of}, loss {loss:.4f}"),
            notice=notice,
        )
    say(f"{result.checkpoint}: loss {result.loss:.4f} after {result.iterations} iterations")
    next_step(f"seaformer export --model {model} --checkpoint {result.checkpoint}")
