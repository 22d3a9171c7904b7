"""TopFormer: token pyramid transformer, segmentation with its own head or SeaFormer's light one.

Source: Zhang et al., "TopFormer: Token Pyramid Transformer for Mobile Semantic Segmentation"
(CVPR 2022), sections 3.1-3.4; function and checkpoints as hustvl/TopFormer cc0f436 (Apache-2.0).
Sizes T, S, B.

What the text leaves open and the official code does, done here too: attention is not scaled and
has no position embedding; every sigmoid is the hard one; the pooled size is that of the 1/32 map,
halved and rounded up; the 1/4 tokens are pooled but nothing is injected back into them.

The light head of table 13 of the SeaFormer++ paper has no official code. Fusing the three maps
by SeaFormer's fusion blocks of SeaFormer's widths, and keeping the last layers of TopFormer's
head, comes nearest to the table of the readings tried: S 1.194G (1.19), B 1.858G (1.85), but T
0.626G (0.64). It was chosen for that, so the agreement is not evidence for it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.spec import ModelSpec
from seaformer.models._blocks import (
    BlockRow,
    ConvBN,
    FusionBlock,
    InvertedResidual,
    Mlp,
    Network,
    resized,
)
from seaformer.models._official import renamed
from seaformer.models._tags import PaperLine, replaced, spec
from seaformer.models._topformer_names import backbone_prefixes, other_prefixes

VALUE_RATIO = 2  # width of a head's values over that of its keys
MLP_RATIO = 2
Maps = tuple[Tensor, ...]


@dataclass(frozen=True)
class TopFormerRow:
    """One size: ``scales`` are the blocks up to 1/4, 1/8, 1/16 and 1/32 of the image.

    ``fusion_channels`` is empty for TopFormer's own head; ``dense_head`` is whether the head's
    first 1x1 convolution mixes channels.
    """

    scales: tuple[tuple[BlockRow, ...], ...]
    heads: int
    channels: int
    dense_head: bool
    fusion_channels: tuple[int, ...] = ()
    stem_channels: int = 16
    key_dim: int = 16
    depth: int = 4

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the four scales; their sum is the width of the tokens."""
        return tuple(blocks[-1].channels for blocks in self.scales)


class TokenPyramid(nn.Module):
    """Token pyramid module (section 3.1): the image to features at 1/4, 1/8, 1/16 and 1/32."""

    def __init__(self, row: TopFormerRow) -> None:
        super().__init__()
        self.stem = ConvBN(3, row.stem_channels, 3, stride=2)
        rows = [block for blocks in row.scales for block in blocks]
        widths = [row.stem_channels, *(block.channels for block in rows)]
        blocks = (InvertedResidual(c, block) for c, block in zip(widths, rows, strict=False))
        self.scales = nn.ModuleList(
            nn.Sequential(*itertools.islice(blocks, len(scale))) for scale in row.scales
        )

    def forward(self, image: Tensor) -> Maps:
        x = F.relu(self.stem(image))  # B C H/2 W/2
        maps = []
        for scale in self.scales:
            x = scale(x)
            maps.append(x)  # B C H/s W/s, s = 4, 8, 16, 32
        return tuple(maps)


class PyramidPool(nn.Module):
    """Average all scales to half the size of the last, rounded up, and stack their channels."""

    def forward(self, *maps: Tensor) -> Tensor:
        height, width = maps[-1].shape[-2:]
        size = ((height - 1) // 2 + 1, (width - 1) // 2 + 1)
        return torch.cat([F.adaptive_avg_pool2d(x, size) for x in maps], dim=1)  # B C H/64 W/64


class TokenAttention(nn.Module):
    """Attention among all tokens of a map (section 3.2), unscaled: B C H W to B C H W."""

    def __init__(self, channels: int, heads: int, key_dim: int) -> None:
        super().__init__()
        self.key_dim = key_dim
        self.to_q = ConvBN(channels, heads * key_dim)
        self.to_k = ConvBN(channels, heads * key_dim)
        self.to_v = ConvBN(channels, heads * key_dim * VALUE_RATIO)
        self.project = ConvBN(heads * key_dim * VALUE_RATIO, channels)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        tokens, value_dim = height * width, self.key_dim * VALUE_RATIO
        q = self.to_q(x).reshape(-1, self.key_dim, tokens).transpose(1, 2)  # B*h N d
        k = self.to_k(x).reshape(-1, self.key_dim, tokens)  # B*h d N
        v = self.to_v(x).reshape(-1, value_dim, tokens).transpose(1, 2)  # B*h N 2d
        weights = torch.softmax(torch.bmm(q, k), dim=-1)  # B*h N N
        y = torch.bmm(weights, v).transpose(1, 2)  # B*h 2d N
        y = y.reshape(batch, -1, height, width)  # B h*2d H W
        out: Tensor = self.project(F.relu6(y))  # B C H W
        return out


class TokenLayer(nn.Module):
    """Attention and feed-forward network, each added to its input."""

    def __init__(self, channels: int, heads: int, key_dim: int) -> None:
        super().__init__()
        self.attention = TokenAttention(channels, heads, key_dim)
        self.mlp = Mlp(channels, MLP_RATIO)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x)  # B C H W
        y: Tensor = x + self.mlp(x)  # B C H W
        return y


class SemanticsExtractor(nn.Module):
    """Scale-aware semantics extractor (section 3.2): global context of each scale, at 1/64."""

    def __init__(self, row: TopFormerRow) -> None:
        super().__init__()
        channels = sum(row.widths)
        self.bounds = tuple(itertools.accumulate(row.widths))
        self.pool = PyramidPool()
        self.layers = nn.Sequential(
            *(TokenLayer(channels, row.heads, row.key_dim) for _ in range(row.depth))
        )

    def forward(self, *maps: Tensor) -> Maps:
        """Four maps to the context of the last three, each with its map's channels."""
        tokens = self.layers(self.pool(*maps))  # B sum(C) H/64 W/64
        return tuple(tokens[:, a:b] for a, b in itertools.pairwise(self.bounds))


class InjectionBlock(nn.Module):
    """Semantics injection module (section 3.3): local features gated and shifted by global ones."""

    def __init__(self, local_channels: int, channels: int) -> None:
        super().__init__()
        self.local_embedding = ConvBN(local_channels, channels)
        self.global_embedding = ConvBN(local_channels, channels)
        self.global_gate = ConvBN(local_channels, channels)

    def forward(self, local: Tensor, coarse: Tensor) -> Tensor:
        """B C' H W and B C' h w to B C H W."""
        gate = resized(F.hardsigmoid(self.global_gate(coarse)), local)  # B C H W
        shift = resized(self.global_embedding(coarse), local)  # B C H W
        y: Tensor = self.local_embedding(local) * gate + shift
        return y


class Injection(nn.Module):
    """One injection block per scale from 1/8 on."""

    def __init__(self, widths: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(InjectionBlock(width, channels) for width in widths)

    def forward(self, *maps: Tensor) -> Maps:
        """Three local maps, then the three of their context; the three, injected."""
        local, coarse = maps[: len(self.blocks)], maps[len(self.blocks) :]
        return tuple(block(x, y) for block, x, y in zip(self.blocks, local, coarse, strict=True))


class SimpleHead(nn.Module):
    """TopFormer's head (section 3.4): the sum of all maps at 1/8, then two 1x1 convolutions."""

    def __init__(self, channels: int, classes: int, *, dense: bool) -> None:
        super().__init__()
        self.fuse = ConvBN(channels, channels, groups=1 if dense else channels)
        self.classify = nn.Conv2d(channels, classes, 1)

    def forward(self, finest: Tensor, *coarser: Tensor) -> Tensor:
        """B C H/8 W/8 and coarser maps to B classes H/8 W/8."""
        logits: Tensor = self.classify(F.relu(self.fuse(self.combine(finest, *coarser))))
        return logits

    def combine(self, finest: Tensor, *coarser: Tensor) -> Tensor:
        """B C H/8 W/8 and coarser maps to B C' H/8 W/8."""
        for x in coarser:
            finest = finest + resized(x, finest)
        return finest


class FusedHead(SimpleHead):
    """SeaFormer's light head on TopFormer: fusion blocks instead of the sum."""

    def __init__(self, widths: tuple[int, ...], classes: int, *, dense: bool) -> None:
        super().__init__(widths[-1], classes, dense=dense)
        self.fusion = nn.ModuleList(
            FusionBlock(local, widths[0], fused) for local, fused in itertools.pairwise(widths)
        )

    def combine(self, finest: Tensor, *coarser: Tensor) -> Tensor:
        for block, x in zip(self.fusion, coarser, strict=True):
            finest = block(finest, x)
        return finest


class TopFormer(Network):
    """Image B 3 H W to logits B classes H/8 W/8."""

    COMPONENTS = ("pyramid", "context", "injection", "head")
    DAMPED = ("to_q", "to_k", "mlp.fc2", "attention.project")  # see Network.DAMPED
    DAMPED_TO = (0.1, 0.2)  # attention is not scaled: what others divide by, q and k start without

    def __init__(self, row: TopFormerRow, classes: int) -> None:
        super().__init__()
        self.pyramid = TokenPyramid(row)
        self.context = SemanticsExtractor(row)
        self.injection = Injection(row.widths[1:], row.channels)
        self.head = _head(row, classes)

    def forward(self, image: Tensor) -> Tensor:
        maps = self.pyramid(image)
        context = self.context(*maps)
        logits: Tensor = self.head(*self.injection(*maps[1:], *context))
        return logits


def _head(row: TopFormerRow, classes: int) -> SimpleHead:
    if row.fusion_channels:
        widths = (row.channels, *row.fusion_channels)
        return FusedHead(widths, classes, dense=row.dense_head)
    return SimpleHead(row.channels, classes, dense=row.dense_head)


# Renaming: our module prefixes to those of the official checkpoints ---------------------------


def official_keys(network: TopFormer) -> dict[str, str]:
    """Our state-dict key -> the key of the official checkpoint, for every key of ``network``."""
    keys = network.state_dict()
    backbone = {ours: f"backbone.{theirs}" for ours, theirs in backbone_prefixes(keys)}
    return renamed(network, backbone, conv="c") | renamed(network, dict(other_prefixes(keys)))


# Rows -----------------------------------------------------------------------------------------


def _scales(*scales: tuple[tuple[int, int, int, int], ...]) -> tuple[tuple[BlockRow, ...], ...]:
    return tuple(tuple(BlockRow(*row) for row in scale) for scale in scales)


_TINY = TopFormerRow(
    scales=_scales(
        ((3, 1, 16, 1), (3, 4, 16, 2), (3, 3, 16, 1)),
        ((5, 3, 32, 2), (5, 3, 32, 1)),
        ((3, 3, 64, 2), (3, 3, 64, 1)),
        ((5, 6, 96, 2), (5, 6, 96, 1)),
    ),
    heads=4,
    channels=128,
    dense_head=False,
)
_SMALL = TopFormerRow(
    scales=_scales(
        ((3, 1, 16, 1), (3, 4, 24, 2), (3, 3, 24, 1)),
        ((5, 3, 48, 2), (5, 3, 48, 1)),
        ((3, 3, 96, 2), (3, 3, 96, 1)),
        ((5, 6, 128, 2), (5, 6, 128, 1), (3, 6, 128, 1)),
    ),
    heads=6,
    channels=192,
    dense_head=True,
)
_BASE = TopFormerRow(
    scales=_scales(
        ((3, 1, 16, 1), (3, 4, 32, 2), (3, 3, 32, 1)),
        ((5, 3, 64, 2), (5, 3, 64, 1)),
        ((3, 3, 128, 2), (3, 3, 128, 1)),
        ((5, 6, 160, 2), (5, 6, 160, 1), (3, 6, 160, 1)),
    ),
    heads=8,
    channels=256,
    dense_head=True,
)
SIZES = {"t": _TINY, "s": _SMALL, "b": _BASE}
CITYSCAPES_CHANNELS = 128  # the official Cityscapes files are of a narrower base model
LIGHT = {"t": (64, 96), "s": (96, 128), "b": (128, 160)}  # SeaFormer's widths, table 1
_LONG = {"t": "Tiny", "s": "Small", "b": "Base"}
_EVERY_SIZE = ("pascal_context", "pascal_context_59", "coco_stuff")
TAGS_OF = {
    "t": ("ade20k", "ade20k_448", *_EVERY_SIZE),
    "s": ("ade20k", *_EVERY_SIZE),
    "b": ("ade20k", "cityscapes", "cityscapes_half", *_EVERY_SIZE),
}


def _published(size: str, tag: str) -> PaperLine | None:
    """The paper's line for TopFormer's own head."""
    name = f"TopFormer-{size.upper()}"
    backbone = {"backbone": name}
    lines = {
        "ade20k": PaperLine("ade20k", {"backbone": f"{name}*"}, "mIoU", "miou", table16=name),
        "cityscapes": PaperLine(
            "cityscapes", {"method": "Simple Head(f)"} | backbone, "mIoU val", "miou_val"
        ),
        "cityscapes_half": PaperLine(
            "cityscapes", {"method": "Simple Head(h)"} | backbone, "mIoU val", "miou_val"
        ),
        "pascal_context": PaperLine("pascal_context", backbone, "mIoU", "miou_60"),
        "pascal_context_59": PaperLine("pascal_context", backbone, "mIoU", "miou_59"),
        "coco_stuff": PaperLine("coco_stuff", backbone, "mIoU", "miou"),
    }
    return lines.get(tag)


def specs() -> Iterator[ModelSpec]:
    """Every model of this file: each size with its tags, and with the light head on ADE20K."""
    for size, tags in TAGS_OF.items():
        for tag in tags:
            yield spec("topformer", size, tag, stride=8, published=_published(size, tag))
    for size in SIZES:
        cells = {"backbone": f"Topformer-{_LONG[size]}*", "head": "Light head"}
        published = PaperLine("heads", cells, "mIoU", "miou")
        yield spec("topformer", f"{size}_light", "ade20k", stride=8, published=published)


def build(spec: ModelSpec, **fields: object) -> TopFormer:
    """The network of ``spec``; ``fields`` of ``TopFormerRow`` replace those of its row."""
    size, _, light = spec.name.partition(".")[0].removeprefix("topformer_").partition("_")
    row = SIZES[size]
    if light:
        row = replaced(row, {"fusion_channels": LIGHT[size]})
    if spec.dataset == "cityscapes":
        row = replaced(row, {"channels": CITYSCAPES_CHANNELS})
    return TopFormer(replaced(row, fields), spec.classes)
