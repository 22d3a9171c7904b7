"""Pools of files that leave height and width free.

An adaptive pool to more than one place has windows that depend on the size of the map. ONNX has
no such operator, so each axis is a product with a matrix that the graph makes of the size: what
each place weighs in the average of each window. Pools to one place are a mean, and stay.

Rules that write a size into the file are not applied there (``Rule.sized``).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seaformer.export.rewrites._rule import Rule, Shapes, Stage
from seaformer.models._dense_heads import GridPool
from seaformer.models.topformer import PyramidPool


class FreePool(nn.Module):
    """Adaptive average pooling from any size, with the matrices computed in the graph."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.rows, self.columns = rows, columns

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C rows columns."""
        return pooled(x, self.rows, self.columns)


class FreePyramidPool(nn.Module):
    """``PyramidPool`` for maps of any sizes."""

    def forward(self, *maps: Tensor) -> Tensor:
        height, width = maps[-1].shape[-2:]
        rows, columns = (height - 1) // 2 + 1, (width - 1) // 2 + 1
        return torch.cat([pooled(x, rows, columns) for x in maps], dim=1)  # B C H/64 W/64


def pooled(x: Tensor, rows: int, columns: int) -> Tensor:
    """B C H W to B C rows columns; every size may be a value of the graph."""
    down = free_shares(x.shape[2], rows, x)  # rows H
    across = free_shares(x.shape[3], columns, x)  # columns W
    return torch.matmul(down, torch.matmul(x, across.transpose(0, 1)))


def free_shares(places: int, windows: int, like: Tensor) -> Tensor:
    """windows x places: what each place weighs in the average of each adaptive window."""
    window = torch.arange(windows, device=like.device).unsqueeze(1)  # windows 1
    place = torch.arange(places, device=like.device).unsqueeze(0)  # 1 places
    start = torch.div(window * places, windows, rounding_mode="floor")
    end = torch.div((window + 1) * places + windows - 1, windows, rounding_mode="floor")
    inside = (place >= start) & (place < end)
    return inside.to(like.dtype) / (end - start).to(like.dtype)


def _free_grid(source: GridPool, _: Shapes) -> nn.Module:
    return source if source.cells == 1 else FreePool(source.cells, source.cells)


def _free_adaptive(source: nn.AdaptiveAvgPool2d, _: Shapes) -> nn.Module:
    size = source.output_size
    rows, columns = size if isinstance(size, tuple) else (size, size)
    if rows is None or columns is None or (rows, columns) == (1, 1):
        return source
    return FreePool(rows, columns)


_WHY = "An adaptive pool of a free size is two products with matrices that are made of it"

RULES = (
    Rule(
        "free-pyramid-pool",
        PyramidPool,
        lambda _, __: FreePyramidPool(),
        _WHY,
        free=True,
    ),
    Rule("free-grid-pool", GridPool, _free_grid, _WHY, free=True),
    Rule(
        "free-adaptive-pool",
        nn.AdaptiveAvgPool2d,
        _free_adaptive,
        _WHY,
        stage=Stage.LAYER,
        free=True,
    ),
)
