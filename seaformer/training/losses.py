"""What training minimises, by task: an objective takes a network and a batch, and gives a loss.

Segmentation: logits are resized to the labels (bilinear, corners not aligned), then cross entropy
as mmsegmentation averages it. Classification: cross entropy with smoothed labels, mixup where the
recipe has it. Detection is in ``detection.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.data.dataset import IGNORE
from seaformer.training.parallel import total
from seaformer.training.recipes import LABELLED, Recipe


@dataclass(frozen=True, eq=False)
class Batch:
    """Images B 3 H W, and labels: B H W of segmentation, B K (shares) of classification, of
    detection a tensor N 5 (x1 y1 x2 y2 class) for each image."""

    images: Tensor
    labels: Tensor
    boxes: tuple[Tensor, ...] = ()

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        boxes = tuple(each.to(device) for each in self.boxes)
        return Batch(self.images.to(device), self.labels.to(device), boxes)


@dataclass(frozen=True, eq=False)
class Loss:
    """The number that is minimised, and the parts it is the sum of, by name."""

    value: Tensor
    parts: tuple[tuple[str, Tensor], ...] = ()


Objective = Callable[[nn.Module, Batch], Loss]


def segmentation(recipe: Recipe) -> Objective:
    """Cross entropy of the logits, at the size of the labels."""

    def compute(network: nn.Module, batch: Batch) -> Loss:
        return Loss(pixel_entropy(network(batch.images), batch.labels, recipe.average))

    return compute


def pixel_entropy(logits: Tensor, labels: Tensor, average: str) -> Tensor:
    """Logits B K h w and labels B H W to the mean loss, over all pixels or those labelled.

    Labelled pixels are counted over all processes, whose gradients are averaged later.
    """
    logits = F.interpolate(
        logits.float(), size=labels.shape[-2:], mode="bilinear", align_corners=False
    )
    summed = F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="sum")
    if average == LABELLED:
        counted, processes = total((labels != IGNORE).sum())
        return summed * processes / counted.clamp(min=1)
    return summed / labels.numel()


def classification(_: Recipe) -> Objective:
    """Cross entropy with the shares of classes that ``shares`` made."""

    def compute(network: nn.Module, batch: Batch) -> Loss:
        log_shares = F.log_softmax(network(batch.images).float(), dim=-1)  # B K
        return Loss(-(batch.labels * log_shares).sum(dim=-1).mean())

    return compute


def shares(labels: Tensor, classes: int, smoothing: float) -> Tensor:
    """Class indices B to B K: the class gets 1 - smoothing, and all classes share the rest."""
    off = smoothing / classes
    shared = torch.full((len(labels), classes), off)
    return shared.scatter_(1, labels[:, None], 1 - smoothing + off)


def mixed(images: Tensor, labels: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Mixup as timm does it: each image with the one at the other end of the batch."""
    rest = 1 - share
    return images * share + images.flip(0) * rest, labels * share + labels.flip(0) * rest
