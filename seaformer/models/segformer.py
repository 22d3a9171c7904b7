"""SegFormer: MiT-B0..B5 with the all-MLP head.

Source: Xie et al., "SegFormer: Simple and Efficient Design for Semantic Segmentation with
Transformers" (NeurIPS 2021), sections 3.1-3.2 and table 6. Written from the paper; the official
code's licence is non-commercial and none of it is here. Names of weights and epsilons are facts
about official checkpoints.

Four layouts of checkpoints load: the official one, Hugging Face's, mmsegmentation's, PaddleViT's.
The last two have another head and one epsilon throughout, 1e-6 and 1e-5, so they are rows of their
own: ``segformer_b0_mmseg`` and ``segformer_b0_paddlevit``. How
that head differs (a norm per scale, 256 channels, maps in the order 1/4 to 1/32) is not in the
paper; it is what mmsegmentation's ``SegformerHead`` does. Trained weights of the first two
come under NVIDIA's licence: research and evaluation only.

In the order of reading: attention, feed-forward network, stage, heads, network, names of weights,
rows. Dropout and stochastic depth (training only) are not here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.spec import ModelSpec
from seaformer.models import _paddlevit
from seaformer.models._blocks import ConvBN, Network
from seaformer.models._official import renamed
from seaformer.models._segformer_layouts import official_state
from seaformer.models._tags import PaperLine, replaced, spec
from seaformer.models._tokens import Attend, to_map, to_tokens

__all__ = ["SIZES", "SegFormer", "build", "official_keys", "official_state", "specs"]

HEADS = (1, 2, 5, 8)
REDUCTIONS = (8, 4, 2, 1)  # side of the window that becomes one key, per stage
MLP_RATIO = 4
# Official code sets it in blocks and at the end of stages, and leaves torch's 1e-5 elsewhere.
BLOCK_EPS = 1e-6


@dataclass(frozen=True)
class SegFormerRow:
    """One size: widths and depths of the four stages, width of the head.

    ``edge_eps`` is the epsilon of the norms behind patch embeddings and reduced keys,
    ``block_eps`` that of the others.
    """

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    head_channels: int
    normed_head: bool = False
    edge_eps: float = 1e-5
    block_eps: float = BLOCK_EPS


class ReducedAttention(nn.Module):
    """Efficient self-attention (section 3.1): keys and values from a map reduced R times.

    Source: equation 2 of the paper; the reduction is a convolution of kernel and stride R.
    """

    def __init__(self, channels: int, heads: int, reduction: int, eps: float) -> None:
        super().__init__()
        self.scale = float((channels // heads) ** -0.5)
        self.attend = Attend(heads)
        self.to_q = nn.Linear(channels, channels)
        self.to_kv = nn.Linear(channels, 2 * channels)
        self.project = nn.Linear(channels, channels)
        self.reduce = nn.Conv2d(channels, channels, reduction, reduction) if reduction > 1 else None
        self.norm = nn.LayerNorm(channels, eps=eps) if reduction > 1 else None

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        """B N C to B N C, N = height * width."""
        source = x
        if self.reduce is not None and self.norm is not None:
            source = self.norm(to_tokens(self.reduce(to_map(x, height, width))))  # B N/R^2 C
        k, v = self.to_kv(source).chunk(2, dim=-1)  # B N/R^2 C each
        out: Tensor = self.project(self.attend(self.to_q(x) * self.scale, k, v))  # B N C
        return out


class MixMlp(nn.Module):
    """Mix-FFN (section 3.1, equation 3): linear, depthwise 3x3 (with bias), GELU, linear."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels * MLP_RATIO
        self.fc1 = nn.Linear(channels, hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.activate = nn.GELU()
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        """B N C to B N C."""
        hidden = self.depthwise(to_map(self.fc1(x), height, width))  # B 4C H W
        out: Tensor = self.fc2(self.activate(to_tokens(hidden)))  # B N C
        return out


class SegFormerLayer(nn.Module):
    """Attention and feed-forward network, each behind a norm and added to its input."""

    def __init__(self, channels: int, heads: int, reduction: int, row: SegFormerRow) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=row.block_eps)
        self.attention = ReducedAttention(channels, heads, reduction, row.edge_eps)
        self.norm2 = nn.LayerNorm(channels, eps=row.block_eps)
        self.mlp = MixMlp(channels)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        x = x + self.attention(self.norm1(x), height, width)  # B N C
        y: Tensor = x + self.mlp(self.norm2(x), height, width)  # B N C
        return y


class SegFormerStage(nn.Module):
    """Overlapping patches (section 3.1) of the map before, layers, a norm."""

    def __init__(self, channels_in: int, row: SegFormerRow, index: int) -> None:
        super().__init__()
        channels, first = row.widths[index], index == 0
        kernel, stride = (7, 4) if first else (3, 2)
        self.embed = nn.Conv2d(channels_in, channels, kernel, stride, kernel // 2)
        self.embed_norm = nn.LayerNorm(channels, eps=row.edge_eps)
        self.layers = nn.ModuleList(
            SegFormerLayer(channels, HEADS[index], REDUCTIONS[index], row)
            for _ in range(row.depths[index])
        )
        self.norm = nn.LayerNorm(channels, eps=row.block_eps)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C' H/s W/s, s = 4 in the first stage and 2 in the others."""
        x = self.embed(x)  # B C' H/s W/s
        height, width = x.shape[-2:]
        tokens = self.embed_norm(to_tokens(x))  # B N C'
        for layer in self.layers:
            tokens = layer(tokens, height, width)
        return to_map(self.norm(tokens), height, width)


class MixTransformer(nn.Module):
    """MiT: the image to maps at 1/4, 1/8, 1/16 and 1/32."""

    def __init__(self, row: SegFormerRow) -> None:
        super().__init__()
        widths = (3, *row.widths)
        self.stages = nn.ModuleList(SegFormerStage(c, row, i) for i, c in enumerate(widths[:-1]))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        maps = []
        for stage in self.stages:
            image = stage(image)
            maps.append(image)
        return tuple(maps)


class MlpHead(nn.Module):
    """All-MLP decoder (section 3.2): every map to one width and to 1/4, fused, classified."""

    def __init__(self, row: SegFormerRow, classes: int) -> None:
        super().__init__()
        channels = row.head_channels
        self.project = nn.ModuleList(nn.Linear(width, channels) for width in row.widths)
        self.fuse = ConvBN(channels * len(row.widths), channels)
        self.classify = nn.Conv2d(channels, classes, 1)

    def forward(self, *maps: Tensor) -> Tensor:
        """Four maps to B classes H/4 W/4; they are stacked from the coarsest to the finest."""
        size = maps[0].shape[-2:]
        projected = []
        for linear, x in zip(self.project, maps, strict=True):
            y = to_map(linear(to_tokens(x)), *x.shape[-2:])  # B C h w
            projected.append(F.interpolate(y, size=size, mode="bilinear", align_corners=False))
        fused = F.relu(self.fuse(torch.cat(projected[::-1], dim=1)))  # B C H/4 W/4
        logits: Tensor = self.classify(fused)
        return logits


class NormedHead(nn.Module):
    """mmsegmentation's decoder: convolution, norm, ReLU per map; stacked finest first."""

    def __init__(self, row: SegFormerRow, classes: int) -> None:
        super().__init__()
        channels = row.head_channels
        self.project = nn.ModuleList(ConvBN(width, channels) for width in row.widths)
        self.fuse = ConvBN(channels * len(row.widths), channels)
        self.classify = nn.Conv2d(channels, classes, 1)

    def forward(self, *maps: Tensor) -> Tensor:
        """Four maps to B classes H/4 W/4."""
        size = maps[0].shape[-2:]
        projected = [
            F.interpolate(F.relu(conv(x)), size=size, mode="bilinear", align_corners=False)
            for conv, x in zip(self.project, maps, strict=True)
        ]
        logits: Tensor = self.classify(F.relu(self.fuse(torch.cat(projected, dim=1))))
        return logits


class SegFormer(Network):
    """Image B 3 H W to logits B classes H/4 W/4; ``names`` is whose checkpoints it is for."""

    COMPONENTS = ("encoder", "head")

    def __init__(self, row: SegFormerRow, classes: int, names: str = "") -> None:
        super().__init__()
        self.names = names
        self.encoder = MixTransformer(row)
        self.head = NormedHead(row, classes) if row.normed_head else MlpHead(row, classes)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(*self.encoder(image))
        return logits


# Names of weights: ours to those of the official checkpoints -----------------------------------

_LAYER = {
    "norm1": "norm1",
    "attention.to_q": "attn.q",
    "attention.to_kv": "attn.kv",
    "attention.project": "attn.proj",
    "attention.reduce": "attn.sr",
    "attention.norm": "attn.norm",
    "norm2": "norm2",
    "mlp.fc1": "mlp.fc1",
    "mlp.depthwise": "mlp.dwconv.dwconv",
    "mlp.fc2": "mlp.fc2",
}


def official_keys(network: SegFormer) -> dict[str, str]:
    """Our state-dict key -> the key of the official checkpoint, for every key of ``network``.

    mmsegmentation's head has names of its own; its backbone is renamed on reading.
    """
    return renamed(network, dict(_prefixes(network)))


def _prefixes(network: SegFormer) -> Iterator[tuple[str, str]]:
    if network.names == _paddlevit.NAME:
        stages = [stage.get_submodule("layers") for stage in network.encoder.stages]
        yield from _paddlevit.segformer_prefixes(tuple(len(list(s.children())) for s in stages))
    else:
        yield from _encoder_prefixes(network)
    yield from _head_prefixes(network)


def _encoder_prefixes(network: SegFormer) -> Iterator[tuple[str, str]]:
    for s, stage in enumerate(network.encoder.stages):
        assert isinstance(stage, SegFormerStage)
        yield f"encoder.stages.{s}.embed", f"backbone.patch_embed{s + 1}.proj"
        yield f"encoder.stages.{s}.embed_norm", f"backbone.patch_embed{s + 1}.norm"
        yield f"encoder.stages.{s}.norm", f"backbone.norm{s + 1}"
        for i, (ours, theirs) in itertools.product(range(len(stage.layers)), _LAYER.items()):
            yield f"encoder.stages.{s}.layers.{i}.{ours}", f"backbone.block{s + 1}.{i}.{theirs}"


def _head_prefixes(network: SegFormer) -> Iterator[tuple[str, str]]:
    normed = isinstance(network.head, NormedHead)
    for i in range(len(network.head.project)):
        official = f"decode_head.convs.{i}" if normed else f"decode_head.linear_c{i + 1}.proj"
        yield f"head.project.{i}", official
    yield "head.fuse", f"decode_head.{'fusion_conv' if normed else 'linear_fuse'}"
    yield "head.classify", f"decode_head.{'conv_seg' if normed else 'linear_pred'}"


# Rows: sizes of table 6 of the SegFormer paper -------------------------------------------------

_NARROW, _WIDE = (32, 64, 160, 256), (64, 128, 320, 512)
SIZES = {
    "b0": SegFormerRow(_NARROW, (2, 2, 2, 2), 256),
    "b1": SegFormerRow(_WIDE, (2, 2, 2, 2), 256),
    "b2": SegFormerRow(_WIDE, (3, 4, 6, 3), 768),
    "b3": SegFormerRow(_WIDE, (3, 4, 18, 3), 768),
    "b4": SegFormerRow(_WIDE, (3, 8, 27, 3), 768),
    "b5": SegFormerRow(_WIDE, (3, 6, 40, 3), 768),
}
_MMSEG: Mapping[str, object] = {"head_channels": 256, "normed_head": True, "edge_eps": BLOCK_EPS}
_PADDLEVIT = dict(_MMSEG) | {"edge_eps": 1e-5, "block_eps": 1e-5}
TAGS_OF = ("ade20k", "cityscapes_1024")
PAPER_TAGS = ("cityscapes", "cityscapes_half")  # whole images: what the SeaFormer++ paper compares


def _published(size: str, tag: str) -> PaperLine | None:
    """The SeaFormer++ paper's line; it has B0 and B1 only."""
    backbone = {"backbone": f"MiT-{size.upper()}"}
    if tag == "ade20k" and size in ("b0", "b1"):
        return PaperLine("ade20k", backbone, "mIoU", "miou")
    method = {"cityscapes": "SegFormer(f)", "cityscapes_half": "SegFormer(h)"}.get(tag)
    if method is None or size != "b0":
        return None
    return PaperLine("cityscapes", {"method": method} | backbone, "mIoU val", "miou_val")


def specs() -> Iterator[ModelSpec]:
    """Every model of this file; the official Cityscapes files are of 1024x1024 windows."""
    for size in SIZES:
        for tag in (*TAGS_OF, *(PAPER_TAGS if size == "b0" else ())):
            yield spec("segformer", size, tag, stride=4, published=_published(size, tag))
        if size == "b5":
            yield spec("segformer", size, "ade20k_640", stride=4, published=None)
    for size, tag in itertools.product(SIZES, ("ade20k", "cityscapes_1024")):
        yield spec("segformer", f"{size}_mmseg", tag, stride=4, published=None)
    for size in SIZES:
        line = PaperLine("zoo_segformer", {"backbone": f"MIT-{size.upper()}"}, "mIoU", "miou")
        yield spec("segformer", f"{size}_paddlevit", "ade20k", stride=4, published=line)


def build(spec: ModelSpec, **fields: object) -> SegFormer:
    """The network of ``spec``; ``fields`` of ``SegFormerRow`` replace those of its row."""
    size, _, layout = spec.name.partition(".")[0].removeprefix("segformer_").partition("_")
    row = replaced(SIZES[size], {"mmseg": _MMSEG, "paddlevit": _PADDLEVIT}.get(layout, {}))
    names = _paddlevit.NAME if layout == "paddlevit" else ""
    return SegFormer(replaced(row, fields), spec.classes, names)
