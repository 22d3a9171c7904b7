"""Multi-resolution distillation: a student at half the resolution, a teacher at the full one.

Source: SeaFormer++ paper, section 3.4, equation 7, table 18. No official code is public. The
student (``seaformerpp_*_kd``) pools the image itself and has the upsampling modules inside, so that
its stages are of the size of the teacher's. The loss is the weighted sum of

- ``cls``: cross entropy of the student;
- ``cross``: cross entropy of the student's stages behind the teacher's decoder and head;
- ``feat``: minus the cosine similarity over channels of each stage with the teacher's;
- ``out``: KL divergence of the student's class probabilities from the teacher's.

Open in the text, and chosen here: all weights are 1; ``feat`` is the mean over places and stages,
``out`` the mean over places at temperature 1; the teacher is frozen and in evaluation mode. The
teacher at ``half`` resolution (last row of table 18) is fed the pooled image, and its maps are
resized to the student's.
"""

from __future__ import annotations

import csv
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core import paper
from seaformer.core.errors import UsageError
from seaformer.core.registry import unknown
from seaformer.core.spec import ModelSpec
from seaformer.data.dataset import SEGMENTATION
from seaformer.data.preprocessing import preprocessing_of
from seaformer.models import create_model, model_spec
from seaformer.models._blocks import Network, resized
from seaformer.training.losses import Batch, Loss, pixel_entropy
from seaformer.training.recipes import Recipe

FULL, HALF = "full", "half"  # the resolution that a teacher is fed
DEFAULT_METHOD = "cls+out+feat+cross"
_TABLE = "table18_distillation_losses"
# The part of a network that takes its stages, whatever the family calls it.
_DECODERS = ("spatial", "injection", "aggregate", "head")


@dataclass(frozen=True)
class Weights:
    """The factors of equation 7; 0 leaves a loss out."""

    cls: float = 1.0
    cross: float = 1.0
    feat: float = 1.0
    out: float = 1.0


@dataclass(frozen=True)
class Method:
    """A row of table 18: which losses, at which resolution of the teacher, and what it gave."""

    name: str
    resolution: str
    weights: Weights
    published_miou: float | None


@dataclass(frozen=True)
class Distillation:
    """What a run learns from. Without ``checkpoint`` the teacher's weights are seeded."""

    teacher: str
    checkpoint: str = ""
    ema: bool = False
    method: str = DEFAULT_METHOD
    resolution: str = FULL
    weights: Weights = Weights()

    def __post_init__(self) -> None:
        values = (self.weights.cls, self.weights.cross, self.weights.feat, self.weights.out)
        if not all(math.isfinite(value) and value >= 0 for value in values) or not any(values):
            printed = ", ".join(f"{value:g}" for value in values)
            raise UsageError(f"Weights must be at least 0, and one above 0 (got {printed}).")
        if self.ema and not self.checkpoint:
            raise UsageError("--teacher-ema requires --teacher-checkpoint FILE.")
        if self.resolution not in (FULL, HALF):
            raise unknown("resolution of a teacher", self.resolution, (FULL, HALF))


@functools.cache
def methods() -> dict[str, Method]:
    """Every row of table 18, by name."""
    source = resources.files("seaformer.training") / "distillations.csv"
    rows = csv.DictReader(source.read_text(encoding="utf-8").splitlines())
    return {row["method"]: _method(row) for row in rows}


def _method(row: dict[str, str]) -> Method:
    cells = {"teacher_resolution": row["paper_teacher"], "losses": row["paper_losses"]}
    weights = Weights(*(float(row[name]) for name in ("cls", "cross", "feat", "out")))
    miou = paper.find(_TABLE, cells).number("miou")
    return Method(row["method"], row["teacher"], weights, miou)


def method_of(name: str) -> Method:
    """A row by name. Raises ``UnknownName``."""
    if name not in methods():
        raise unknown("method", name, methods())
    return methods()[name]


class Stages:
    """The maps that a network's decoder took when the network ran last, and that decoder."""

    def __init__(self, network: Network) -> None:
        names = network.COMPONENTS
        first = next(i for i, name in enumerate(names) if name in _DECODERS)
        self._parts = [network.get_submodule(name) for name in names[first:]]
        self._maps: tuple[Tensor, ...] = ()
        self._parts[0].register_forward_pre_hook(self._keep)

    def _keep(self, _: nn.Module, maps: tuple[Tensor, ...]) -> None:
        self._maps = maps

    def take(self) -> tuple[Tensor, ...]:
        """The maps, B C H W each; they are not held any longer."""
        maps, self._maps = self._maps, ()
        return tuple(x.float() for x in maps)

    def decode(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps of any network with these widths to logits B K h w."""
        first, *others = self._parts
        x: Tensor = first(*maps)
        for part in others:
            x = part(x)
        self._maps = ()
        return x


class Distilling:
    """The objective of a student: call it with the (wrapped) student and a batch."""

    def __init__(
        self, student: Network, teacher: Network, recipe: Recipe, how: Distillation,
        device: torch.device | str = "cpu",
    ) -> None:  # fmt: skip
        self.teacher = teacher.eval().requires_grad_(False)
        self.average, self.weights, self.resolution = recipe.average, how.weights, how.resolution
        self._ours, self._theirs = Stages(student), Stages(teacher)
        if how.weights.cross or how.weights.feat:
            self._check_widths(student, recipe.crop)
        self.teacher.to(device)

    def __call__(self, network: nn.Module, batch: Batch) -> Loss:
        """The weighted sum, and its four parts before they are weighted."""
        weights, logits = self.weights, network(batch.images)
        stages = self._ours.take()
        parts = [("cls", weights.cls, pixel_entropy(logits, batch.labels, self.average))]
        if weights.feat or weights.out:
            answers, maps = self._taught(batch.images)
            if weights.feat:
                parts.append(("feat", weights.feat, dissimilarity(stages, maps)))
            if weights.out:
                parts.append(("out", weights.out, divergence(logits, answers)))
        if weights.cross:
            crossed = pixel_entropy(self._theirs.decode(stages), batch.labels, self.average)
            parts.append(("cross", weights.cross, crossed))
        total = torch.stack([weight * value for _, weight, value in parts]).sum()
        return Loss(total, tuple((name, value.detach()) for name, _, value in parts))

    @torch.no_grad()
    def _taught(self, images: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        if self.resolution == HALF:
            images = F.avg_pool2d(images, 2)  # B 3 H/2 W/2
        return self.teacher(images), self._theirs.take()

    @torch.no_grad()
    def _check_widths(self, student: Network, size: tuple[int, int]) -> None:
        blank = torch.zeros(1, 3, *size)
        student.eval()(blank)
        self.teacher(blank)
        ours, theirs = ([x.shape[1] for x in s.take()] for s in (self._ours, self._theirs))
        if ours != theirs:
            raise UsageError(
                f"Stages of {student.spec.name} have {_listed(ours)} channels, those of the "
                f"teacher {self.teacher.spec.name} {_listed(theirs)}.",
                hint="Choose a teacher of the same size, or --method cls+out.",
            )


def _listed(widths: Sequence[int]) -> str:
    return ", ".join(map(str, widths))


def dissimilarity(stages: Sequence[Tensor], taught: Sequence[Tensor]) -> Tensor:
    """Minus the cosine similarity over channels, as the mean over places and stages."""
    pairs = zip(stages, taught, strict=True)
    each = [
        -F.cosine_similarity(x, _like(y, x), dim=1).mean()  # B H W to one number
        for x, y in pairs
    ]
    return torch.stack(each).mean()


def divergence(logits: Tensor, taught: Tensor) -> Tensor:
    """KL(teacher, student) over the classes of B K h w, as the mean over places."""
    ours = F.log_softmax(logits.float(), dim=1)
    theirs = F.log_softmax(_like(taught.float(), logits), dim=1)
    return (theirs.exp() * (theirs - ours)).sum(dim=1).mean()


def _like(x: Tensor, y: Tensor) -> Tensor:
    return x if x.shape[-2:] == y.shape[-2:] else resized(x, y)


def check_tasks(how: Distillation, student: ModelSpec) -> None:
    """Raise ``UsageError`` unless student and teacher segment."""
    for spec in (student, model_spec(how.teacher)):
        if spec.task != SEGMENTATION:
            raise UsageError(
                f"{spec.name} is a model of {spec.task}; distillation supports segmentation."
            )


def teacher_of(how: Distillation, student: Network, size: tuple[int, int], seed: int) -> Network:
    """The teacher, for the student's classes. Raises ``UsageError`` where it takes other images."""
    teacher = create_model(
        how.teacher, how.checkpoint or None, seed, size=size, classes=student.spec.classes,
        ema=how.ema,
    )  # fmt: skip
    takes, given = (preprocessing_of(network.spec) for network in (teacher, student))
    if (takes.mean, takes.std, takes.channels) != (given.mean, given.std, given.channels):
        raise UsageError(
            f"The teacher {teacher.spec.name} and the student {student.spec.name} normalise "
            "images differently.",
            hint="Choose a teacher with the student's normalisation.",
        )
    return teacher


def remarks(how: Distillation) -> list[str]:
    """What a person should read before the first iteration, a sentence each."""
    method, lines = method_of(how.method), []
    if (method.resolution, method.weights) == (how.resolution, how.weights):
        lines.append(
            f"Method {method.name}: table 18 has {method.published_miou:g} mIoU for SeaFormer-T++ "
            "on ADE20K."
        )
    if not how.checkpoint:
        lines.append("The teacher's weights are random: --teacher-checkpoint FILE is required to "
                     "learn from a trained one.")  # fmt: skip
    return lines
