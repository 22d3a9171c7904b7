"""Tokens: a map as a list of its places, and attention among them. Shared by the transformers.

Shapes: B batch, C channels, H W height and width of a map, N = H * W tokens in row-major order,
h heads, d = C / h width of a head.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def to_tokens(x: Tensor) -> Tensor:
    """B C H W to B N C."""
    return x.flatten(2).transpose(1, 2)


def to_map(x: Tensor, height: int, width: int) -> Tensor:
    """B N C to B C H W."""
    return x.transpose(1, 2).reshape(x.shape[0], -1, height, width)


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int, bias: Tensor | None = None) -> Tensor:
    """Softmax attention; q: B N C, k: B M C, v: B M C', q scaled already. Returns B N C'.

    The products are of 3-D batches, B*h of them, which every runtime takes. ``bias`` is h N M,
    added before the softmax.
    """
    batch, tokens, _ = q.shape
    q, k, v = (by_head(x, heads) for x in (q, k, v))  # B*h N d, B*h M d, B*h M d'
    scores = torch.bmm(q, k.transpose(1, 2))  # B*h N M
    if bias is not None:
        scores = scores + (bias if batch == 1 else bias.repeat(batch, 1, 1))
    y = torch.bmm(torch.softmax(scores, dim=-1), v).reshape(batch, heads, tokens, -1)  # B h N d'
    return y.transpose(1, 2).reshape(batch, tokens, -1)


class Attend(nn.Module):
    """``attend`` as a module, so that a rewrite finds it: no engine takes all of its forms."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads

    def forward(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
        """B N C, B M C and B M C' to B N C'; q scaled already, ``bias`` heads N M."""
        return attend(q, k, v, self.heads, bias)


class Qkv(nn.Linear):
    """q, k and v of all heads by one layer of weights; q is scaled by the root of its width.

    Each is made by its own part of the weights, so that no engine has to cut the result.
    ``grouped`` is whether a head has its three parts side by side.
    """

    def __init__(
        self, channels: int, heads: int, key: int, value: int, *, grouped: bool = False
    ) -> None:
        super().__init__(channels, heads * (2 * key + value))
        self.heads, self.key, self.value, self.grouped = heads, key, value, grouped

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # type: ignore[override]
        """B N C to B N h*key, B N h*key and B N h*value."""
        q, k, v = (F.linear(x, weight, bias) for weight, bias in self.layers())
        return q, k, v

    def layers(self) -> list[tuple[Tensor, Tensor]]:
        """Weights and biases that make q, k and v, the scale in those of q."""
        weights, biases = self._parts(self.weight), self._parts(self.bias)
        scale = float(self.key**-0.5)
        weights[0], biases[0] = weights[0] * scale, biases[0] * scale
        return list(zip(weights, biases, strict=True))

    def _parts(self, merged: Tensor) -> list[Tensor]:
        widths = (self.key, self.key, self.value)
        rest = merged.shape[1:]
        if not self.grouped:
            return list(torch.split(merged, [self.heads * width for width in widths]))
        parts = torch.split(merged.reshape(self.heads, sum(widths), *rest), list(widths), dim=1)
        return [part.reshape(-1, *rest) for part in parts]


class Offsets(nn.Module):
    """A learnt number for each distance in rows and columns, for every pair of places of a map.

    ``grid`` is the side of the maps it was trained for. A larger map has the table resized.
    """

    def __init__(self, heads: int, grid: int) -> None:
        super().__init__()
        self.grid = grid
        self.table = nn.Parameter(torch.zeros(heads, grid * grid))

    def forward(self, keys: Tensor, queries: Tensor) -> Tensor:
        """heads N M for maps of M keys and of N queries, which are those or every second place."""
        return self.between((keys.shape[-2], keys.shape[-1]), tuple(queries.shape[-2:]))

    def between(self, k: tuple[int, int], q: tuple[int, ...]) -> Tensor:
        """heads N M for keys and queries in these rows and columns."""
        side = (max(k[0], self.grid), max(k[1], self.grid))
        table = self.table.reshape(1, -1, self.grid, self.grid)
        if side != (self.grid, self.grid):
            table = F.interpolate(table, size=side, mode="bilinear", align_corners=False)
        rows, columns = (_distances(few, many) for few, many in zip(q, k, strict=True))
        places = rows[:, None, :, None] * side[1] + columns[None, :, None, :]  # q0 q1 k0 k1
        picked = table.flatten(2)[0][:, places.flatten().to(table.device)]
        return picked.reshape(-1, q[0] * q[1], k[0] * k[1])


def _distances(few: int, many: int) -> Tensor:
    """few x many: how far each of ``many`` places is from every one or every second of them."""
    step = 1 if few == many else 2
    return (torch.arange(few)[:, None] * step - torch.arange(many)).abs()


def by_head(x: Tensor, heads: int) -> Tensor:
    """B N C to B*h N d."""
    batch, tokens, channels = x.shape
    x = x.reshape(batch, tokens, heads, channels // heads).transpose(1, 2)  # B h N d
    return x.reshape(batch * heads, tokens, -1)
