"""SeaFormer: segmentation with the light head, and classification. Sizes T, S, B, L.

Source: Wan et al., "SeaFormer++: Squeeze-enhanced Axial Transformer for Mobile Visual
Recognition", sections 3.1-3.2.5, figure 2 and table 1; function and checkpoints as
fudan-zvg/SeaFormer 9718d05 (Apache-2.0). The branches and sizes are in ``_backbone.py``, the
official names of weights in ``_official.py``; the "++" variants are in ``seaformer_plus.py``.
Dropout (0.1 before the classes in official training) is not here.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from seaformer.core.spec import ModelSpec
from seaformer.models._backbone import (
    DAMPED,
    SIZES,
    ContextBranch,
    SeaFormerRow,
    SpatialBranch,
    Stem,
)
from seaformer.models._blocks import Network
from seaformer.models._heads import Classifier, LightHead
from seaformer.models._official import backbone_keys, renamed
from seaformer.models._tags import (
    CLASSIFICATION,
    SEGMENTATION,
    TAGS,
    published_lines,
    replaced,
    spec,
)


class SeaFormer(Network):
    """Segmentation network (figure 2): image B 3 H W to logits B classes H/8 W/8."""

    COMPONENTS = ("stem", "context", "spatial", "head")
    DAMPED = DAMPED

    def __init__(self, row: SeaFormerRow, classes: int) -> None:
        super().__init__()
        self.stem = Stem(row)
        self.context = ContextBranch(row)
        self.spatial = SpatialBranch(row)
        self.head = LightHead(row.fusion_channels[-1], classes)

    def forward(self, image: Tensor) -> Tensor:
        x8 = self.stem(image)  # B C H/8 W/8
        stages = self.context(x8)  # B C' H/s W/s each
        logits: Tensor = self.head(self.spatial(x8, *stages))  # B classes H/8 W/8
        return logits


class SeaFormerClassifier(Network):
    """Classification network (section 3.2.5): image B 3 H W to logits B classes."""

    COMPONENTS = ("stem", "context", "head")
    DAMPED = DAMPED

    def __init__(self, row: SeaFormerRow, classes: int) -> None:
        super().__init__()
        self.stem = Stem(row)
        self.context = ContextBranch(row)
        self.head = Classifier(row.widths[-1], classes)

    def forward(self, image: Tensor) -> Tensor:
        stages = self.context(self.stem(image))  # B C' H/s W/s each
        logits: Tensor = self.head(stages[-1])  # B classes
        return logits


AnySeaFormer = SeaFormer | SeaFormerClassifier


def official_keys(network: AnySeaFormer) -> dict[str, str]:
    """Our state-dict key -> the key of the official checkpoint, for every key of ``network``."""
    segments = isinstance(network, SeaFormer)
    keys = backbone_keys(network, "backbone." if segments else "")
    return keys | renamed(network, dict(_head_prefixes(network)))


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


NETWORKS: dict[str, type[AnySeaFormer]] = {
    SEGMENTATION: SeaFormer,
    CLASSIFICATION: SeaFormerClassifier,
}


def specs() -> Iterator[ModelSpec]:
    """Every model of this file: each size with each tag."""
    for size in SIZES:
        name = f"SeaFormer-{size.upper()}"
        published = published_lines(size, name, ade20k=f"{name}*")  # *: trained with batch 32
        for tag in TAGS:
            yield spec("seaformer", size, tag, stride=8, published=published.get(tag))
    for size, tag in (("t", "synth"), ("s", "synth"), ("t", "synth_classes")):
        yield spec("seaformer", size, tag, stride=8, published=None)


def build(spec: ModelSpec, **fields: object) -> AnySeaFormer:
    """The network of ``spec``; ``fields`` of ``SeaFormerRow`` replace those of its row."""
    size = spec.name.partition(".")[0].removeprefix("seaformer_")
    return NETWORKS[spec.task](replaced(SIZES[size], fields), spec.classes)
