"""The blocks of Mobile-Former: convolutions, and how tokens take from a map and it from them.

Source: as ``mobileformer.py``, figures 3 and 4 of the paper.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.models._blocks import ConvBN
from seaformer.models._tokens import Attend, to_map, to_tokens

MAP_HEADS, TOKEN_HEADS = 2, 4
MLP_RATIO = 2
SQUEEZE = 4


class DnaRow(NamedTuple):
    """One block: expansion, channels, stride, and the second expansion of a deep one.

    A deep block with a second expansion of 0 is convolutions alone.
    """

    expansion: int
    channels: int
    stride: int = 1
    second: int | None = None


class ToTokens(nn.Module):
    """What tokens take from a map, gated, added and normed."""

    def __init__(self, channels: int, token_channels: int) -> None:
        super().__init__()
        self.scale = float((channels // MAP_HEADS) ** -0.5)
        self.attend = Attend(MAP_HEADS)
        self.gate = nn.Linear(token_channels, channels)
        self.to_q = nn.Linear(token_channels, channels)
        self.project = nn.Linear(channels, token_channels)
        self.norm = nn.LayerNorm(token_channels)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """B C H W and B T C' to B T C'."""
        places = to_tokens(x)  # B N C
        taken = self.attend(self.to_q(tokens) * self.scale, places, places)  # B T C
        gated = taken * (2 * F.hardsigmoid(self.gate(tokens)))
        y: Tensor = self.norm(tokens + self.project(gated))
        return y


class AmongTokens(nn.Module):
    """Attention whose keys and values are the tokens, and a feed-forward network; norms behind."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = float((channels // TOKEN_HEADS) ** -0.5)
        self.attend = Attend(TOKEN_HEADS)
        self.to_q = nn.Linear(channels, channels)
        self.project = nn.Linear(channels, channels)
        self.norm1 = nn.LayerNorm(channels)
        self.fc1 = nn.Linear(channels, channels * MLP_RATIO)
        self.activate = nn.GELU()
        self.fc2 = nn.Linear(channels * MLP_RATIO, channels)
        self.norm2 = nn.LayerNorm(channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """B T C to the same."""
        taken = self.attend(self.to_q(tokens) * self.scale, tokens, tokens)
        tokens = self.norm1(tokens + self.project(taken))
        y: Tensor = self.norm2(tokens + self.fc2(self.activate(self.fc1(tokens))))
        return y


class ToMap(nn.Module):
    """What every place of a map takes from the tokens, added."""

    def __init__(self, channels: int, token_channels: int) -> None:
        super().__init__()
        self.scale = float((channels // MAP_HEADS) ** -0.5)
        self.attend = Attend(MAP_HEADS)
        self.to_k = nn.Linear(token_channels, channels)
        self.to_v = nn.Linear(token_channels, channels)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """B C H W and B T C' to B C H W."""
        k, v = self.to_k(tokens) * self.scale, self.to_v(tokens)  # B T C each
        return x + to_map(self.attend(to_tokens(x), k, v), *x.shape[-2:])


class Slopes(nn.Module):
    """Dynamic ReLU: the larger of two products, whose factors follow from the first token."""

    def __init__(self, channels: int, token_channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.fc1 = nn.Linear(token_channels, token_channels // SQUEEZE)
        self.fc2 = nn.Linear(token_channels // SQUEEZE, 2 * channels)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """B C H W and B T C' to B C H W; slopes are in 0 to 2 and in -1 to 1."""
        first = tokens[:, :1]  # B 1 C'
        doubled = 2 * F.hardsigmoid(self.fc2(F.relu(self.fc1(first))))  # B 1 2C
        doubled = doubled.reshape(-1, 2 * self.channels, 1, 1)
        steep, flat = doubled[:, : self.channels], doubled[:, self.channels :] - 1
        return torch.maximum(x * steep, x * flat)


class PlainBlock(nn.Module):
    """Depthwise 3x3 that expands, 1x1, without tokens."""

    def __init__(self, channels_in: int, row: DnaRow) -> None:
        super().__init__()
        hidden = channels_in * row.expansion
        self.depthwise = ConvBN(channels_in, hidden, 3, row.stride, channels_in)
        self.project = ConvBN(hidden, row.channels)
        self.residual = row.stride == 1 and channels_in == row.channels

    def forward(self, x: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """B C H W to B C' H/s W/s; the tokens as they are."""
        y = self.project(F.relu6(self.depthwise(x)))
        return (x + y if self.residual else y), tokens


class Bridged(nn.Module):
    """What every other block has: tokens take from its input, its output from them."""

    def __init__(self, channels_in: int, channels: int, token_channels: int) -> None:
        super().__init__()
        self.to_tokens = ToTokens(channels_in, token_channels)
        self.among = AmongTokens(token_channels)
        self.to_map = ToMap(channels, token_channels)

    def updated(self, x: Tensor, tokens: Tensor) -> Tensor:
        """The tokens of this block."""
        y: Tensor = self.among(self.to_tokens(x, tokens))
        return y


class Block(Bridged):
    """1x1 expand, depthwise 3x3, 1x1 project; slopes of the first two follow from a token."""

    def __init__(self, channels_in: int, row: DnaRow, token_channels: int) -> None:
        super().__init__(channels_in, row.channels, token_channels)
        hidden = channels_in * row.expansion
        self.expand = ConvBN(channels_in, hidden)
        self.slopes1 = Slopes(hidden, token_channels)
        self.depthwise = ConvBN(hidden, hidden, 3, row.stride, hidden)
        self.slopes2 = Slopes(hidden, token_channels)
        self.project = ConvBN(hidden, row.channels)
        self.residual = row.stride == 1 and channels_in == row.channels

    def forward(self, x: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """B C H W and B T C" to B C' H/s W/s and B T C"."""
        tokens = self.updated(x, tokens)
        y = self.slopes1(self.expand(x), tokens)
        y = self.project(self.slopes2(self.depthwise(y), tokens))
        return self.to_map(x + y if self.residual else y, tokens), tokens


class DeepBlock(Bridged):
    """Two pairs of a depthwise 3x3 that expands and a 1x1; the second is added to the first."""

    def __init__(self, channels_in: int, row: DnaRow, token_channels: int) -> None:
        super().__init__(channels_in, row.channels, token_channels)
        assert row.second is not None
        first, second = channels_in * row.expansion, row.channels * row.second
        self.depthwise1 = ConvBN(channels_in, first, 3, row.stride, channels_in)
        self.slopes1 = Slopes(first, token_channels)
        self.project1 = ConvBN(first, row.channels)
        self.depthwise2 = ConvBN(row.channels, second, 3, 1, row.channels)
        self.slopes2 = Slopes(second, token_channels)
        self.project2 = ConvBN(second, row.channels)

    def forward(self, x: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """B C H W and B T C" to B C' H/s W/s and B T C"."""
        tokens = self.updated(x, tokens)
        y = self.project1(self.slopes1(self.depthwise1(x), tokens))
        y = y + self.project2(self.slopes2(self.depthwise2(y), tokens))
        return self.to_map(y, tokens), tokens


class LearntTokens(nn.Module):
    """The tokens that every image starts with."""

    def __init__(self, count: int, channels: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(count, channels))

    def forward(self, image: Tensor) -> Tensor:
        """B T C for a batch of B images, which are not looked at."""
        return self.table.repeat(image.shape[0], 1, 1)
