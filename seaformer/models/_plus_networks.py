"""SeaFormer++ networks and their row: segmentation, classification, and the distilled student.

Source: SeaFormer++ paper, sections 3.1-3.4; the attention is in ``_plus_attention.py``, the
student's upsampling in ``_upsampling.py``. Fusion modes are table 11's, heads table 13's.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.models._backbone import DAMPED, ContextBranch, SeaFormerRow, SpatialBranch, Stem
from seaformer.models._blocks import ConvBN, FusionBlock, Network, resized
from seaformer.models._heads import Classifier, LightHead
from seaformer.models._plus_attention import AttentionRow, attention_of, check_choices
from seaformer.models._tags import CLASSIFICATION, SEGMENTATION
from seaformer.models._upsampling import UPSAMPLING, upsampling_module

_CHOICES = {
    "fusion": ("sigmoid_multiply", "sigmoid_add", "multiply", "add"),
    "head": ("light", "simple"),
    "upsampling": UPSAMPLING,
}


@dataclass(frozen=True)
class PlusRow(AttentionRow, SeaFormerRow):
    """A size of SeaFormer with a choice for every part that the paper compares.

    ``fusion``: table 11. ``head``: table 13. ``upsampling`` (table 17) and ``refine_expansion``
    (``_upsampling.py``) are of the distilled student alone.
    """

    fusion: str = "sigmoid_multiply"
    head: str = "light"
    upsampling: str = "mobilenet"
    refine_expansion: int = 2

    def __post_init__(self) -> None:
        SeaFormerRow.__post_init__(self)
        AttentionRow.__post_init__(self)
        check_choices(self, _CHOICES)


def plus(row: SeaFormerRow) -> PlusRow:
    """A size of SeaFormer as SeaFormer++."""
    return PlusRow(**{field.name: getattr(row, field.name) for field in fields(row)})


def context_branch(row: PlusRow, *, every: bool = False) -> ContextBranch:
    """The context branch with the row's attention."""
    return ContextBranch(row, attention_of(row).build, every=every)


class SeaFormerPlus(Network):
    """Segmentation network (figure 2): image B 3 H W to logits B classes H/8 W/8."""

    COMPONENTS = ("stem", "context", "spatial", "head")
    DAMPED = (*DAMPED, "out", "masks")

    def __init__(self, row: PlusRow, classes: int) -> None:
        super().__init__()
        self.stem = Stem(row)
        self.context = context_branch(row)
        self.spatial = spatial_branch(row)
        self.head = segmentation_head(row, classes)

    def forward(self, image: Tensor) -> Tensor:
        x8 = self.stem(image)  # B C H/8 W/8
        stages = self.context(x8)  # B C' H/s W/s each
        logits: Tensor = self.head(self.spatial(x8, *stages))  # B classes H/8 W/8
        return logits


class SeaFormerPlusClassifier(Network):
    """Classification network (section 3.2.5): image B 3 H W to logits B classes."""

    COMPONENTS = ("stem", "context", "head")
    DAMPED = SeaFormerPlus.DAMPED

    def __init__(self, row: PlusRow, classes: int) -> None:
        super().__init__()
        self.stem = Stem(row)
        self.context = context_branch(row)
        self.head = Classifier(row.widths[-1], classes)

    def forward(self, image: Tensor) -> Tensor:
        stages = self.context(self.stem(image))  # B C' H/s W/s each
        logits: Tensor = self.head(stages[-1])  # B classes
        return logits


class HalvedStem(Stem):
    """The shared stem behind an average pool that halves the image (section 3.4)."""

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """B 3 H W to B C H/8 W/8 and B C' H/16 W/16: stages 2 and 3 at half the resolution."""
        odd = bool(image.shape[2] % 2 or image.shape[3] % 2)
        half = F.avg_pool2d(image, 2, ceil_mode=odd, count_include_pad=False)  # B 3 H/2 W/2
        x8 = self.quarter(F.relu(self.conv(half)))  # B C H/8 W/8
        return x8, self.eighth(x8)


class StudentUpsampling(nn.Module):
    """A module for every stage that the head takes, each guided by the stage before it."""

    def __init__(self, row: PlusRow) -> None:
        super().__init__()
        widths = (row.quarter[-1].channels, row.eighth[-1].channels, *row.widths)
        self.indices = (0, *(i + 1 for i, stage in enumerate(row.stages) if stage.depth))
        self.up = nn.ModuleList(
            upsampling_module(row.upsampling, widths[i + 1], widths[i], row.refine_expansion)
            for i in self.indices
        )

    def forward(self, guide: Tensor, *stages: Tensor) -> tuple[Tensor, ...]:
        """Stage 2, then stages 3 to 6, each of half the size of the one before, to those taken,
        each at twice its size."""
        maps = (guide, *stages)
        return tuple(up(maps[i + 1], maps[i]) for i, up in zip(self.indices, self.up, strict=True))


class SeaFormerStudent(Network):
    """Distilled student (figure 5): image B 3 H W to logits B classes H/8 W/8, seen at H/2 W/2."""

    COMPONENTS = ("stem", "context", "upsampling", "spatial", "head")
    DAMPED = SeaFormerPlus.DAMPED
    SETTLED_AT = 256

    def __init__(self, row: PlusRow, classes: int) -> None:
        super().__init__()
        self.stem = HalvedStem(row)
        self.context = context_branch(row, every=True)
        self.upsampling = StudentUpsampling(row)
        self.spatial = spatial_branch(row)
        self.head = segmentation_head(row, classes)

    def forward(self, image: Tensor) -> Tensor:
        x8, x16 = self.stem(image)  # B C H/8 W/8, B C' H/16 W/16
        local, *coarse = self.upsampling(x8, x16, *self.context(x16))  # B C' H/8 W/8 and coarser
        logits: Tensor = self.head(self.spatial(local, *coarse))  # B classes H/8 W/8
        return logits


class SummedBranch(nn.Module):
    """What table 13's simple head needs on SeaFormer: every map at one width, resized and added.

    TopFormer's simple head adds maps that are of one width already; SeaFormer's are not, so each
    passes a 1x1 convolution and batch norm first. No official configuration is public.
    """

    def __init__(self, row: SeaFormerRow) -> None:
        super().__init__()
        widths = (row.eighth[-1].channels, *row.attended)
        self.embed = nn.ModuleList(ConvBN(width, row.fusion_channels[-1]) for width in widths)

    def forward(self, *maps: Tensor) -> Tensor:
        """B C H/8 W/8 and coarser ones to B C' H/8 W/8."""
        first, *others = (embed(x) for embed, x in zip(self.embed, maps, strict=True))
        fused: Tensor = first
        for other in others:
            fused = fused + resized(other, first)
        return fused


class SimpleHead(nn.Module):
    """Simple head (table 13): a 1x1 convolution with norm and ReLU, and one to the classes."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.mix = ConvBN(channels, channels)
        self.classify = nn.Conv2d(channels, classes, 1)

    def forward(self, fused: Tensor) -> Tensor:
        """B C H/8 W/8 to B classes H/8 W/8."""
        logits: Tensor = self.classify(F.relu(self.mix(fused)))
        return logits


def spatial_branch(row: PlusRow) -> SpatialBranch | SummedBranch:
    """What brings the stages to 1/8 for the row's head."""
    if row.head == "simple":
        return SummedBranch(row)
    return SpatialBranch(row, partial(FusionBlock, mode=row.fusion))


def segmentation_head(row: PlusRow, classes: int) -> nn.Module:
    """The row's segmentation head."""
    kind = SimpleHead if row.head == "simple" else LightHead
    return kind(row.fusion_channels[-1], classes)


AnyPlus = SeaFormerPlus | SeaFormerPlusClassifier | SeaFormerStudent
NETWORKS: dict[str, type[AnyPlus]] = {
    SEGMENTATION: SeaFormerPlus,
    CLASSIFICATION: SeaFormerPlusClassifier,
}


def own_keys(network: nn.Module) -> dict[str, str]:
    """Our keys as they are: no official checkpoint of these networks is public."""
    return {key: key for key in network.state_dict()}
