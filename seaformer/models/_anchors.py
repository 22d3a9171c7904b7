"""Anchors of RetinaNet and the boxes that are offsets from them.

Source: Lin et al., "Focal Loss for Dense Object Detection" (2017), section 4; sizes and order as
mmdetection's RetinaNet: centres at multiples of the stride, box offsets without scaling.

Boxes are x1, y1, x2, y2 in pixels of the network's input. A is the number of anchors of all levels:
level by level, row by row, place by place, then 3 shapes of 3 sizes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from seaformer.models._tags import ANCHORS_PER_PLACE, DETECTION_STRIDES

BASE_SCALE, OCTAVES = 4.0, 3
RATIOS = (0.5, 1.0, 2.0)  # height over width
MAX_LOG_SIDE = math.log(1000 / 16)  # a box is at most 62.5 times its anchor, as in mmdetection
BOX = 4


def anchors(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Centres (2, A) as x, y and sides (2, A) as width, height, for an image of that size."""
    centres, sides = [], []
    for stride in DETECTION_STRIDES:
        rows, columns = -(-height // stride), -(-width // stride)
        shapes = _shapes(stride)  # 2 9
        places = rows * columns
        y, x = torch.meshgrid(
            torch.arange(rows, dtype=torch.float32) * stride,
            torch.arange(columns, dtype=torch.float32) * stride,
            indexing="ij",
        )
        centre = torch.stack([x.flatten(), y.flatten()])  # 2 h*w
        centres.append(centre.repeat_interleave(ANCHORS_PER_PLACE, dim=1))
        sides.append(shapes.repeat(1, places))
    return torch.cat(centres, dim=1), torch.cat(sides, dim=1)


def _shapes(stride: int) -> Tensor:
    """Width and height of a place's anchors, ratio by ratio: 2 9."""
    scales = [stride * BASE_SCALE * 2 ** (octave / OCTAVES) for octave in range(OCTAVES)]
    pairs = [
        (scale / math.sqrt(ratio), scale * math.sqrt(ratio)) for ratio in RATIOS for scale in scales
    ]
    return torch.tensor(pairs, dtype=torch.float64).T.to(torch.float32)


class BoxDecoder(torch.nn.Module):
    """Scores and boxes from a detector's logits and offsets, for one image size.

    What a detection needs beyond it, the choice of boxes, is ``seaformer.data.detections``.
    """

    centres: Tensor
    sides: Tensor
    half_sides: Tensor
    limits: Tensor

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        centres, sides = anchors(height, width)
        limits = torch.tensor([width, height, width, height], dtype=torch.float32)
        self.register_buffer("centres", centres[None])  # 1 2 A
        self.register_buffer("sides", sides[None])  # 1 2 A
        self.register_buffer("half_sides", sides[None] / 2)  # 1 2 A
        self.register_buffer("limits", limits.reshape(1, BOX, 1))

    def forward(self, logits: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Logits B K A and offsets B 4 A (dx, dy, dw, dh) to scores 0..1 and boxes B 4 A."""
        centre = offsets[:, :2] * self.sides + self.centres  # B 2 A
        log_sides = offsets[:, 2:].clamp(-MAX_LOG_SIDE, MAX_LOG_SIDE)
        half = self.half_sides * torch.exp(log_sides)  # B 2 A
        boxes = torch.cat([centre - half, centre + half], dim=1)  # B 4 A
        boxes = torch.minimum(torch.relu(boxes), self.limits)
        return torch.sigmoid(logits), boxes
