"""COCO's files of objects, from anybody: read, or refused with one sentence."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from seaformer.core.errors import DataError
from seaformer.data.coco import read_instances
from seaformer.data.dataset import Box
from tests.fuzzing import budget, mutate


def instances() -> dict[str, Any]:
    return {
        "images": [
            {"id": 7, "file_name": "a.jpg", "width": 64, "height": 48},
            {"id": 9, "file_name": "b.jpg"},
        ],
        "annotations": [
            {"id": 1, "image_id": 9, "category_id": 3, "bbox": [1, 2, 10.5, 0], "iscrowd": 1},
            {"id": 2, "image_id": 7, "category_id": 18, "bbox": [0, 0, 4, 4], "area": 16.0},
        ],
        "categories": [{"id": 18, "name": "dog"}, {"id": 3, "name": "car"}],
    }


def written(folder: Path, content: object) -> Path:
    path = folder / "instances_val.json"
    path.write_text(json.dumps(content))
    return path


def test_classes_have_no_gaps_and_a_box_without_an_area_stays(tmp_path: Path) -> None:
    read = read_instances(written(tmp_path, instances()))
    assert (read.names, read.category_ids) == (("car", "dog"), (3, 18))
    assert [(image.file, image.id) for image in read.images] == [("a.jpg", 7), ("b.jpg", 9)]
    assert read.images[0].boxes == (Box(0, 0, 4, 4, 1, crowd=False),)
    assert read.images[1].boxes == (Box(1, 2, 11.5, 2, 0, crowd=True),)


@pytest.mark.parametrize(
    ("bbox", "shown"),
    [
        ([1, 2, -3, 4], "[1.0, 2.0, -3.0, 4.0]"),
        ([1, 2, 3, -0.5], "[1.0, 2.0, 3.0, -0.5]"),
    ],
)
def test_a_box_of_negative_size_is_refused(tmp_path: Path, bbox: list[float], shown: str) -> None:
    content = instances()
    content["annotations"][0]["bbox"] = bbox
    with pytest.raises(DataError) as refused:
        read_instances(written(tmp_path, content))
    assert refused.value.message.endswith(
        f"has a box {shown} of image 9: x, y, width and height must be finite, the last two at "
        "least 0."
    )


@pytest.mark.parametrize(("part", "noun"), [("images", "image 7"), ("categories", "category 18")])
def test_an_id_is_listed_once(tmp_path: Path, part: str, noun: str) -> None:
    content = instances()
    content[part].append(content[part][0])
    with pytest.raises(DataError, match=f"lists {noun} twice"):
        read_instances(written(tmp_path, content))


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_pipe_or_a_device_is_not_read(make: Callable[[Path], object], tmp_path: Path) -> None:
    make(path := tmp_path / "instances_val.json")
    with pytest.raises(DataError, match="is not a regular file"):
        read_instances(path)


@budget
@given(some.data())
def test_whatever_is_in_a_file_it_is_read_or_refused(tmp_path: Path, data: some.DataObject) -> None:
    content = instances()
    for part in data.draw(some.sets(some.sampled_from(list(content)), min_size=1)):
        mutate(content[part], data)
    path = written(tmp_path, content)
    with suppress(DataError):
        read = read_instances(path)
        boxes = [box for image in read.images for box in image.boxes]
        assert all(box.x1 <= box.x2 and box.y1 <= box.y2 for box in boxes)
        assert {box.label for box in boxes} <= set(range(len(read.names)))
