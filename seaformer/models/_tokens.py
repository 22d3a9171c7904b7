"""Tokens: a map as a list of its places, and attention among them. Shared by the transformers.

Shapes: B batch, C channels, H W height and width of a map, N = H * W tokens in row-major order,
h heads, d = C / h width of a head.
"""

from __future__ import annotations

import torch
from torch import Tensor


def to_tokens(x: Tensor) -> Tensor:
    """B C H W to B N C."""
    return x.flatten(2).transpose(1, 2)


def to_map(x: Tensor, height: int, width: int) -> Tensor:
    """B N C to B C H W."""
    return x.transpose(1, 2).reshape(x.shape[0], -1, height, width)


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Softmax attention; q: B N C, k and v: B M C, q scaled already. Returns B N C.

    The products are of 3-D batches, B*h of them, which every runtime takes.
    """
    batch, tokens, channels = q.shape
    q, k, v = (_by_head(x, heads) for x in (q, k, v))  # B*h N d, B*h M d, B*h M d
    weights = torch.softmax(torch.bmm(q, k.transpose(1, 2)), dim=-1)  # B*h N M
    y = torch.bmm(weights, v).reshape(batch, heads, tokens, -1)  # B h N d
    return y.transpose(1, 2).reshape(batch, tokens, channels)


def _by_head(x: Tensor, heads: int) -> Tensor:
    batch, tokens, channels = x.shape
    x = x.reshape(batch, tokens, heads, channels // heads).transpose(1, 2)  # B h N d
    return x.reshape(batch * heads, tokens, -1)
