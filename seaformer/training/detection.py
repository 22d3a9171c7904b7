"""The loss of RetinaNet: anchors matched with boxes, focal loss of classes, L1 of offsets.

Source: Lin et al., "Focal Loss for Dense Object Detection" (2017), with the choices of
mmdetection's RetinaNet: overlap of 0.5 or more is an object, below 0.4 background, between them
neither; each box keeps its best anchors; alpha 0.25, gamma 2; both parts are divided by the number
of matched anchors.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.models._anchors import anchors
from seaformer.training.losses import Batch, Loss, Objective
from seaformer.training.parallel import total
from seaformer.training.recipes import Recipe

OBJECT, BACKGROUND = 0.5, 0.4
ALPHA, GAMMA = 0.25, 2.0
PRIOR = 0.01
_NEITHER, _NONE = -2, -1  # instead of a box's number


def detection(_: Recipe) -> Objective:
    """Focal loss plus L1 loss of a detector's two outputs."""

    def compute(network: nn.Module, batch: Batch) -> Loss:
        logits, offsets = network(batch.images)  # B K A, B 4 A
        centres, sides = (each.to(logits) for each in anchors(*batch.images.shape[-2:]))
        matches = [match(centres, sides, boxes) for boxes in batch.boxes]
        matched, processes = total(torch.stack([(m >= 0).sum() for m in matches]).sum())
        divisor = matched.clamp(min=1) / processes
        triples = list(zip(range(len(matches)), batch.boxes, matches, strict=True))
        focal = sum_of(focal_loss(logits[i].float(), boxes, m) for i, boxes, m in triples)
        box = sum_of(
            box_loss(offsets[i].float(), centres, sides, boxes, m) for i, boxes, m in triples
        )
        parts = (("class", focal / divisor), ("box", box / divisor))
        return Loss(parts[0][1] + parts[1][1], parts)

    return compute


def expect_background(network: nn.Module) -> None:
    """Begin with a chance of 1 % for each class at each anchor, as the paper does (section 4.1):
    else the loss of the many anchors without an object outweighs all others."""
    bias = network.get_submodule("head.classify").bias
    assert isinstance(bias, Tensor)
    with torch.no_grad():
        bias.fill_(-math.log((1 - PRIOR) / PRIOR))


def sum_of(values: object) -> Tensor:
    """The sum of tensors, which may be one."""
    return torch.stack(list(values)).sum()  # type: ignore[call-overload]


def match(centres: Tensor, sides: Tensor, boxes: Tensor) -> Tensor:
    """For each of A anchors the number of its box, -1 for background, -2 for neither."""
    count = centres.shape[1]
    if not len(boxes):
        return torch.full((count,), _NONE, dtype=torch.int64, device=centres.device)
    overlap = overlaps(torch.cat([centres - sides / 2, centres + sides / 2]).T, boxes[:, :4])
    best, number = overlap.max(dim=1)  # A
    matches = torch.full_like(number, _NEITHER)
    matches[best < BACKGROUND] = _NONE
    matches[best >= OBJECT] = number[best >= OBJECT]
    for i in range(len(boxes)):  # the anchors nearest to a box are its own, however far
        highest = overlap[:, i].max()
        if highest > 0:
            matches[overlap[:, i] == highest] = i
    return matches


def overlaps(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes A 4 with boxes N 4: A N."""
    low = torch.maximum(a[:, None, :2], b[None, :, :2])
    high = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(dim=-1)
    areas = [(each[:, 2:] - each[:, :2]).prod(dim=-1) for each in (a, b)]
    union = areas[0][:, None] + areas[1][None] - shared
    return shared / union.clamp(min=1e-6)


def focal_loss(logits: Tensor, boxes: Tensor, matches: Tensor) -> Tensor:
    """The summed focal loss of one image: logits K A."""
    target = torch.zeros_like(logits)
    hits = matches >= 0
    target[boxes[matches[hits], 4].long(), hits.nonzero()[:, 0]] = 1
    chance = torch.sigmoid(logits)
    miss = torch.where(target > 0, 1 - chance, chance)
    weight = torch.where(target > 0, ALPHA, 1 - ALPHA) * miss**GAMMA
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (weight * entropy)[:, matches != _NEITHER].sum()


def box_loss(
    offsets: Tensor, centres: Tensor, sides: Tensor, boxes: Tensor, matches: Tensor
) -> Tensor:
    """The summed L1 loss of one image's offsets 4 A, where an anchor has a box."""
    hits = matches >= 0
    if not bool(hits.any()):
        return offsets.sum() * 0
    own = boxes[matches[hits], :4].T  # 4 N
    size = (own[2:] - own[:2]).clamp(min=1e-3)
    middle = (own[2:] + own[:2]) / 2
    shift = (middle - centres[:, hits]) / sides[:, hits]
    target = torch.cat([shift, torch.log(size / sides[:, hits])])  # 4 N
    return F.l1_loss(offsets[:, hits], target, reduction="sum")
