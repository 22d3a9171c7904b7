"""COCO's average precision of the boxes that a detector found, by pycocotools.

A box is compared with the annotations of its image at overlaps of 0.50 to 0.95 (Lin et al.,
"Microsoft COCO", 2014); the reference implementation counts, so that its rules for crowds and
small objects are those of published figures.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seaformer.core.errors import DataError
from seaformer.core.registry import missing
from seaformer.data.dataset import DataSet
from seaformer.evaluation.answers import Boxes


@dataclass(frozen=True, slots=True)
class ImageBoxes:
    """What was found in one image, by its number in the annotations."""

    image: int
    boxes: Boxes


def average_precision(data: DataSet, boxes: Sequence[ImageBoxes]) -> float:
    """AP at 0.50:0.95 over these images, in per cent.

    Raises ``MissingExtra`` without pycocotools, ``DataError`` for a set without annotations.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ModuleNotFoundError as error:
        raise missing("pycocotools", "average precision", "coco") from error
    if data.annotations is None:
        raise DataError(f"{data.folder} has no annotations of boxes.")
    rows = [row for each in boxes for row in _rows(data, each)]
    if not rows:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        truth: Any = COCO(str(data.annotations))
        counted = COCOeval(truth, truth.loadRes(rows), "bbox")
        counted.params.imgIds = [each.image for each in boxes]
        counted.evaluate()
        counted.accumulate()
        counted.summarize()
    return 100 * max(float(counted.stats[0]), 0.0)  # -1 where no image has an object


def _rows(data: DataSet, image: ImageBoxes) -> list[dict[str, Any]]:
    """As a results file of COCO has them: x, y, width and height."""
    return [
        {
            "image_id": image.image,
            "category_id": data.category_ids[box.label],
            "bbox": [box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1],
            "score": box.score,
        }
        for box in image.boxes.boxes
    ]
