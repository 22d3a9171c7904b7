"""SETR: a plain vision transformer with a Naive, PUP or MLA decoder.

Source: Zheng et al., "Rethinking Semantic Segmentation from a Sequence-to-Sequence Perspective with
Transformers" (CVPR 2021), sections 3.2-3.3; function and checkpoints as mmsegmentation (Apache-2.0)
with the ViT-L/16 configurations of fudan-zvg. The paper's encoder is L; T, S and B (DeiT's widths)
are here so that a phone can hold one, and have no published weights.

What the text leaves open and the official code does, done here too: no norm ends the encoder; Naive
and PUP keep the class token through the layers and drop it afterwards, MLA drops it before them;
position embeddings are resized bilinearly. Auxiliary heads are `training/auxiliary.py`'s. Further
layouts of checkpoints are in ``_setr_layouts.py``.

PaddleViT's SETR (``setr_naive_l_paddlevit``) is fudan-zvg's: it drops the class token before the
layers, Naive answers at 1/16, and MLA ends with a 3x3 convolution on maps that were enlarged with
their corners aligned. They are rows of their own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.spec import ModelSpec
from seaformer.models import _paddlevit
from seaformer.models._blocks import ConvBN, Network
from seaformer.models._official import renamed
from seaformer.models._setr_layouts import official_state
from seaformer.models._tags import OWN_TAGS, TAGS, PaperLine, replaced, spec
from seaformer.models._tokens import Attend, to_map, to_tokens

__all__ = ["SIZES", "Setr", "build", "official_keys", "official_state", "specs"]

PATCH = 16
MLP_RATIO = 4
EPS = 1e-6
NAIVE, PUP, MLA = "naive", "pup", "mla"


@dataclass(frozen=True)
class SetrRow:
    """One size: the encoder's width, depth and heads; ``levels`` are the layers MLA reads."""

    channels: int
    depth: int
    heads: int
    levels: tuple[int, ...]
    head_channels: int = 256
    level_channels: int = 128


class VitAttention(nn.Module):
    """Attention among all tokens: B N C to B N C."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.scale = float((channels // heads) ** -0.5)
        self.attend = Attend(heads)
        self.to_qkv = nn.Linear(channels, 3 * channels)
        self.project = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.to_qkv(x).chunk(3, dim=-1)  # B N C each
        out: Tensor = self.project(self.attend(q * self.scale, k, v))  # B N C
        return out


class VitLayer(nn.Module):
    """Attention and feed-forward network, each behind a norm and added to its input."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=EPS)
        self.attention = VitAttention(channels, heads)
        self.norm2 = nn.LayerNorm(channels, eps=EPS)
        self.fc1 = nn.Linear(channels, channels * MLP_RATIO)
        self.activate = nn.GELU()
        self.fc2 = nn.Linear(channels * MLP_RATIO, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))  # B N C
        y: Tensor = x + self.fc2(self.activate(self.fc1(self.norm2(x))))  # B N C
        return y


class PositionedTokens(nn.Module):
    """Adds the learnt position embedding, and the class token with its own where there is one.

    The table is of the grid of patches the model was made for, with the class token's entry first;
    it is resized bilinearly to another grid, the class token's entry is not.
    """

    class_token: nn.Parameter | None

    def __init__(self, channels: int, grid: tuple[int, int], class_token: bool) -> None:
        super().__init__()
        self.grid = grid
        self.table = nn.Parameter(torch.zeros(1, 1 + grid[0] * grid[1], channels))
        token = nn.Parameter(torch.zeros(1, 1, channels)) if class_token else None
        self.register_parameter("class_token", token)

    def positions(self, height: int, width: int) -> Tensor:
        """1 H*W C, for a grid of H x W patches."""
        positions = self.table[:, 1:]  # 1 h*w C
        if (height, width) == self.grid:
            return positions
        positions = to_map(positions, *self.grid)  # 1 C h w
        size = (height, width)
        positions = F.interpolate(positions, size=size, mode="bilinear", align_corners=False)
        return to_tokens(positions)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B H*W C, or to B 1+H*W C with a class token."""
        tokens = to_tokens(x) + self.positions(*x.shape[-2:])
        if self.class_token is None:
            return tokens
        first = (self.class_token + self.table[:, :1]).expand(x.shape[0], -1, -1)  # B 1 C
        return torch.cat([first, tokens], dim=1)


class Encoder(nn.Module):
    """Vision transformer: the image to maps at 1/16, one per layer of ``levels``.

    An image whose sides are not multiples of 16 is padded with zeros below and on the right.
    """

    def __init__(
        self, row: SetrRow, levels: tuple[int, ...], grid: tuple[int, int], class_token: bool
    ) -> None:
        super().__init__()
        self.levels, self.skipped = levels, int(class_token)
        self.embed = nn.Conv2d(3, row.channels, PATCH, PATCH)
        self.tokens = PositionedTokens(row.channels, grid, class_token)
        self.layers = nn.ModuleList(VitLayer(row.channels, row.heads) for _ in range(row.depth))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        missing = [-side % PATCH for side in image.shape[-2:]]
        if any(missing):
            image = F.pad(image, (0, missing[1], 0, missing[0]))
        x = self.embed(image)  # B C H/16 W/16
        height, width = x.shape[-2:]
        x = self.tokens(x)  # B N C, N = H*W/256, and one more with a class token
        maps = []
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i in self.levels:
                patches = x[:, self.skipped :] if self.skipped else x  # B H*W/256 C
                maps.append(to_map(patches, height, width))
        return tuple(maps)


class UpHead(nn.Module):
    """Naive and PUP: a norm, then rounds of convolution, norm, ReLU and a bilinear resize.

    Naive has one round of a 1x1 convolution and x4 (x1 in PaddleViT's), PUP four of 3x3 and x2.
    """

    def __init__(self, row: SetrRow, classes: int, kernel: int, rounds: int, factor: int) -> None:
        super().__init__()
        widths = (row.channels, *(row.head_channels,) * rounds)
        self.factor = factor
        self.norm = nn.LayerNorm(row.channels, eps=EPS)
        self.up = nn.ModuleList(ConvBN(a, b, kernel) for a, b in itertools.pairwise(widths))
        self.classify = nn.Conv2d(row.head_channels, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """B C H/16 W/16 to B classes at ``factor`` to the power of rounds times that."""
        x = to_map(self.norm(to_tokens(x)), *x.shape[-2:])
        for convolution in self.up:
            x = _enlarged(F.relu(convolution(x)), self.factor)
        logits: Tensor = self.classify(x)
        return logits


class MlaHead(nn.Module):
    """Multi-level aggregation: four maps, summed from the deepest up, then joined at 1/4.

    PaddleViT's has a classifier of ``kernel`` 3 and ``aligned`` corners.
    """

    def __init__(
        self, row: SetrRow, classes: int, kernel: int = 1, *, aligned: bool = False
    ) -> None:
        super().__init__()
        self.aligned = aligned
        wide, narrow, count = row.head_channels, row.level_channels, len(row.levels)
        self.norms = nn.ModuleList(nn.LayerNorm(row.channels, eps=EPS) for _ in range(count))
        self.project = nn.ModuleList(ConvBN(row.channels, wide) for _ in range(count))
        self.extract = nn.ModuleList(ConvBN(wide, wide, 3) for _ in range(count))
        self.first = nn.ModuleList(ConvBN(wide, narrow, 3) for _ in range(count))
        self.second = nn.ModuleList(ConvBN(narrow, narrow, 3) for _ in range(count))
        self.classify = nn.Conv2d(narrow * count, classes, kernel, padding=kernel // 2)

    def forward(self, *maps: Tensor) -> Tensor:
        """Maps B C H/16 W/16, shallowest first, to B classes H/4 W/4."""
        levels = []
        for norm, convolution, x in zip(self.norms, self.project, maps, strict=True):
            normed = to_map(norm(to_tokens(x)), *x.shape[-2:])
            levels.append(F.relu(convolution(normed)))  # B wide H/16 W/16
        sums = itertools.accumulate(levels[::-1])  # the deepest first
        branches = []
        for level, extract, first, second in zip(
            sums, self.extract, self.first, self.second, strict=True
        ):
            x = F.relu(second(F.relu(first(F.relu(extract(level))))))  # B narrow H/16 W/16
            branches.append(_enlarged(x, 4, aligned=self.aligned))
        logits: Tensor = self.classify(torch.cat(branches, dim=1))
        return logits


class Setr(Network):
    """Image B 3 H W to logits, at 1/4 (Naive, MLA) or at the image's size (PUP).

    With ``paddlevit`` it is PaddleViT's, and Naive answers at 1/16.
    """

    COMPONENTS = ("encoder", "head")

    def __init__(
        self,
        row: SetrRow,
        decoder: str,
        classes: int,
        size: tuple[int, int],
        *,
        paddlevit: bool = False,
    ) -> None:
        super().__init__()
        self.paddlevit = paddlevit
        grid = (size[0] // PATCH, size[1] // PATCH)
        levels = row.levels if decoder == MLA else (row.depth - 1,)
        self.encoder = Encoder(row, levels, grid, class_token=decoder != MLA and not paddlevit)
        self.head = _head(row, decoder, classes, paddlevit=paddlevit)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(*self.encoder(image))
        return logits


def _head(row: SetrRow, decoder: str, classes: int, *, paddlevit: bool) -> nn.Module:
    if decoder == MLA:
        return MlaHead(row, classes, 3 if paddlevit else 1, aligned=paddlevit)
    kernel, rounds, factor = {NAIVE: (1, 1, 1 if paddlevit else 4), PUP: (3, 4, 2)}[decoder]
    return UpHead(row, classes, kernel, rounds, factor)


def _enlarged(x: Tensor, factor: int, *, aligned: bool = False) -> Tensor:
    if factor == 1:
        return x
    size = [side * factor for side in x.shape[-2:]]
    return F.interpolate(x, size=size, mode="bilinear", align_corners=aligned)


# Names of weights: ours to those of the official checkpoints -----------------------------------

_LAYER = {
    "norm1": "ln1",
    "attention.to_qkv.weight": "attn.attn.in_proj_weight",
    "attention.to_qkv.bias": "attn.attn.in_proj_bias",
    "attention.project": "attn.attn.out_proj",
    "norm2": "ln2",
    "fc1": "ffn.layers.0.0",
    "fc2": "ffn.layers.1",
}


def official_keys(network: Setr) -> dict[str, str]:
    """Our state-dict key -> the key of the official checkpoint, for every key of ``network``."""
    return renamed(network, dict(_prefixes(network)))


def _prefixes(network: Setr) -> Iterator[tuple[str, str]]:
    if network.paddlevit:
        yield from _paddlevit.setr_prefixes(len(network.encoder.layers))
        if isinstance(network.head, UpHead):
            yield from _paddlevit.up_prefixes(len(network.head.up))
        else:
            yield from _paddlevit.mla_prefixes()
        return
    yield "encoder.tokens.class_token", "backbone.cls_token"
    yield "encoder.tokens.table", "backbone.pos_embed"
    yield "encoder.embed", "backbone.patch_embed.projection"
    for i, (ours, theirs) in itertools.product(range(len(network.encoder.layers)), _LAYER.items()):
        yield f"encoder.layers.{i}.{ours}", f"backbone.layers.{i}.{theirs}"
    yield "head.classify", "decode_head.conv_seg"
    if isinstance(network.head, UpHead):
        yield "head.norm", "decode_head.norm"
        for i in range(len(network.head.up)):
            yield f"head.up.{i}", f"decode_head.up_convs.{i}.0"
        return
    assert isinstance(network.head, MlaHead)
    for i in range(len(network.head.norms)):
        yield f"head.norms.{i}", f"neck.norm.{i}"
        yield f"head.project.{i}", f"neck.mla.channel_proj.{i}"
        yield f"head.extract.{i}", f"neck.mla.feat_extract.{i}"
        yield f"head.first.{i}", f"decode_head.up_convs.{i}.0"
        yield f"head.second.{i}", f"decode_head.up_convs.{i}.1"


# Rows -----------------------------------------------------------------------------------------

SIZES = {
    "t": SetrRow(192, 12, 3, (2, 5, 8, 11)),
    "s": SetrRow(384, 12, 6, (2, 5, 8, 11)),
    "b": SetrRow(768, 12, 12, (2, 5, 8, 11)),
    "l": SetrRow(1024, 24, 16, (5, 11, 17, 23)),
}
STRIDES = {NAIVE: 4, PUP: 1, MLA: 4}
TAGS_OF = {"l": ("ade20k", "cityscapes_768", "pascal_context")}
PADDLEVIT_STRIDES = STRIDES | {NAIVE: 16}
# Of PaddleViT's table, where it has several: data set, iterations, batch.
_PADDLEVIT_LINES = {
    "ade20k": ("ADE20K", "160k", {NAIVE: "16", PUP: "16", MLA: "8"}),
    "cityscapes_768": ("Cityscapes", "80k", {NAIVE: "8", PUP: "8", MLA: "8"}),
    "pascal_context": ("Pascal Context", "80k", {NAIVE: "16", PUP: "16", MLA: "16"}),
}


def specs() -> Iterator[ModelSpec]:
    """Every model of this file; the SeaFormer++ paper has no row of SETR's."""
    for (decoder, stride), size in itertools.product(STRIDES.items(), SIZES):
        for tag in TAGS_OF.get(size, ("ade20k",)):
            name = f"{decoder}_{size}"
            yield spec("setr", name, tag, stride=stride, published=None, size_step=PATCH)
    for (decoder, stride), tag in itertools.product(PADDLEVIT_STRIDES.items(), TAGS_OF["l"]):
        dataset, iterations, batch = _PADDLEVIT_LINES[tag]
        method = f"SETR_{decoder.capitalize() if decoder == NAIVE else decoder.upper()}"
        cells = {"model": method, "dataset": dataset, "iterations": iterations}
        cells |= {"batch_size": batch[decoder]}
        line = PaperLine("zoo_setr", cells, "mIoU", "miou")
        name = f"{decoder}_l_paddlevit"
        yield spec("setr", name, tag, stride=stride, published=line, size_step=PATCH)


def build(spec: ModelSpec, **fields: object) -> Setr:
    """The network of ``spec``; ``fields`` of ``SetrRow`` replace those of its row.

    The position embedding has the grid of the tag's own size, whatever the spec's size.
    """
    base, _, tag = spec.name.partition(".")
    _, decoder, size, *layout = base.split("_")
    trained = (TAGS | OWN_TAGS)[tag]
    row = replaced(SIZES[size], fields)
    sides = (trained.height, trained.width)
    return Setr(row, decoder, spec.classes, sides, paddlevit=bool(layout))
