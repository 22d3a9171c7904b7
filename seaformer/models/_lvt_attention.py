"""Attention of LVT: of windows that overlap, and of all places, taken twice.

Sources are those of ``lvt.py``. Windows are cut by strided 1x1 convolutions, which make their
values too, and added up by a transposed convolution, because ONNX at opset 17 has no operator for
it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.models._tokens import Attend, to_map, to_tokens

WINDOW, STRIDE = 3, 2
DILATIONS = (1, 3, 5)
ROUNDS = 2  # of attention with the same weights


def shifted(x: Tensor) -> list[Tensor]:
    """B C H W as each place of 3x3 windows around every place sees it, nine times that shape."""
    height, width = x.shape[-2:]
    padded = F.pad(x, (1, 1, 1, 1))
    places = [divmod(i, WINDOW) for i in range(WINDOW * WINDOW)]
    return [padded[..., top : top + height, left : left + width] for top, left in places]


class WindowValues(nn.Conv2d):
    """Of each 3x3 window with stride 2 nine vectors, every place of a window by own weights."""

    def __init__(self, channels: int) -> None:
        places = WINDOW * WINDOW
        super().__init__(channels * places, channels * places, 1, groups=places, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B 9 C h w."""
        weights = self.weight.chunk(WINDOW * WINDOW)
        shifts = shifted(x)
        values = [F.conv2d(y, w, stride=STRIDE) for y, w in zip(shifts, weights, strict=True)]
        return torch.stack(values, dim=1)


def place_weights(channels: int) -> Tensor:
    """Weights that put nine vectors of a window at its nine places, channels*9 1 3 3."""
    places = WINDOW * WINDOW
    return torch.eye(places).reshape(places, 1, WINDOW, WINDOW).repeat(channels, 1, 1, 1)


class Overlap(nn.Module):
    """Windows added up where they overlap."""

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        """B C*9 h w, the places of a window innermost, to B C H W."""
        channels = x.shape[1] // (WINDOW * WINDOW)
        beyond = [
            side - (STRIDE * n - 1) for side, n in zip((height, width), x.shape[-2:], strict=True)
        ]
        return F.conv_transpose2d(
            x,
            place_weights(channels).to(x),
            stride=STRIDE,
            padding=WINDOW // 2,
            output_padding=beyond,
            groups=channels,
        )


class WindowAttention(nn.Module):
    """Convolutional self-attention: in each window 9x9 weights, made of the window's mean."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (channels // heads) ** -0.5
        self.weigh = nn.Linear(channels, WINDOW**4 * heads)
        self.to_v = WindowValues(channels)
        self.overlap = Overlap()
        self.project = nn.Linear(channels, channels)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        """B N C to B N C."""
        batch, _, channels = x.shape
        places, image = WINDOW * WINDOW, to_map(x, height, width)
        odd = bool(height % STRIDE or width % STRIDE)  # of a trace a tensor without it
        pooled = F.avg_pool2d(  # B C h w; XNNPACK takes no other form of it for even sides
            image, STRIDE, STRIDE, ceil_mode=odd, count_include_pad=False
        )
        small = pooled.shape[-2:]
        weights = self.weigh(to_tokens(pooled)).reshape(-1, places, places)  # B*M*heads 9 9
        weights = torch.softmax(weights * self.scale, dim=-1)
        v = self.to_v(image).reshape(batch, places, self.heads, channels // self.heads, -1)
        v = v.permute(0, 4, 2, 1, 3).reshape(len(weights), places, -1)  # B*M*heads 9 d
        y = torch.bmm(weights, v).reshape(batch, -1, self.heads, places, channels // self.heads)
        y = y.permute(0, 2, 4, 3, 1).reshape(batch, channels * places, *small)  # B C*9 h w
        out: Tensor = self.project(to_tokens(self.overlap(y, height, width)))
        return out


class AtrousQuery(nn.Module):
    """A depthwise 3x3 at three dilations with the same weights, SiLU behind each, added up."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, groups=channels, bias=False)
        self.activate = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to the same."""
        weight, groups = self.conv.weight, self.conv.groups
        y = [
            self.activate(F.conv2d(x, weight, padding=d, dilation=d, groups=groups))
            for d in DILATIONS
        ]
        total: Tensor = y[0] + y[1] + y[2]
        return total


class RecursiveAttention(nn.Module):
    """Attention with atrous queries, whose answer and input are attended to once more."""

    def __init__(self, channels: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.scale = (channels // heads) ** -0.5
        self.attend = Attend(heads)
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.query = AtrousQuery(channels)
        self.to_kv = nn.Linear(channels, 2 * channels, bias=False)
        reduces = reduction > 1
        self.reduce = nn.Conv2d(channels, channels, reduction, reduction) if reduces else None
        self.norm = nn.LayerNorm(channels) if reduces else None
        self.project = nn.Linear(channels, channels)
        self.activate = nn.SiLU()

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        """B N C to B N C."""
        y: Tensor = self.activate(self._attended(x, height, width))
        for _ in range(ROUNDS - 1):
            x = x + y
            y = self.activate(self._attended(x, height, width))
        return y

    def _attended(self, x: Tensor, height: int, width: int) -> Tensor:
        channels, source = x.shape[-1], x
        q = to_tokens(self.query(to_map(self.to_q(x), height, width)))
        if self.reduce is not None and self.norm is not None:
            source = self.norm(to_tokens(self.reduce(to_map(x, height, width))))
        kv = self.to_kv(source)  # B M 2C
        y = self.attend(q * self.scale, kv[..., :channels], kv[..., channels:])
        out: Tensor = self.project(y)
        return out
