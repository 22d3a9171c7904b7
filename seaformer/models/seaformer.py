"""SeaFormer: segmentation with the light head, and classification. Sizes T, S, B, L.

Source: Wan et al., "SeaFormer++: Squeeze-enhanced Axial Transformer for Mobile Visual
Recognition", sections 3.1-3.2.5, figure 2 and table 1; function and checkpoints as
fudan-zvg/SeaFormer 9718d05 (Apache-2.0). The "++" variants are not here.

In reading order: layer and stage, the three branches, the two networks, the renaming table for
official checkpoints, the rows (sizes, tags). Stochastic depth and dropout (0.1 each in official
training, without effect at inference) are not here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.errors import UsageError
from seaformer.core.spec import ModelSpec
from seaformer.models._blocks import (
    BlockRow,
    ConvBN,
    FusionBlock,
    Mlp,
    Network,
    inverted_residuals,
)
from seaformer.models._heads import Classifier, LightHead
from seaformer.models._sea_attention import SeaAttention
from seaformer.models._tags import CLASSIFICATION, SEGMENTATION, TAGS, Published, replaced, spec

Blocks = tuple[BlockRow, ...]
_DAMPED = ("to_q", "to_k", "mlp.fc2", "detail.project")  # see Network.DAMPED


class StageRow(NamedTuple):
    """One stage of the context branch: MobileNetV2 blocks, then ``depth`` SeaFormer layers."""

    blocks: Blocks
    depth: int = 0
    key_dim: int = 0
    mlp_ratio: int = 0


@dataclass(frozen=True)
class SeaFormerRow:
    """One column of table 1, with what the table leaves out (key widths, MLP ratios, head)."""

    stem_channels: int
    quarter: Blocks
    eighth: Blocks
    stages: tuple[StageRow, ...]
    heads: int
    fusion_channels: tuple[int, ...]

    def __post_init__(self) -> None:
        stages = sum(1 for stage in self.stages if stage.depth)
        if len(self.fusion_channels) != stages:
            seen = len(self.fusion_channels)
            raise UsageError(f"fusion_channels has {stages} numbers, one per stage, not {seen}.")


class SeaFormerLayer(nn.Module):
    """Attention and feed-forward network, each added to its input (figure 3)."""

    def __init__(self, channels: int, heads: int, key_dim: int, mlp_ratio: int) -> None:
        super().__init__()
        self.attention = SeaAttention(channels, heads, key_dim)
        self.mlp = Mlp(channels, mlp_ratio)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x)  # B C H W
        y: Tensor = x + self.mlp(x)  # B C H W
        return y


class Stem(nn.Module):
    """Shared stem: the image to features at 1/8 (stages 1-3 of table 1)."""

    def __init__(self, row: SeaFormerRow) -> None:
        super().__init__()
        self.conv = ConvBN(3, row.stem_channels, 3, stride=2)
        self.quarter = inverted_residuals(row.stem_channels, row.quarter)
        self.eighth = inverted_residuals(row.quarter[-1].channels, row.eighth)

    def forward(self, image: Tensor) -> Tensor:
        x = F.relu(self.conv(image))  # B C H/2 W/2
        y: Tensor = self.eighth(self.quarter(x))  # B C H/8 W/8
        return y


class ContextStage(nn.Module):
    """One stage of the context branch: halve the map, then global context at that scale."""

    def __init__(self, channels_in: int, row: StageRow, heads: int) -> None:
        super().__init__()
        channels = row.blocks[-1].channels
        self.blocks = inverted_residuals(channels_in, row.blocks)
        self.layers = nn.Sequential(
            *(SeaFormerLayer(channels, heads, row.key_dim, row.mlp_ratio) for _ in range(row.depth))
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(self.blocks(x))  # B C H/2 W/2
        return y


class ContextBranch(nn.Module):
    """Context branch (section 3.1.1): 1/16, 1/32 and 1/64; returns the stages with attention."""

    def __init__(self, channels_in: int, rows: tuple[StageRow, ...], heads: int) -> None:
        super().__init__()
        widths = (channels_in, *(row.blocks[-1].channels for row in rows))
        self.stages = nn.ModuleList(
            ContextStage(c, row, heads) for c, row in zip(widths, rows, strict=False)
        )
        self.returned = tuple(i for i, row in enumerate(rows) if row.depth)

    def forward(self, x8: Tensor) -> tuple[Tensor, ...]:
        """B C H/8 W/8 to one B C' H/s W/s per returned stage; T, S, B: s = 32, 64."""
        outputs = []
        for stage in self.stages:
            x8 = stage(x8)
            outputs.append(x8)
        return tuple(outputs[i] for i in self.returned)


class SpatialBranch(nn.Module):
    """Spatial branch (section 3.1.2): the 1/8 features, fused with each stage in turn."""

    def __init__(self, local: int, coarse: tuple[int, ...], fused: tuple[int, ...]) -> None:
        super().__init__()
        widths = zip((local, *fused), coarse, fused, strict=False)
        self.fuse = nn.ModuleList(FusionBlock(*triple) for triple in widths)

    def forward(self, x8: Tensor, *stages: Tensor) -> Tensor:
        """B C H/8 W/8 and the context branch's outputs to B C' H/8 W/8."""
        for block, stage in zip(self.fuse, stages, strict=True):
            x8 = block(x8, stage)
        return x8


class SeaFormer(Network):
    """Segmentation network (figure 2): image B 3 H W to logits B classes H/8 W/8."""

    COMPONENTS = ("stem", "context", "spatial", "head")
    DAMPED = _DAMPED

    def __init__(self, row: SeaFormerRow, classes: int) -> None:
        super().__init__()
        local = row.eighth[-1].channels
        coarse = tuple(stage.blocks[-1].channels for stage in row.stages if stage.depth)
        self.stem = Stem(row)
        self.context = ContextBranch(local, row.stages, row.heads)
        self.spatial = SpatialBranch(local, coarse, row.fusion_channels)
        self.head = LightHead(row.fusion_channels[-1], classes)

    def forward(self, image: Tensor) -> Tensor:
        x8 = self.stem(image)  # B C H/8 W/8
        stages = self.context(x8)  # B C' H/s W/s each
        logits: Tensor = self.head(self.spatial(x8, *stages))  # B classes H/8 W/8
        return logits


class SeaFormerClassifier(Network):
    """Classification network (section 3.2.5): image B 3 H W to logits B classes."""

    COMPONENTS = ("stem", "context", "head")
    DAMPED = _DAMPED

    def __init__(self, row: SeaFormerRow, classes: int) -> None:
        super().__init__()
        self.stem = Stem(row)
        self.context = ContextBranch(row.eighth[-1].channels, row.stages, row.heads)
        self.head = Classifier(row.stages[-1].blocks[-1].channels, classes)

    def forward(self, image: Tensor) -> Tensor:
        stages = self.context(self.stem(image))  # B C' H/s W/s each
        logits: Tensor = self.head(stages[-1])  # B classes
        return logits


AnySeaFormer = SeaFormer | SeaFormerClassifier


# Renaming: our module prefixes to those of the official checkpoints ---------------------------

_LAYER = {
    "attention.to_q": "attn.to_q",
    "attention.to_k": "attn.to_k",
    "attention.to_v": "attn.to_v",
    "attention.rows.q_position.table": "attn.pos_emb_rowq.pos_embed",
    "attention.rows.k_position.table": "attn.pos_emb_rowk.pos_embed",
    "attention.rows.encode": "attn.proj_encode_row.1",
    "attention.columns.q_position.table": "attn.pos_emb_columnq.pos_embed",
    "attention.columns.k_position.table": "attn.pos_emb_columnk.pos_embed",
    "attention.columns.encode": "attn.proj_encode_column.1",
    "attention.project": "attn.proj.1",
    "attention.detail.depthwise": "attn.dwconv",
    "attention.detail.project": "attn.pwconv",
    "mlp.fc1": "mlp.fc1",
    "mlp.depthwise": "mlp.dwconv",
    "mlp.fc2": "mlp.fc2",
}


def official_keys(network: AnySeaFormer) -> dict[str, str]:
    """Our state-dict key -> the key of the official checkpoint, for every key of ``network``."""
    segments = isinstance(network, SeaFormer)
    prefixes = {o: f"backbone.{t}" if segments else t for o, t in _backbone_prefixes(network)}
    prefixes |= dict(_head_prefixes(network))
    keys = {}
    for key in network.state_dict():
        ours = next(prefix for prefix in prefixes if key == prefix or key.startswith(prefix + "."))
        rest = key.removeprefix(ours)
        if not key.startswith(("spatial.", "head.")):
            rest = rest.replace(".conv.", ".c.")
        keys[key] = prefixes[ours] + rest
    return keys


def _backbone_prefixes(network: AnySeaFormer) -> Iterator[tuple[str, str]]:
    yield "stem.conv", "smb1.stem_block.0"
    yield from _block_prefixes("stem.quarter", "smb1", network.stem.quarter)
    yield from _block_prefixes("stem.eighth", "smb2", network.stem.eighth)
    transformers = 0  # counted from the first stage that has layers
    for s, stage in enumerate(network.context.stages):
        assert isinstance(stage, ContextStage)
        yield from _block_prefixes(f"context.stages.{s}.blocks", f"smb{s + 3}", stage.blocks)
        transformers += bool(stage.layers)
        for i, (ours, theirs) in itertools.product(range(len(stage.layers)), _LAYER.items()):
            official = f"trans{transformers}.transformer_blocks.{i}.{theirs}"
            yield f"context.stages.{s}.layers.{i}.{ours}", official


def _block_prefixes(ours: str, theirs: str, blocks: nn.Module) -> Iterator[tuple[str, str]]:
    """The official block is one list with its activations, and starts later without expansion."""
    for i, block in enumerate(blocks.children()):
        for j, (part, _) in enumerate(block.named_children()):  # [expand,] depthwise, project
            yield f"{ours}.{i}.{part}", f"{theirs}.layer{i + 1}.conv.{2 * j}"


def _head_prefixes(network: AnySeaFormer) -> Iterator[tuple[str, str]]:
    if isinstance(network, SeaFormerClassifier):
        yield "head.classify", "linear"
        return
    for i in range(len(network.spatial.fuse)):
        official = f"decode_head.fuse{i + 1}"
        yield f"spatial.fuse.{i}.local_embedding", f"{official}.local_embedding"
        yield f"spatial.fuse.{i}.global_gate", f"{official}.global_act"
    yield "head.scale", "decode_head.linear_fuse"
    yield "head.classify", "decode_head.conv_seg"


# Rows: sizes are the columns of table 1, tags are data set, head and input size -----------------


def _blocks(*rows: tuple[int, int, int, int]) -> Blocks:
    return tuple(BlockRow(*row) for row in rows)


_TINY = SeaFormerRow(
    stem_channels=16,
    quarter=_blocks((3, 1, 16, 1), (3, 4, 16, 2), (3, 3, 16, 1)),
    eighth=_blocks((5, 3, 32, 2), (5, 3, 32, 1)),
    stages=(
        StageRow(_blocks((3, 3, 64, 2), (3, 3, 64, 1))),
        StageRow(_blocks((5, 3, 128, 2)), depth=2, key_dim=16, mlp_ratio=2),
        StageRow(_blocks((3, 6, 160, 2)), depth=2, key_dim=24, mlp_ratio=4),
    ),
    heads=4,
    fusion_channels=(64, 96),
)
_SMALL = SeaFormerRow(
    stem_channels=16,
    quarter=_blocks((3, 1, 16, 1), (3, 4, 24, 2), (3, 3, 24, 1)),
    eighth=_blocks((5, 3, 48, 2), (5, 3, 48, 1)),
    stages=(
        StageRow(_blocks((3, 3, 96, 2), (3, 3, 96, 1))),
        StageRow(_blocks((5, 4, 160, 2)), depth=3, key_dim=16, mlp_ratio=2),
        StageRow(_blocks((3, 6, 192, 2)), depth=3, key_dim=24, mlp_ratio=4),
    ),
    heads=6,
    fusion_channels=(96, 128),
)
_BASE = SeaFormerRow(
    stem_channels=16,
    quarter=_blocks((3, 1, 16, 1), (3, 4, 32, 2), (3, 3, 32, 1)),
    eighth=_blocks((5, 3, 64, 2), (5, 3, 64, 1)),
    stages=(
        StageRow(_blocks((3, 3, 128, 2), (3, 3, 128, 1))),
        StageRow(_blocks((5, 4, 192, 2)), depth=4, key_dim=16, mlp_ratio=2),
        StageRow(_blocks((3, 6, 256, 2)), depth=4, key_dim=24, mlp_ratio=4),
    ),
    heads=8,
    fusion_channels=(128, 160),
)
_LARGE = SeaFormerRow(
    stem_channels=32,
    quarter=_blocks((3, 3, 32, 1), (3, 4, 64, 2), (3, 4, 64, 1)),
    eighth=_blocks((5, 4, 128, 2), (5, 4, 128, 1)),
    stages=(
        StageRow(_blocks((3, 4, 192, 2), (3, 4, 192, 1)), depth=3, key_dim=16, mlp_ratio=2),
        StageRow(_blocks((5, 4, 256, 2)), depth=3, key_dim=20, mlp_ratio=4),
        StageRow(_blocks((3, 6, 320, 2)), depth=3, key_dim=24, mlp_ratio=6),
    ),
    heads=8,
    fusion_channels=(128, 160, 192),
)
SIZES = {"t": _TINY, "s": _SMALL, "b": _BASE, "l": _LARGE}

NETWORKS: dict[str, type[AnySeaFormer]] = {
    SEGMENTATION: SeaFormer,
    CLASSIFICATION: SeaFormerClassifier,
}


def _published(size: str) -> dict[str, Published]:
    """The paper's lines for one size by tag; not every size was evaluated on every data set."""
    name = f"SeaFormer-{size.upper()}"
    backbone, star = {"backbone": name}, {"backbone": f"{name}*"}  # *: trained with batch 32
    half, full = {"method": "Light Head(h)"} | backbone, {"method": "Light Head(f)"} | backbone
    lines = (
        ("tsbl", "ade20k", Published("ade20k", star, "mIoU", "miou", fp16=name)),
        ("sb", "cityscapes", Published("cityscapes", full, "mIoU val", "miou_val")),
        ("sb", "cityscapes_half", Published("cityscapes", half, "mIoU val", "miou_val")),
        ("tsb", "pascal_context", Published("pascal_context", backbone, "mIoU", "miou_60")),
        ("tsb", "pascal_context_59", Published("pascal_context", backbone, "mIoU", "miou_59")),
        ("tsb", "coco_stuff", Published("coco_stuff", backbone, "mIoU", "miou")),
        ("tsbl", "imagenet", Published("imagenet", {"model": name}, "top-1", "top1")),
    )
    return {tag: line for sizes, tag, line in lines if size in sizes}


def specs() -> Iterator[ModelSpec]:
    """Every model of this file: each size with each tag."""
    for size in SIZES:
        published = _published(size)
        for tag in TAGS:
            yield spec("seaformer", size, tag, stride=8, published=published.get(tag))


def build(spec: ModelSpec, **fields: object) -> AnySeaFormer:
    """The network of ``spec``; ``fields`` of ``SeaFormerRow`` replace those of its row."""
    size = spec.name.partition(".")[0].removeprefix("seaformer_")
    return NETWORKS[spec.task](replaced(SIZES[size], fields), spec.classes)
