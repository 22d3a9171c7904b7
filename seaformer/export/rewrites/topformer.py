"""TopFormer as XNNPACK takes it whole.

- XNNPACK pools adaptively to 1x1 only. Where the map is a multiple of the pooled size the windows
  are all alike and it is a plain average pool; elsewhere it is two small matrix products, one per
  axis, whose constant matrices hold the shares of each place in each window.
- The hard sigmoid of the gate goes into its convolution, as in SeaFormer's fusion block.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.export.rewrites._fold import fold_hardsigmoid
from seaformer.export.rewrites._rule import Rule, Shapes
from seaformer.models._blocks import resized
from seaformer.models._dense_heads import GridPool
from seaformer.models.topformer import InjectionBlock, PyramidPool


class WindowPool(nn.Module):
    """Adaptive average pooling between two sizes where every window has the same size."""

    def __init__(self, window: tuple[int, int]) -> None:
        super().__init__()
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        """1 C H W to 1 C H/a W/b."""
        return F.avg_pool2d(x, self.window, count_include_pad=False)


class MatrixPool(nn.Module):
    """Adaptive average pooling between any two sizes, as a matrix product per axis."""

    rows: Tensor
    columns: Tensor

    def __init__(self, size: tuple[int, int], pooled: tuple[int, int]) -> None:
        super().__init__()
        self.register_buffer("rows", shares(size[0], pooled[0]))  # h H
        self.register_buffer("columns", shares(size[1], pooled[1]))  # w W

    def forward(self, x: Tensor) -> Tensor:
        """1 C H W to 1 C h w."""
        x = F.linear(x, self.columns)  # 1 C H w
        return F.linear(x.transpose(2, 3), self.rows).transpose(2, 3)


class FixedPyramidPool(nn.Module):
    """``PyramidPool`` for maps of known sizes."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        height, width = shapes[-1][-2:]
        pooled = ((height - 1) // 2 + 1, (width - 1) // 2 + 1)
        self.pools = nn.ModuleList(_pool((s[-2], s[-1]), pooled) for s in shapes)

    def forward(self, *maps: Tensor) -> Tensor:
        pooled = [pool(x) for pool, x in zip(self.pools, maps, strict=True)]
        return torch.cat(pooled, dim=1)


class FoldedInjectionBlock(nn.Module):
    """``InjectionBlock`` with the hard sigmoid of its gate folded into the convolution."""

    def __init__(self, source: InjectionBlock) -> None:
        super().__init__()
        self.local_embedding = source.local_embedding
        self.global_embedding = source.global_embedding
        self.gate = fold_hardsigmoid(source.global_gate.fuse())

    def forward(self, local: Tensor, coarse: Tensor) -> Tensor:
        """1 C' H W and 1 C' h w to 1 C H W."""
        gate = resized(F.hardtanh(self.gate(coarse), 0.0, 1.0), local)  # 1 C H W
        shift = resized(self.global_embedding(coarse), local)  # 1 C H W
        y: Tensor = self.local_embedding(local) * gate + shift  # 1 C H W
        return y


def shares(places: int, windows: int) -> Tensor:
    """windows x places: what each place weighs in the average of each adaptive window."""
    matrix = torch.zeros(windows, places, dtype=torch.float64)
    for i in range(windows):
        start, end = i * places // windows, -(-(i + 1) * places // windows)
        matrix[i, start:end] = 1 / (end - start)
    return matrix


def _pool(size: tuple[int, int], pooled: tuple[int, int]) -> nn.Module:
    if size[0] % pooled[0] == 0 and size[1] % pooled[1] == 0:
        return WindowPool((size[0] // pooled[0], size[1] // pooled[1]))
    return MatrixPool(size, pooled)


def _grid_pool(source: GridPool, shapes: Shapes) -> nn.Module:
    height, width = shapes[0][-2:]
    return source if source.cells == 1 else _pool((height, width), (source.cells, source.cells))


RULES = (
    Rule(
        "pyramid-pool",
        PyramidPool,
        lambda _, shapes: FixedPyramidPool(shapes),
        "XNNPACK pools adaptively to 1x1 only; for a known size it is a pool or two products",
        sized=True,
    ),
    Rule(
        "grid-pool",
        GridPool,
        _grid_pool,
        "A pool must be to a factor of the size, or to 1x1; a grid is a pool or two products",
        sized=True,
    ),
    Rule(
        "injection-gate",
        InjectionBlock,
        lambda block, _: FoldedInjectionBlock(block),
        "A hard sigmoid becomes a clamp, which engines fuse with the convolution before it",
    ),
)
