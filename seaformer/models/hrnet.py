"""HRNet-W18-Small: segmentation by maps of four sizes side by side that exchange what they have.

Source: Wang et al., "Deep High-Resolution Representation Learning for Visual Recognition" (TPAMI
2020), figures 2 and 3; numbers of modules and blocks of the small network, and the head, are those
of mmsegmentation (FCN of one 1x1 on all maps), whose weights' names are used. Coarser maps are
resized bilinearly, as there; timm repeats places.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.spec import ModelSpec
from seaformer.models._blocks import ConvBN, Network, resized
from seaformer.models._official import renamed
from seaformer.models._tags import PaperLine, replaced, spec

STEM_CHANNELS = 64
BOTTLENECKS, EXPANSION = 2, 4
BLOCKS = 2  # of every branch of a module


@dataclass(frozen=True)
class HrNetRow:
    """One network: channels at 1/4 to 1/32, and modules of two, three and four branches."""

    widths: tuple[int, ...]
    modules: tuple[int, ...]


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 to four times as many channels, added to the input."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        wide = channels * EXPANSION
        self.narrow = ConvBN(channels_in, channels)
        self.conv = ConvBN(channels, channels, 3)
        self.widen = ConvBN(channels, wide)
        self.shortcut = ConvBN(channels_in, wide) if channels_in != wide else None

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B 4C' H W."""
        y: Tensor = self.widen(F.relu(self.conv(F.relu(self.narrow(x)))))
        return F.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class BasicBlock(nn.Module):
    """Two 3x3, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvBN(channels, channels, 3)
        self.conv2 = ConvBN(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to the same."""
        return F.relu(x + self.conv2(F.relu(self.conv1(x))))


class Down(nn.Module):
    """3x3 with stride 2, as often as sizes differ; ReLU between them."""

    def __init__(self, channels_in: int, channels: int, steps: int) -> None:
        super().__init__()
        ends = (*(channels_in,) * (steps - 1), channels)
        self.convs = nn.ModuleList(ConvBN(channels_in, end, 3, 2) for end in ends)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C' h w."""
        for i, conv in enumerate(self.convs):
            x = conv(F.relu(x) if i else x)
        return x


class Exchange(nn.Module):
    """A map of every size from the sum of all maps, each brought to that size."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.paths = nn.ModuleDict()
        for to, channels in enumerate(widths):
            for of, channels_in in enumerate(widths):
                if of > to:
                    self.paths[f"{to}_{of}"] = ConvBN(channels_in, channels)
                elif of < to:
                    self.paths[f"{to}_{of}"] = Down(channels_in, channels, to - of)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps of B C H W in and out, from the largest down."""
        fused = []
        for to, own in enumerate(maps):
            total = own
            for of, other in enumerate(maps):
                if of != to:
                    path = self.paths[f"{to}_{of}"](other)
                    total = total + (resized(path, own) if of > to else path)
            fused.append(F.relu(total))
        return fused


class Module(nn.Module):
    """Blocks on every map, then an exchange."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width) for _ in range(BLOCKS))) for width in widths
        )
        self.exchange = Exchange(widths)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps of B C H W in and out, from the largest down."""
        mixed: list[Tensor] = self.exchange(
            [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        )
        return mixed


class Backbone(nn.Module):
    """The image to maps at 1/4, 1/8, 1/16 and 1/32."""

    def __init__(self, row: HrNetRow) -> None:
        super().__init__()
        self.stem = nn.ModuleList(
            [ConvBN(3, STEM_CHANNELS, 3, 2), ConvBN(STEM_CHANNELS, STEM_CHANNELS, 3, 2)]
        )
        wide = STEM_CHANNELS * EXPANSION
        self.first = nn.Sequential(
            *(Bottleneck(wide if i else STEM_CHANNELS, STEM_CHANNELS) for i in range(BOTTLENECKS))
        )
        self.split = nn.ModuleList(
            [ConvBN(wide, row.widths[0], 3), ConvBN(wide, row.widths[1], 3, 2)]
        )
        self.more = nn.ModuleList(  # what a further size starts from
            ConvBN(before, after, 3, 2)
            for before, after in zip(row.widths[1:], row.widths[2:], strict=False)
        )
        self.stages = nn.ModuleList(
            nn.ModuleList(Module(row.widths[: i + 2]) for _ in range(count))
            for i, count in enumerate(row.modules)
        )

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """B 3 H W to four maps, from the largest down."""
        x = image
        for conv in self.stem:
            x = F.relu(conv(x))
        x = self.first(x)
        maps = [F.relu(split(x)) for split in self.split]
        for i, stage in enumerate(self.stages):
            if i:
                maps = [*maps, F.relu(self.more[i - 1](maps[-1]))]
            assert isinstance(stage, nn.ModuleList)
            for module in stage:
                maps = module(maps)
        return tuple(maps)


class JoinedHead(nn.Module):
    """All maps at the size of the largest, joined, a 1x1 and the classes."""

    def __init__(self, widths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.mix = ConvBN(sum(widths), sum(widths))
        self.classify = nn.Conv2d(sum(widths), classes, 1)

    def forward(self, *maps: Tensor) -> Tensor:
        """Four maps to B classes H/4 W/4."""
        joined = torch.cat([maps[0], *(resized(x, maps[0]) for x in maps[1:])], dim=1)
        logits: Tensor = self.classify(F.relu(self.mix(joined)))
        return logits


class HrNet(Network):
    """Image B 3 H W to logits B classes H/4 W/4."""

    COMPONENTS = ("backbone", "head")
    DAMPED = ("conv2", "widen")

    def __init__(self, row: HrNetRow, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(row)
        self.head = JoinedHead(row.widths, classes)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(*self.backbone(image))
        return logits


# Names of weights: ours to mmsegmentation's -----------------------------------------------------


def official_keys(network: HrNet) -> dict[str, str]:
    """Our state-dict key -> mmsegmentation's, for every key."""
    pairs: list[tuple[str, str, str]] = []  # ours; their convolution and norm
    for i in range(2):
        pairs.append((f"stem.{i}", f"conv{i + 1}", f"bn{i + 1}"))
        deeper = ".0" * i  # a further size is a list of steps
        pairs.append((f"split.{i}", f"transition1.{i}{deeper}.0", f"transition1.{i}{deeper}.1"))
    for i, _ in enumerate(network.backbone.more):
        theirs = f"transition{i + 2}.{i + 2}.0"
        pairs.append((f"more.{i}", f"{theirs}.0", f"{theirs}.1"))
    for i in range(BOTTLENECKS):
        for j, part in enumerate(("narrow", "conv", "widen"), 1):
            pairs.append((f"first.{i}.{part}", f"layer1.{i}.conv{j}", f"layer1.{i}.bn{j}"))
    pairs.append(("first.0.shortcut", "layer1.0.downsample.0", "layer1.0.downsample.1"))
    for i, stage in enumerate(network.backbone.stages):
        for j, module in enumerate(stage.children()):
            assert isinstance(module, Module)
            pairs += _module_pairs(f"stages.{i}.{j}", f"stage{i + 2}.{j}", module)
    prefixes = {"head.mix": "decode_head.convs.0", "head.classify": "decode_head.conv_seg"}
    for ours, conv, bn in pairs:
        prefixes[f"backbone.{ours}.conv"] = f"backbone.{conv}"
        prefixes[f"backbone.{ours}.bn"] = f"backbone.{bn}"
    return renamed(network, prefixes)


def _module_pairs(ours: str, theirs: str, module: Module) -> list[tuple[str, str, str]]:
    pairs = []
    for b, branch in enumerate(module.branches):
        for i, _ in enumerate(branch.children()):
            for n in (1, 2):
                block = f"{theirs}.branches.{b}.{i}"
                pairs.append(
                    (f"{ours}.branches.{b}.{i}.conv{n}", f"{block}.conv{n}", f"{block}.bn{n}")
                )
    for name, path in module.exchange.paths.items():
        to, _, of = name.partition("_")
        place = f"{theirs}.fuse_layers.{to}.{of}"
        if isinstance(path, Down):
            for i, _ in enumerate(path.convs):
                start = f"{ours}.exchange.paths.{name}.convs.{i}"
                pairs.append((start, f"{place}.{i}.0", f"{place}.{i}.1"))
        else:
            pairs.append((f"{ours}.exchange.paths.{name}", f"{place}.0", f"{place}.1"))
    return pairs


# Rows -----------------------------------------------------------------------------------------

ROWS = {"w18_small": HrNetRow((18, 36, 72, 144), (1, 3, 2))}


def specs() -> Iterator[ModelSpec]:
    """Every model of this file."""
    cells = {"backbone": "HRNet-W18-Small", "decoder": "HRNetW18S"}
    for size in ROWS:
        line = PaperLine("ade20k", cells, "mIoU", "miou")
        yield spec("hrnet", size, "ade20k", 4, line)


def build(spec: ModelSpec, **fields: object) -> HrNet:
    """The network of ``spec``; ``fields`` of ``HrNetRow`` replace those of its row."""
    size = spec.name.partition(".")[0].removeprefix("hrnet_")
    return HrNet(replaced(ROWS[size], fields), spec.classes)
