"""Squeeze-enhanced axial attention with its parts to choose: SeaFormer++ and the paper's ablations.

Source: SeaFormer++ paper, section 3.2 and tables 6, 7, 9 and 12. With ``squeeze="mean"`` and
``expand="broadcast"`` it is ``_sea_attention.SeaAttention``, weight for weight. Squeezing is in
``_squeeze.py``, the attention of others in ``_attention_kinds.py``.

Shapes: B batch, C channels, H W height and width, h heads, d key width of a head.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.errors import UsageError
from seaformer.models._attention_kinds import KINDS
from seaformer.models._blocks import ConvBN
from seaformer.models._sea_attention import VALUE_RATIO, AxisAttention, DetailEnhancement
from seaformer.models._squeeze import (
    AdaptiveExpand,
    AdaptiveSqueeze,
    BroadcastExpand,
    PooledSqueeze,
)

_CHOICES = {
    "attention": ("sea", *KINDS),
    "squeeze": ("adaptive", "mean", "max"),
    "expand": ("adaptive", "broadcast"),
    "mask": ("head", "one"),
    "branches": ("both", "axial", "detail"),
    "enhance_input": ("qkv", "conv", "upconv"),
    "enhance_mode": ("multiply", "add"),
}


@dataclass(frozen=True)
class AttentionRow:
    """What a layer's attention is made of; the defaults are SeaFormer++.

    ``attention``: "sea", or one of table 9's others. ``squeeze``, ``expand``: table 7. ``mask``: a
    mask per "head" or "one" (``_squeeze.py``). ``branches``, ``enhance_input``, ``enhance_mode``:
    table 6. ``position_bias``: table 12. Raises ``UsageError`` for an unknown choice.
    """

    attention: str = "sea"
    squeeze: str = "adaptive"
    expand: str = "adaptive"
    mask: str = "head"
    branches: str = "both"
    enhance_input: str = "qkv"
    enhance_mode: str = "multiply"
    position_bias: bool = True

    def __post_init__(self) -> None:
        check_choices(self, _CHOICES)

    def build(self, channels: int, heads: int, key_dim: int) -> nn.Module:
        """The attention of one layer."""
        if self.attention == "sea":
            return PlusAttention(channels, heads, key_dim, self)
        return KINDS[self.attention](channels, heads, key_dim)


def check_choices(row: object, choices: dict[str, tuple[str, ...]]) -> None:
    """Raise ``UsageError`` for a field that is none of its choices."""
    for name, known in choices.items():
        value = getattr(row, name)
        if value not in known:
            raise UsageError(f"{name} cannot be {value!r}. Known: {', '.join(known)}.")


class PlusAttention(nn.Module):
    """Squeeze-enhanced axial attention: B C H W in, B C H W out, for any H and W."""

    def __init__(self, channels: int, heads: int, key_dim: int, row: AttentionRow) -> None:
        super().__init__()
        qk_channels = heads * key_dim
        v_channels = qk_channels * VALUE_RATIO
        self.multiplies = row.enhance_mode == "multiply"
        self.to_q = ConvBN(channels, qk_channels)
        self.to_k = ConvBN(channels, qk_channels)
        self.to_v = ConvBN(channels, v_channels)
        self.axial = row.branches != "detail"
        if self.axial:
            masks = heads if row.mask == "head" else 1
            adaptive = row.squeeze == "adaptive"
            self.squeeze = (
                AdaptiveSqueeze(channels, masks) if adaptive else PooledSqueeze(row.squeeze)
            )
            self.rows = AxisAttention(heads, key_dim, positions=row.position_bias)
            self.columns = AxisAttention(heads, key_dim, positions=row.position_bias)
            spread = row.expand == "adaptive"
            self.expand = AdaptiveExpand(channels, masks) if spread else BroadcastExpand()
            self.project = ConvBN(v_channels, channels)
        self.detail: DetailEnhancement | InputEnhancement | None = None
        if row.enhance_input == "qkv" and row.branches != "axial":
            self.detail = DetailEnhancement(2 * qk_channels + v_channels, channels)
        elif row.branches != "axial":
            wide = 2 * qk_channels + v_channels
            width = wide if row.enhance_input == "upconv" else channels
            self.detail = InputEnhancement(channels, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.to_q(x), self.to_k(x), self.to_v(x)  # B h*d H W, B h*d H W, B h*2d H W
        detail = self._enhance(x, q, k, v)  # B C H W
        if not self.axial:
            assert detail is not None
            return detail
        rows, columns = self.squeeze(x, q, k, v)
        y_rows = self.rows(*rows)  # B h*2d H 1
        y_columns = self.columns(*columns).transpose(2, 3)  # B h*2d 1 W
        y = self.project(F.relu6(self.expand(x, y_rows, y_columns) + v))  # B C H W
        if detail is None:
            axial: Tensor = y
            return axial
        out: Tensor = F.hardsigmoid(y) * detail if self.multiplies else y + detail
        return out

    def _enhance(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor | None:
        if self.detail is None:
            return None
        inputs = (q, k, v) if isinstance(self.detail, DetailEnhancement) else (x,)
        detail: Tensor = self.detail(*inputs)
        return detail


class InputEnhancement(nn.Module):
    """Detail enhancement from x itself, by a convolution of its own (table 6: conv(x), upconv(x)).

    conv(x) keeps the channels; upconv(x) makes as many as q, k and v have together.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.embed = ConvBN(channels, width)
        self.depthwise = ConvBN(width, width, 3, groups=width)
        self.project = ConvBN(width, channels)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C H W."""
        detail: Tensor = self.project(F.relu6(self.depthwise(self.embed(x))))
        return detail


def attention_of(row: AttentionRow) -> AttentionRow:
    """The attention's own fields of a row that has more."""
    return AttentionRow(**{f.name: getattr(row, f.name) for f in fields(AttentionRow)})
