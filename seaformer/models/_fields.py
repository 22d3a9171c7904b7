"""``RowFields``: every field of a family's row that ``create_model`` can replace, with its type.

A field that the family's row lacks is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from seaformer.models._backbone import Blocks, SeaFormerRow, StageRow
    from seaformer.models._blocks import BlockRow
    from seaformer.models._mobileformer import DnaRow
    from seaformer.models.mobilenetv3 import BneckRow
    from seaformer.models.mobilenetv4 import StageRows


class RowFields(TypedDict, total=False):
    """Fields of ``SeaFormerRow``, ``PlusRow`` and the rows of the rivals."""

    # SeaFormer, and what its rivals call alike
    stem_channels: int
    quarter: Blocks
    eighth: Blocks
    stages: tuple[StageRow, ...]
    heads: int
    fusion_channels: tuple[int, ...]
    # SeaFormer++ and the ablations
    attention: str
    squeeze: str
    expand: str
    mask: str
    branches: str
    enhance_input: str
    enhance_mode: str
    position_bias: bool
    fusion: str
    head: str
    upsampling: str
    refine_expansion: int
    # Rivals
    attentions: int
    backbone: SeaFormerRow
    block_eps: float
    blocks: tuple[StageRows, ...]
    bnecks: tuple[tuple[BneckRow, ...], ...]
    channels: int
    dense_head: bool
    convolutions: int
    depth: int
    depths: tuple[int, ...]
    detailed: bool
    edge_eps: float
    expansion: int
    expansions: tuple[tuple[int, ...], ...]
    gated: bool
    head_channels: int
    head_counts: tuple[int, ...]
    hidden: int
    key_dim: int
    key_dims: tuple[int, ...]
    last: int
    level_channels: int
    levels: tuple[int, ...]
    lines: tuple[DnaRow, ...]
    low: int
    low_channels: int
    mlp_ratios: tuple[int, ...]
    modules: tuple[int, ...]
    normed_head: bool
    reduced: bool
    rows: tuple[BneckRow, ...]
    scales: tuple[tuple[BlockRow, ...], ...]
    stride: int
    token_channels: int
    token_widths: tuple[int, ...]
    tokens: int
    weights: str
    widened: bool
    width: int
    widths: tuple[int, ...]
