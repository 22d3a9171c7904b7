"""COCO's file of objects (``instances_*.json``): images with their boxes, classes without gaps."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import msgspec

from seaformer.core import files
from seaformer.core.errors import DataError
from seaformer.data.dataset import Box


@dataclass(frozen=True)
class ImageBoxes:
    """An image of the file: its name, its id, and its objects in the order of the file."""

    file: str
    id: int
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Instances:
    """The content of a file. ``category_ids`` are ascending: class i has the i-th."""

    images: tuple[ImageBoxes, ...]
    names: tuple[str, ...]
    category_ids: tuple[int, ...]


class _Image(msgspec.Struct):
    id: int
    file_name: str


class _Annotation(msgspec.Struct):
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    iscrowd: int = 0


class _Category(msgspec.Struct):
    id: int
    name: str


class _File(msgspec.Struct):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


def read_instances(path: Path) -> Instances:
    """Read a file. Raises ``DataError`` where it is not one, or contradicts itself."""
    try:
        with files.open_regular(path) as stream:
            content = msgspec.json.decode(stream.read(), type=_File)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a COCO file of instances: {error}.") from error
    _check_ids("image", [each.id for each in content.images], path)
    _check_ids("category", [each.id for each in content.categories], path)
    categories = sorted(content.categories, key=lambda each: each.id)
    index = {each.id: number for number, each in enumerate(categories)}
    boxes: dict[int, list[Box]] = {image.id: [] for image in content.images}
    for one in content.annotations:
        if one.category_id not in index or one.image_id not in boxes:
            noun, number = "category", one.category_id
            if one.category_id in index:
                noun, number = "image", one.image_id
            raise DataError(f"{path} has a box of {noun} {number}, which it does not list.")
        boxes[one.image_id].append(_box(one, index[one.category_id], path))
    return Instances(
        tuple(
            ImageBoxes(each.file_name, each.id, tuple(boxes[each.id])) for each in content.images
        ),
        tuple(each.name for each in categories),
        tuple(each.id for each in categories),
    )


def _check_ids(noun: str, ids: list[int], path: Path) -> None:
    twice = next((number for number, count in Counter(ids).items() if count > 1), None)
    if twice is not None:
        raise DataError(f"{path} lists {noun} {twice} twice.")


def _box(one: _Annotation, label: int, path: Path) -> Box:
    """Its corners. A box without an area is allowed: the official files have some."""
    x, y, width, height = one.bbox
    if not all(map(math.isfinite, one.bbox)) or width < 0 or height < 0:
        raise DataError(
            f"{path} has a box {list(one.bbox)} of image {one.image_id}: x, y, width and height "
            "must be finite, the last two at least 0."
        )
    return Box(x, y, x + width, y + height, label, bool(one.iscrowd))
