"""The training loop: one iteration after another until a run is complete, or diverges.

Sample order, augmentation and masks follow from the seed and the iteration, so a run that was
killed continues from its last checkpoint to the same losses, bit by bit, on one process with the
same number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from seaformer.core import codec, files
from seaformer.core.errors import Diverged, UsageError
from seaformer.core.spec import ModelSpec
from seaformer.data.dataset import DETECTION, DataSet
from seaformer.data.preprocessing import preprocessing_of
from seaformer.data.sets import open_set
from seaformer.models import create_model, model_spec
from seaformer.models._blocks import Network
from seaformer.models._checkpoints.advice import classes_of_data
from seaformer.training import auxiliary, checkpoints, distillation, mixed, preflight, qat
from seaformer.training.checkpoints import RunFolder
from seaformer.training.detection import expect_background
from seaformer.training.distillation import Distillation
from seaformer.training.feeding import (
    Augmented,
    Batches,
    Order,
    Share,
    batch_of,
    epoch_length,
    loaded,
    workers_alive,
)  # fmt: skip
from seaformer.training.groups import groups
from seaformer.training.logs import CSV, TENSORBOARD, CsvLog, Entry, Log, TensorBoardLog, check_kind
from seaformer.training.losses import Loss
from seaformer.training.objectives import has_heads, objective_of
from seaformer.training.optimisers import optimiser
from seaformer.training.parallel import enough_values, is_first, synchronise_norms
from seaformer.training.recipes import Recipe, corrected, recipe_of
from seaformer.training.regularising import Draws, regularise
from seaformer.training.resuming import check_same
from seaformer.training.schedules import Length, fitted, rate

_LARGEST_RATE = 1e30  # AdamW divides it by 0.1, and float32 ends at 3e38
_LARGEST = {"iters": 10**9, "batch": 1 << 16, "every": 10**9}
Progress = Callable[[int, int, float], None]
Notice = Callable[[str], None]


@dataclass(frozen=True)
class TrainPlan:
    """What a run is. 0 and empty values are the recipe's; ``batch`` is of all processes.

    With ``distillation`` the model is a student, and learns from a teacher too; with ``qat`` it
    rounds like an int8 file and learns from what it was; ``mixed`` is of ``mixed.KINDS``.
    """

    model: str
    data: str
    out: str
    iterations: int = 0
    recipe: str = ""
    corrected: bool = False
    batch: int = 0
    lr: float = 0.0
    scale_lr: bool = False
    seed: int = 0
    checkpoint: str = ""
    backbone: str = ""
    every: int = 0
    workers: int = 0
    log: str = CSV
    distillation: Distillation | None = None
    qat: bool = False
    mixed: str = ""


@dataclass(frozen=True)
class TrainResult:
    """Where a run ended: its last loss, the checkpoint, and for how many classes that is."""

    iterations: int
    loss: float
    checkpoint: Path
    classes: int


def train(
    plan: TrainPlan, *, resume: bool = False, progress: Progress | None = None,
    notice: Notice | None = None,
) -> TrainResult:  # fmt: skip
    """Train a model, or continue with ``resume``; ``out/last.pth`` is its checkpoint.

    Raises ``DataError`` for a data set that cannot be used, ``UsageError`` for a plan that cannot,
    ``Diverged`` for a loss that is not finite.
    """
    data = open_set(Path(plan.data), "train")
    name = model_spec(plan.model).name
    recipe = recipe_for(plan, name, data)
    spec = model_spec(name, size=recipe.crop, classes=data.classes)
    run = RunFolder(files.expanded(plan.out))
    with run.alone() if is_first() else nullcontext():
        if is_first():
            absent = [f"{plan.out} has no run to continue: a new one begins."]
            saved = run.state.exists() or run.weights.exists()
            begins = absent if resume and not saved else []
            for sentence in (*begins, *remarks(plan, spec, recipe, data)):
                (notice or (lambda _: None))(sentence)
            preflight.check(data, run.folder, name)
            open_run(run, plan, resume=resume)
        shown, prepared = progress if is_first() else None, _Run(plan, recipe, data, spec, run)
        if is_first() and notice and prepared.first == 0:
            for sentence in preflight.untaken(prepared.network.checkpoint):
                notice(sentence)
        return prepared.go(shown or (lambda *_: None))


def recipe_for(plan: TrainPlan, name: str, data: DataSet) -> Recipe:
    """The row of the plan, with the plan's own values in it."""
    recipe = recipe_of(name, plan.recipe)
    recipe = corrected(recipe) if plan.corrected else recipe
    spec, distils = model_spec(name), plan.distillation is not None
    recipe = qat.qat_recipe(recipe, spec, plan.checkpoint, distils=distils) if plan.qat else recipe
    if spec.task != data.task:
        raise UsageError(
            f"{name} is a model of {spec.task}, and {plan.data} a data set of {data.task}."
        )
    if plan.distillation is not None:
        distillation.check_tasks(plan.distillation, spec)
    iterations = plan.iterations or recipe.iterations
    batch = plan.batch or recipe.batch
    iterations = iterations or recipe.epochs * epoch_length(len(data.samples), batch)
    lr = (plan.lr or recipe.lr) * (batch / recipe.batch if plan.scale_lr else 1)
    every = plan.every or min(recipe.every, max(iterations // 5, 1))
    for option, value in (("iters", iterations), ("batch", batch), ("every", every)):
        if not 1 <= value <= _LARGEST[option]:
            raise UsageError(f"--{option} must be from 1 to {_LARGEST[option]:,} (got {value}).")
    if not 0 < lr <= _LARGEST_RATE:
        raise UsageError(f"--lr must be above 0 and at most {_LARGEST_RATE:g} (got {plan.lr:g}).")
    check_kind(plan.log)
    return replace(recipe, iterations=iterations, batch=batch, lr=lr, every=every)


def remarks(plan: TrainPlan, spec: ModelSpec, recipe: Recipe, data: DataSet) -> list[str]:
    """What a person should read before the first iteration, a sentence each."""
    official = recipe_of(spec.name, plan.recipe)
    lines = []
    if recipe.batch != official.batch and not plan.scale_lr:
        lines.append(
            f"The total batch is {recipe.batch}, the recipe's {official.batch}: --scale-lr "
            "scales the learning rate with it."
        )
    if recipe.pretrained and not (plan.checkpoint or plan.backbone):
        lines.append("The recipe begins with ImageNet weights: --backbone FILE takes them.")
    if model_spec(spec.name).classes != data.classes:
        lines.append(f"The data set has {data.classes} classes, and so has the model now.")
    if plan.distillation is not None:
        lines += distillation.remarks(plan.distillation)
    return lines


def open_run(run: RunFolder, plan: TrainPlan, *, resume: bool) -> None:
    """Begin a run in its folder, or continue it. Raises ``UsageError`` where it is another's."""
    files.make_dir(run.folder)
    if run.plan.exists() and run.has_begun:
        before = codec.decode(TrainPlan, files.read_bytes(run.plan), where=str(run.plan))
        if not resume:
            raise UsageError(f"{run.folder} has a run already.", hint="Continue it: --resume")
        before = replace(before, out=plan.out, workers=plan.workers, log=plan.log)
        check_same(run.folder, run.plan, before, plan)
        run.check_state()
    elif run.has_begun:
        raise UsageError(
            f"{run.folder} has weights or a log of a run without {run.plan.name}: "
            "nothing is overwritten.",
            hint="Name another --out.",
        )
    files.write_json(run.plan, codec.to_json(plan))


class _Run:
    """A run that is prepared: network, optimiser, data; ``go`` does what is left of it."""

    def __init__(
        self, plan: TrainPlan, recipe: Recipe, data: DataSet, spec: ModelSpec, run: RunFolder
    ) -> None:
        self.plan, self.recipe, self.data, self.run = plan, recipe, data, run
        self.accelerator = mixed.accelerator(plan.mixed)
        self.share = Share(self.accelerator.process_index, self.accelerator.num_processes)
        if recipe.batch % self.share.processes:
            raise UsageError(
                f"--batch must be a multiple of {self.share.processes} processes "
                f"(got {recipe.batch})."
            )
        with classes_of_data(data.classes, " --backbone FILE takes its other weights."):
            self.network: Network = create_model(
                spec.name, plan.checkpoint or None, plan.seed, size=recipe.crop,
                classes=data.classes, backbone_weights=plan.backbone or None,
            )  # fmt: skip
        self.length = Length(recipe.iterations, epoch_length(len(data.samples), recipe.batch))
        self.schedule = fitted(recipe, self.length)
        self.draws = Draws(plan.seed)
        regularise(self.network, recipe, self.draws)
        if has_heads(recipe, plan.distillation, rounds=plan.qat):
            auxiliary.attach(self.network, plan.seed)
        self.groups = groups(self.network, recipe, recipe.lr)
        if self.share.processes > 1:
            synchronise_norms(self.network)
        if data.task == DETECTION and not plan.checkpoint:
            expect_background(self.network)
        self.objective = objective_of(
            self.network, recipe, plan.distillation, rounds=plan.qat, seed=plan.seed,
            device=self.accelerator.device,
        )  # fmt: skip
        self.averaged: dict[str, Any] = {}
        self.network.train()
        prepared = self.accelerator.prepare(self.network, optimiser(recipe, self.groups))
        self.wrapped, self.optimiser = prepared
        self.first, self.loss = self._restore()

    def _restore(self) -> tuple[int, float]:
        """The iteration to begin with, and the loss before it: the state of the last checkpoint."""
        if not self.run.state.exists():
            return 0, math.nan
        state = checkpoints.load_state(self.run.state)
        with checkpoints.reading(self.run.state):
            self.network.load_state_dict(state["network"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.averaged = dict(state["averaged"])
            mixed.restore(self.accelerator, state.get("scaling", {}))
            return int(state["iteration"]), float(state.get("loss", math.nan))

    def _logs(self) -> list[Log]:
        """Where the first process writes its curves."""
        if not self.accelerator.is_main_process:
            return []
        logs: list[Log] = [CsvLog(self.run.log, self.first)]
        if self.plan.log == TENSORBOARD:
            logs.append(TensorBoardLog(self.run.tensorboard, self.first))
        return logs

    def go(self, progress: Progress) -> TrainResult:
        """Every iteration that is left."""
        recipe, loss, iteration = self.recipe, self.loss, self.first
        order = Order(len(self.data.samples), recipe.batch, self.plan.seed)
        batches = Batches(order, self.share, self.first, recipe.iterations)
        items = Augmented(self.data, recipe, preprocessing_of(self.network.spec), self.plan.seed)
        with ExitStack() as stack:
            logs = [stack.enter_context(closing(log)) for log in self._logs()]
            stack.enter_context(workers_alive("Continue with --resume, with fewer --workers."))
            for members in loaded(items, batches, self.plan.workers):
                entry = self._step(iteration, members)
                for log in logs:
                    log.write(entry)
                loss, iteration = entry.loss, iteration + 1
                if iteration % recipe.every == 0 or iteration == recipe.iterations:
                    self._save(iteration, loss)
                progress(iteration, recipe.iterations, loss)
        return TrainResult(iteration, loss, self.run.weights, self.data.classes)

    def _step(self, iteration: int, members: Any) -> Entry:
        recipe, seed = self.recipe, self.plan.seed
        places = self.share.places(recipe.batch)
        self.draws.begin(iteration, places.start, recipe.batch)
        rates = [rate(self.schedule, g.lr, iteration, self.length) for g in self.groups]
        for group, lr in zip(self.optimiser.param_groups, rates, strict=True):
            group["lr"] = lr
        batch = batch_of(members, self.data, recipe, seed, iteration)
        with enough_values(recipe.batch):
            loss = self.objective(self.wrapped, batch.to(self.accelerator.device))
        entry = self._entry(iteration, loss, rates[0])
        self.optimiser.zero_grad()
        self.accelerator.backward(loss.value)
        if recipe.clip:
            self.accelerator.clip_grad_norm_(self.wrapped.parameters(), recipe.clip)
        self.optimiser.step()
        self._average()
        return entry

    def _entry(self, iteration: int, loss: Loss, lr: float) -> Entry:
        """The loss over all processes. Raises ``Diverged`` where it is not finite."""
        names = [name for name, _ in loss.parts]
        values = torch.stack([loss.value.detach(), *(part.detach() for _, part in loss.parts)])
        value, *parts = self.accelerator.reduce(values, "mean").tolist()
        if not math.isfinite(value):
            raise self._diverged(f"The loss of iteration {iteration + 1} is {value}.")
        return Entry(iteration, value, lr, tuple(zip(names, parts, strict=True)))

    def _diverged(self, sentence: str) -> Diverged:
        kept = "No checkpoint was written yet"
        if self.run.weights.exists():
            kept = f"The last checkpoint is kept in {self.run.weights}"
        return Diverged(sentence, hint=f"{kept}; begin a new run with a lower --lr.")

    def _average(self) -> None:
        """Move the averaged weights, where the recipe has them."""
        if not self.recipe.ema:
            return
        for key, value in self.network.state_dict().items():
            if key in self.averaged and value.is_floating_point():
                self.averaged[key].lerp_(value.detach(), 1 - self.recipe.ema)
            else:
                self.averaged[key] = value.detach().clone()

    def _save(self, iteration: int, loss: float) -> None:
        if not self.accelerator.is_main_process:
            return
        state = self.network.state_dict()
        if not all(bool(value.isfinite().all()) for value in state.values()):
            raise self._diverged(f"Weights are not finite after iteration {iteration}.")
        content = {
            "network": state,
            "optimiser": self.optimiser.state_dict(),
            "averaged": self.averaged,
            "iteration": iteration,
            "loss": loss,
            "scaling": mixed.scaling(self.accelerator),
        }
        checkpoints.save(self.run.state, content)
        weights: dict[str, Any] = {"state_dict": state}
        if self.averaged:
            weights["state_dict_ema"] = self.averaged
        weights["meta"] = {"model": self.network.spec.name, "iteration": iteration}
        checkpoints.save(self.run.weights, weights)
