"""``seaformer data synth``: generated data sets in the official layouts, the same for one seed.

Segmentation has ADE20K's layout (12 classes and 0 for none), classification ImageNet's folders (10
classes), detection COCO's (7 classes). Each image has a generator of its own, of seed, split and
number, so an image does not depend on how many there are. One fifth is for validation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from seaformer.core import codec, files
from seaformer.core.errors import UsageError
from seaformer.core.registry import unknown
from seaformer.data import scene
from seaformer.data.dataset import CLASS_FILE, CLASSIFICATION, DETECTION, SEGMENTATION, ClassFile

TASKS = (SEGMENTATION, CLASSIFICATION, DETECTION)
OBJECT_CLASSES = tuple(sorted((*scene.SHAPES, "diamond", "ellipse", "hexagon")))
_SIZES = ((96, 96), (96, 128), (128, 96), (128, 160), (144, 200), (200, 152), (120, 176))
_SPLITS = ("train", "val")
_MOST = 1_000_000
_QUALITY = 92


@dataclass(frozen=True)
class SynthSet:
    """What was written: ``train`` and ``val`` images in ``folder``."""

    folder: Path
    task: str
    classes: int
    train: int
    val: int
    seed: int


@dataclass(frozen=True)
class _Place:
    """Where one image belongs: its split, its number in there, and its generator's seed."""

    folder: Path
    split: str
    number: int
    seed: int

    def rng(self) -> np.random.Generator:
        """The generator of this image alone."""
        return np.random.default_rng([self.seed, _SPLITS.index(self.split), self.number])


def synthesise(
    folder: Path | str,
    images: int,
    seed: int = 0,
    task: str = SEGMENTATION,
    progress: Callable[[int, int], None] | None = None,
) -> SynthSet:
    """Write a data set of ``images`` images into a new or empty folder.

    The folder appears when it is complete. Raises ``UsageError`` for a folder that holds something,
    fewer than two images, or an unknown task.
    """
    folder = files.expanded(folder).absolute()
    _check(folder, images, seed, task)
    val = max(1, images // 5)
    with files.staging(folder.parent) as scratch:
        home = files.make_dir(scratch / "set")
        with files.os_errors(str(folder)):
            names, palette = _WRITERS[task](home, _places(home, images - val, val, seed, progress))
            _write_classes(home, task, names, palette)
        if folder.exists():
            folder.rmdir()
        files.publish(home, folder)
    return SynthSet(folder, task, len(names), images - val, val, seed)


def _places(
    home: Path, train: int, val: int, seed: int, progress: Callable[[int, int], None] | None
) -> Iterator[_Place]:
    done = 0
    for split, count in zip(_SPLITS, (train, val), strict=True):
        for number in range(count):
            yield _Place(home, split, number, seed)
            done += 1
            if progress is not None:
                progress(done, train + val)


_Classes = tuple[tuple[str, ...], tuple[str, ...]]


def _segmentation(home: Path, places: Iterator[_Place]) -> _Classes:
    names = {"train": "training", "val": "validation"}
    for place in places:
        rng = place.rng()
        made = scene.scene(*_SIZES[int(rng.integers(len(_SIZES)))], rng)
        stem = f"synth_{place.split}_{place.number + 1:08d}"
        _save(made.image, home / "images" / names[place.split] / f"{stem}.jpg")
        _save(made.mask, home / "annotations" / names[place.split] / f"{stem}.png")
    return scene.SCENE_CLASSES, scene.SCENE_COLOURS


def _classification(home: Path, places: Iterator[_Place]) -> _Classes:
    for name in OBJECT_CLASSES:
        files.make_dir(home / "train" / name)
    for place in places:
        rng = place.rng()
        name = OBJECT_CLASSES[place.number % len(OBJECT_CLASSES)]
        made = scene.portrait(name, *_SIZES[int(rng.integers(len(_SIZES)))], rng)
        _save(made.image, home / place.split / name / f"synth_{place.number + 1:08d}.JPEG")
    return OBJECT_CLASSES, ()


def _detection(home: Path, places: Iterator[_Place]) -> _Classes:
    first = scene.SCENE_CLASSES.index(scene.SHAPES[0]) + 1
    documents: dict[str, dict[str, list[Any]]] = {
        split: {"images": [], "annotations": []} for split in _SPLITS
    }
    for place in places:
        rng = place.rng()
        made = scene.scene(*_SIZES[int(rng.integers(len(_SIZES)))], rng, objects=(1, 5))
        name = f"{place.number + 1:012d}.jpg"
        _save(made.image, home / f"{place.split}2017" / name)
        height, width = made.mask.shape
        document = documents[place.split]
        document["images"].append(
            {"id": place.number + 1, "file_name": name, "height": height, "width": width}
        )
        for placed in made.objects:
            if first <= placed.label < first + len(scene.SHAPES) and placed.area >= 16:
                number = len(document["annotations"]) + 1
                document["annotations"].append(_annotation(placed, number, place, first))
    categories = [{"id": i, "name": name} for i, name in enumerate(scene.SHAPES, 1)]
    for split, document in documents.items():
        path = home / "annotations" / f"instances_{split}2017.json"
        files.write_json(path, {**document, "categories": categories})
    colours = scene.SCENE_COLOURS[first - 1 : first - 1 + len(scene.SHAPES)]
    return scene.SHAPES, colours


def _annotation(placed: scene.Placed, number: int, place: _Place, first: int) -> dict[str, Any]:
    left, top, right, bottom = placed.box
    return {
        "id": number,
        "image_id": place.number + 1,
        "category_id": placed.label - first + 1,
        "bbox": [left, top, right - left, bottom - top],
        "area": placed.area,
        "iscrowd": 0,
    }


_WRITERS: dict[str, Callable[[Path, Iterator[_Place]], _Classes]] = {
    SEGMENTATION: _segmentation,
    CLASSIFICATION: _classification,
    DETECTION: _detection,
}


def _write_classes(home: Path, task: str, names: tuple[str, ...], palette: tuple[str, ...]) -> None:
    own = ClassFile(
        schema=1,
        names=names,
        palette=palette,
        reduce_zero=task == SEGMENTATION,
        made_by="seaformer data synth",
    )
    files.write_json(home / CLASS_FILE, codec.to_json(own))


def _save(pixels: scene.Pixels, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {} if path.suffix == ".png" else {"quality": _QUALITY}
    kind = "PNG" if path.suffix == ".png" else "JPEG"
    with path.open("wb") as stream:
        Image.fromarray(pixels).save(stream, kind, **options)


def _check(folder: Path, images: int, seed: int, task: str) -> None:
    if task not in TASKS:
        raise unknown("task", task, TASKS)
    if not 2 <= images <= _MOST:
        raise UsageError(f"--images must be from 2 to {_MOST:,} (got {images}).")
    if seed < 0:
        raise UsageError(f"--seed must be at least 0 (got {seed}).")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            f"{folder} exists and is not an empty folder.", hint="Name a folder that is new."
        )
