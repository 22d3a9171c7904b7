"""Tags, the data set a model's head and input size are for, and other row-keeping of families.

``family_size.tag`` is a model's name. Sizes are those the SeaFormer++ paper evaluates at
(sections 4.1-4.4).
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from seaformer.core import paper
from seaformer.core.errors import UsageError
from seaformer.core.precision import BASE, precisions
from seaformer.core.spec import ModelSpec, PaperRow

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SEGMENTATION, CLASSIFICATION, DETECTION = "segmentation", "classification", "detection"
DETECTION_STRIDES, ANCHORS_PER_PLACE = (8, 16, 32, 64, 128), 9  # of RetinaNet


class Tag(NamedTuple):
    """A data set: what is asked of the model, how many classes, at which input size."""

    dataset: str
    task: str
    classes: int
    height: int
    width: int


TAGS = {
    "ade20k": Tag("ade20k", SEGMENTATION, 150, 512, 512),
    "cityscapes": Tag("cityscapes", SEGMENTATION, 19, 1024, 2048),
    "cityscapes_half": Tag("cityscapes", SEGMENTATION, 19, 512, 1024),
    "pascal_context": Tag("pascal_context", SEGMENTATION, 60, 480, 480),
    "pascal_context_59": Tag("pascal_context_59", SEGMENTATION, 59, 480, 480),
    "coco_stuff": Tag("coco_stuff", SEGMENTATION, 171, 512, 512),
    "imagenet": Tag("imagenet", CLASSIFICATION, 1000, 224, 224),
}
# Sizes that only some families were trained at.
OWN_TAGS = {
    "coco": Tag("coco", DETECTION, 80, 800, 1344),
    "ade20k_448": Tag("ade20k", SEGMENTATION, 150, 448, 448),
    "ade20k_640": Tag("ade20k", SEGMENTATION, 150, 640, 640),
    "cityscapes_768": Tag("cityscapes", SEGMENTATION, 19, 768, 768),
    "cityscapes_1024": Tag("cityscapes", SEGMENTATION, 19, 1024, 1024),
    # What `seaformer data synth` generates.
    "synth": Tag("synth", SEGMENTATION, 12, 128, 128),
    "synth_classes": Tag("synth_classes", CLASSIFICATION, 10, 96, 96),
    "imagenet_240": Tag("imagenet", CLASSIFICATION, 1000, 240, 240),
    "imagenet_256": Tag("imagenet", CLASSIFICATION, 1000, 256, 256),
}


class PaperLine(NamedTuple):
    """A line of the paper: the row of ``table`` with these ``cells``, and its accuracy.

    ``table16`` is the model's name in that table, which gives its latency in other precisions.
    """

    table: str
    cells: Mapping[str, str]
    metric: str
    column: str
    table16: str = ""

    def row(self) -> PaperRow:
        """The line as the spec carries it. Raises ``UnknownName`` when the paper has no such."""
        label = " ".join(self.cells.values())
        row = paper.row(paper.TABLES[self.table], label, self.cells, self.metric, self.column)
        if not self.table16:
            return row
        line = paper.find(paper.TABLES["precision"], {"model": self.table16})
        others = [each for each in precisions() if each.paper_latency and each is not BASE]
        latencies: dict[str, Any] = {
            each.paper_latency: line.number(f"{each.name}_ms") for each in others
        }
        return dataclasses.replace(row, **latencies)


def published_lines(size: str, name: str, *, ade20k: str = "") -> dict[str, PaperLine]:
    """The lines of SeaFormer's or SeaFormer++'s ``size`` by tag; not all were evaluated.

    ``ade20k`` is the name in that table where it is another than ``name``.
    """
    backbone = {"backbone": name}
    half, full = {"method": "Light Head(h)"} | backbone, {"method": "Light Head(f)"} | backbone
    star = {"backbone": ade20k or name}
    lines = (
        ("tsbl", "ade20k", PaperLine("ade20k", star, "mIoU", "miou", table16=name)),
        ("sb", "cityscapes", PaperLine("cityscapes", full, "mIoU val", "miou_val")),
        ("sb", "cityscapes_half", PaperLine("cityscapes", half, "mIoU val", "miou_val")),
        ("tsb", "pascal_context", PaperLine("pascal_context", backbone, "mIoU", "miou_60")),
        ("tsb", "pascal_context_59", PaperLine("pascal_context", backbone, "mIoU", "miou_59")),
        ("tsb", "coco_stuff", PaperLine("coco_stuff", backbone, "mIoU", "miou")),
        ("tsbl", "imagenet", PaperLine("imagenet", {"model": name}, "top-1", "top1")),
    )
    return {tag: line for sizes, tag, line in lines if size in sizes}


Row = TypeVar("Row", bound="DataclassInstance")


def replaced(row: Row, fields: Mapping[str, object]) -> Row:
    """A variant's row with some fields changed.

    Raises ``UsageError`` for a field it lacks, and for a value of another type or below 1.
    """
    known = [field.name for field in dataclasses.fields(row)]
    for name, value in fields.items():
        if name not in known:
            near = difflib.get_close_matches(name, ["classes", "size", *known], n=1)
            raise UsageError(
                f"Unknown override {name!r}. Known: classes, size, {', '.join(known)}.",
                hint=f"Did you mean {near[0]}?" if near else "",
            )
        kind = type(getattr(row, name))
        small = isinstance(value, int) and not isinstance(value, bool) and value < 1
        if type(value) is not kind or small:
            raise UsageError(f"{name} cannot be {value!r}; it is {getattr(row, name)!r} as it is.")
    return dataclasses.replace(row, **fields)


def spec(
    family: str,
    size: str,
    tag: str,
    stride: int,
    published: PaperLine | None,
    *,
    size_step: int = 1,
    module: str = "",
) -> ModelSpec:
    """The spec of one model; a segmentation head answers at 1/``stride``, rounded up.

    ``module`` is the file of the family where it is called otherwise than the model.
    """
    row = (TAGS | OWN_TAGS)[tag]
    return ModelSpec(
        name=f"{family}_{size}.{tag}",
        family=module or family,
        task=row.task,
        dataset=row.dataset,
        classes=row.classes,
        input_shape=(1, 3, row.height, row.width),
        output_shape=(1, row.classes, *_places(row.task, row.height, row.width, stride)),
        paper=published.row() if published else None,
        size_step=size_step,
    )


def _places(task: str, height: int, width: int, stride: int) -> tuple[int, ...]:
    """What follows batch and classes in an output's shape."""
    if task == SEGMENTATION:
        return -(-height // stride), -(-width // stride)
    return (anchor_count(height, width),) if task == DETECTION else ()


def anchor_count(height: int, width: int) -> int:
    """How many anchors a detector has for an image of that size."""
    return ANCHORS_PER_PLACE * sum(
        -(-height // stride) * -(-width // stride) for stride in DETECTION_STRIDES
    )
