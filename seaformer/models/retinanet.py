"""RetinaNet on SeaFormer and SeaFormer++: object detection on COCO, 80 classes.

Source: SeaFormer++ paper, section 5 and table 15; Lin et al., "Focal Loss for Dense Object
Detection" (2017) and "Feature Pyramid Networks" (2017), with the choices of mmdetection's RetinaNet
(no norms in pyramid and head, heads shared by all levels). No official code of this detector is
public. The paper does not describe how the backbone is connected; read so because of the counts:

- The pyramid takes all four scales, 1/8 to 1/64, and adds 1/128 by a stride-2 convolution of the
  backbone's last map. Parameters, ours beside the paper's: T 10.91M (10.9), S 13.31M (13.3),
  B 18.06M (18.1), L 23.52M (24.0). With three scales and two extra levels, the other usual way, T,
  S, B have 10.80M, 13.18M, 17.85M (levels from the backbone's map) or 11.09M, 13.40M, 18.00M (from
  the pyramid's). L is 2 % short; its other 0.5M and 2G are unexplained. SeaFormer++ adds what
  its masks weigh (``_squeeze.py``), and not 0.1M to each size.
- The size is COCO's 800x1333, padded to 800x1344 as mmdetection pads it. Multiply-accumulates are
  T 160.1G (160), S 161.9G (161), B 164.7G (164), L 183.0G (185), unpadded 0.7G less; at 800x1280,
  which ResNet-50's 239G in the same table are of, T would have 152.4G.

Outputs are two: class logits B K A and box offsets B 4 A over the anchors of all levels
(``_anchors.py``). Scope ``boxes`` of an export ends at decoded boxes; non-maximum suppression is
``seaformer.data.detections``, outside of every graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seaformer.core.spec import ModelSpec
from seaformer.models._anchors import BOX
from seaformer.models._backbone import SIZES, ContextBranch, SeaFormerRow, Stem
from seaformer.models._blocks import Network
from seaformer.models._fpn import NearestDouble
from seaformer.models._official import backbone_keys, renamed
from seaformer.models._plus_networks import PlusRow, SeaFormerPlus, context_branch, own_keys, plus
from seaformer.models._tags import (
    ANCHORS_PER_PLACE,
    DETECTION_STRIDES,
    PaperLine,
    replaced,
    spec,
)

FAMILY = "retinanet"
TAG = "coco"
Maps = tuple[Tensor, ...]


@dataclass(frozen=True)
class RetinaNetRow:
    """A backbone, the width of pyramid and heads, and how many 3x3 convolutions a head has."""

    backbone: SeaFormerRow
    channels: int = 256
    depth: int = 4


class Pyramid(nn.Module):
    """Feature pyramid: 1x1 laterals, added from the coarsest down, a 3x3 convolution each."""

    def __init__(self, widths: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in widths)
        self.smooth = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in widths)
        extra = len(DETECTION_STRIDES) - len(widths)
        inputs = (widths[-1], *[channels] * (extra - 1))
        self.extra = nn.ModuleList(nn.Conv2d(w, channels, 3, 2, padding=1) for w in inputs)
        self.twice = nn.ModuleList(NearestDouble() for _ in widths[1:])

    def forward(self, *maps: Tensor) -> Maps:
        """The backbone's maps, finest first, to one B C H/s W/s per stride, finest first."""
        laterals = [lateral(x) for lateral, x in zip(self.laterals, maps, strict=True)]
        summed = laterals[-1:]
        for twice, finer in zip(self.twice, reversed(laterals[:-1]), strict=True):
            summed.append(finer + twice(summed[-1], finer))
        levels = [s(x) for s, x in zip(self.smooth, reversed(summed), strict=True)]
        coarsest = maps[-1]
        for convolution in self.extra:
            coarsest = convolution(coarsest)
            levels.append(coarsest)
        return tuple(levels)


class RetinaHead(nn.Module):
    """Class and box heads, the same for every level."""

    def __init__(self, channels: int, depth: int, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.class_tower = _tower(channels, depth)
        self.box_tower = _tower(channels, depth)
        self.classify = nn.Conv2d(channels, ANCHORS_PER_PLACE * classes, 3, padding=1)
        self.regress = nn.Conv2d(channels, ANCHORS_PER_PLACE * BOX, 3, padding=1)

    def forward(self, *levels: Tensor) -> tuple[Tensor, Tensor]:
        """One B C H/s W/s per stride to logits B K A and offsets B 4 A."""
        logits = [_by_anchor(self.classify(self.class_tower(x)), self.classes) for x in levels]
        offsets = [_by_anchor(self.regress(self.box_tower(x)), BOX) for x in levels]
        return torch.cat(logits, dim=2), torch.cat(offsets, dim=2)


class RetinaNet(Network):
    """Detector: image B 3 H W to class logits B K A and box offsets B 4 A."""

    COMPONENTS = ("stem", "context", "neck", "head")
    DAMPED = (*SeaFormerPlus.DAMPED, "head.classify", "head.regress")
    OUTPUTS_PER_CLASS = ANCHORS_PER_PLACE
    OUTPUTS = ("logits", "offsets")

    def __init__(self, row: RetinaNetRow, classes: int) -> None:
        super().__init__()
        backbone = row.backbone
        self.stem = Stem(backbone)
        if isinstance(backbone, PlusRow):
            self.context = context_branch(backbone, every=True)
        else:
            self.context = ContextBranch(backbone, every=True)
        self.neck = Pyramid((backbone.eighth[-1].channels, *backbone.widths), row.channels)
        self.head = RetinaHead(row.channels, row.depth, classes)
        self.official = not isinstance(backbone, PlusRow)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x8 = self.stem(image)  # B C H/8 W/8
        stages = self.context(x8)  # B C' H/s W/s for s = 16, 32, 64
        outputs: tuple[Tensor, Tensor] = self.head(*self.neck(x8, *stages))
        return outputs


def _tower(channels: int, depth: int) -> nn.Sequential:
    layers = (
        layer
        for _ in range(depth)
        for layer in (nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU())
    )
    return nn.Sequential(*layers)


def _by_anchor(x: Tensor, values: int) -> Tensor:
    """B 9*v H W, anchor by anchor, to B v H*W*9."""
    batch = x.shape[0]
    x = x.reshape(batch, ANCHORS_PER_PLACE, values, -1)  # B 9 v H*W
    return x.permute(0, 2, 3, 1).reshape(batch, values, -1)


def official_keys(network: RetinaNet) -> dict[str, str]:
    """Our state-dict key -> mmdetection's, with the backbone named as fudan-zvg/SeaFormer has it.

    SeaFormer++ has no official names: our own.
    """
    if not network.official:
        return own_keys(network)
    keys = backbone_keys(network, "backbone.")
    return keys | renamed(network, dict(_prefixes(network)))


def _prefixes(network: RetinaNet) -> Iterator[tuple[str, str]]:
    smooth = len(network.neck.smooth)
    for i in range(smooth):
        yield f"neck.laterals.{i}", f"neck.lateral_convs.{i}.conv"
        yield f"neck.smooth.{i}", f"neck.fpn_convs.{i}.conv"
    for i in range(len(network.neck.extra)):
        yield f"neck.extra.{i}", f"neck.fpn_convs.{smooth + i}.conv"
    for i in range(0, len(network.head.class_tower), 2):  # every other one is a ReLU
        yield f"head.class_tower.{i}", f"bbox_head.cls_convs.{i // 2}.conv"
        yield f"head.box_tower.{i}", f"bbox_head.reg_convs.{i // 2}.conv"
    yield "head.classify", "bbox_head.retina_cls"
    yield "head.regress", "bbox_head.retina_reg"


def specs() -> Iterator[ModelSpec]:
    """Every size of SeaFormer, then every size of SeaFormer++."""
    for family, mark in (("seaformer", ""), ("seaformerpp", "++")):
        for size in SIZES:
            line = {"backbone": f"SeaFormer-{size.upper()}{mark}"}
            published = PaperLine("detection", line, "AP", "ap")
            yield spec(family, size, TAG, stride=8, published=published, module=FAMILY)


def build(spec: ModelSpec, **fields: object) -> RetinaNet:
    """The network of ``spec``; ``fields`` of ``RetinaNetRow`` replace those of its row."""
    family, _, size = spec.name.partition(".")[0].partition("_")
    backbone = SIZES[size] if family == "seaformer" else plus(SIZES[size])
    return RetinaNet(replaced(RetinaNetRow(backbone), fields), spec.classes)
