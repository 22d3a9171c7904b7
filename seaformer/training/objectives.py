"""Which loss a run minimises: a student's, a rounding network's, or its task's."""

from __future__ import annotations

from collections.abc import Callable

import torch

from seaformer.data.dataset import CLASSIFICATION, DETECTION, SEGMENTATION
from seaformer.models._blocks import Network
from seaformer.training import auxiliary, qat
from seaformer.training.detection import detection
from seaformer.training.distillation import Distillation, Distilling, teacher_of
from seaformer.training.losses import Objective, classification, segmentation
from seaformer.training.recipes import Recipe

OF_TASKS: dict[str, Callable[[Recipe], Objective]] = {
    SEGMENTATION: segmentation,
    CLASSIFICATION: classification,
    DETECTION: detection,
}


def has_heads(recipe: Recipe, how: Distillation | None, *, rounds: bool) -> bool:
    """Whether auxiliary heads learn too: students and networks that round have none."""
    return bool(recipe.auxiliary) and how is None and not rounds


def objective_of(
    network: Network, recipe: Recipe, how: Distillation | None, *, rounds: bool, seed: int,
    device: torch.device,
) -> Objective:  # fmt: skip
    """The objective of a network that is prepared (``auxiliary.attach``, where it has heads)."""
    if rounds:
        return qat.Quantising(network, device)
    if how is not None:
        teacher = teacher_of(how, network, recipe.crop, seed)
        return Distilling(network, teacher, recipe, how, device)
    if has_heads(recipe, how, rounds=rounds):
        return auxiliary.assisted(network, recipe)
    return OF_TASKS[network.spec.task](recipe)
