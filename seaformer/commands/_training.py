"""Options that training and distillation share, and the run that both end in."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from seaformer.commands._print import COUNTING, next_step, notice, say, steps
from seaformer.commands._weights import check_weights
from seaformer.core.plan import MOST_SEED
from seaformer.core.plural import counted

if TYPE_CHECKING:
    from seaformer.training.distillation import Distillation
    from seaformer.training.loop import TrainResult

Data = Annotated[str, typer.Option(help="folder of the data set")]
Out = Annotated[str, typer.Option(help="folder of the run")]


@dataclass(frozen=True)
class RunOptions:
    """How a model is trained; 0 and nothing are the recipe's."""

    HEADING: ClassVar = "Run"
    iters: Annotated[int, typer.Option(help="iterations; 0: the recipe's")] = 0
    resume: Annotated[bool, typer.Option("--resume", help="continue the run in --out")] = False
    recipe: Annotated[str, typer.Option(help="a row by name; the model's first when absent")] = ""
    corrected: Annotated[
        bool, typer.Option("--corrected", help="without the quirks of the official recipe")
    ] = False
    batch: Annotated[int, typer.Option(help="images an iteration, of all processes")] = 0
    lr: Annotated[float, typer.Option(help="learning rate; 0: the recipe's")] = 0.0
    scale_lr: Annotated[
        bool, typer.Option("--scale-lr", help="scale the learning rate with --batch")
    ] = False
    seed: Annotated[
        int, typer.Option(min=0, max=MOST_SEED, help="of weights, order and augmentation")
    ] = 0
    checkpoint: Annotated[str, typer.Option(help="weights to begin with")] = ""
    backbone: Annotated[str, typer.Option(help="weights of the backbone to begin with")] = ""
    every: Annotated[int, typer.Option(help="iterations between checkpoints")] = 0
    mixed: Annotated[
        str, typer.Option(help="forward passes in bfloat16, or on a GPU float16; float when absent")
    ] = ""
    workers: Annotated[int, typer.Option(min=0, help="processes that read images")] = 0
    log: Annotated[
        str, typer.Option(help="csv, or tensorboard beside it; both in the run's folder")
    ] = "csv"


def run_training(
    model: str, data: str, out: str, run: RunOptions, how: Distillation | None = None,
    *, qat: bool = False,
) -> None:  # fmt: skip
    """Train, with progress on stderr, and print where the checkpoint is."""
    check_weights(run.checkpoint, run.backbone)
    from seaformer.training.loop import TrainPlan, train

    plan = TrainPlan(
        model=model, data=data, out=out, iterations=run.iters, recipe=run.recipe,
        corrected=run.corrected, batch=run.batch, lr=run.lr, scale_lr=run.scale_lr, seed=run.seed,
        checkpoint=run.checkpoint, backbone=run.backbone, every=run.every, workers=run.workers,
        log=run.log, distillation=how, qat=qat, mixed=run.mixed,
    )  # fmt: skip
    with steps(COUNTING) as step:
        result = train(plan, resume=run.resume, progress=_progress(step), notice=notice)
    length = counted(result.iterations, "iteration")
    say(f"{result.checkpoint}: loss {result.loss:.4f} after {length}")
    next_step(export_line(model, result))


def export_line(model: str, result: TrainResult) -> str:
    """The command that exports a trained model, with its classes where they are not the model's."""
    from seaformer.models import model_spec

    line = f"seaformer export --model {model} --checkpoint {shlex.quote(str(result.checkpoint))}"
    own = model_spec(model).classes == result.classes
    return line if own else f"{line} --classes {result.classes}"


def _progress(step: Callable[[str], None]) -> Callable[[int, int, float], None]:
    """Iteration, loss, and the time left at the pace of this process so far."""
    start, first = time.monotonic(), -1

    def show(done: int, of: int, loss: float) -> None:
        nonlocal start, first
        pace = "" if first < 0 else _left((time.monotonic() - start) / (done - first) * (of - done))
        if first < 0:
            start, first = time.monotonic(), done
        step(f"iteration {done} of {of}, loss {loss:.4f}{pace}")

    return show


def _left(seconds: float) -> str:
    return f", {timedelta(seconds=round(seconds))} left"
