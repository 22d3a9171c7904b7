"""``DataSet``: the images of one split and what is stated about each; ``Sample`` is one of them.

A folder of anybody's own classes has ``classes.json`` (``ClassFile``) in it, which names them.
Where the files of a set lie is in ``layouts.py``; opening a folder is in ``sets.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from seaformer.core.preprocessing import Labels

IGNORE = 255  # the label of pixels that are not counted
CLASS_FILE = "classes.json"
SEGMENTATION, CLASSIFICATION, DETECTION = TASKS = ("segmentation", "classification", "detection")
SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Box:
    """One object: x1 y1 x2 y2 in pixels, its class from 0 up; ``crowd``: several in one box."""

    x1: float
    y1: float
    x2: float
    y2: float
    label: int
    crowd: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """One image. ``mask`` is of segmentation (``None``: a test split has none), ``label`` of
    classification, ``boxes`` and ``id`` (the image's in COCO's file) of detection."""

    image: Path
    mask: Path | None = None
    label: int | None = None
    boxes: tuple[Box, ...] = ()
    id: int = 0


@dataclass(frozen=True)
class DataSet:
    """One split of a data set.

    ``kind`` is the layout (``layouts.LAYOUTS``), ``dataset`` whose classes they are, as models
    name it (``ade20k``; ``own`` where ``classes.json`` names them). ``labels`` are names and
    colours by class. With ``reduce_zero`` label 0 of a mask is ignored and 1 is the first class.
    ``category_ids`` are COCO's, by class; ``annotations`` is COCO's file of this split.
    """

    folder: Path
    split: str
    kind: str
    dataset: str
    task: str
    classes: int
    samples: tuple[Sample, ...]
    labels: Labels
    reduce_zero: bool = False
    ignore: int = IGNORE
    category_ids: tuple[int, ...] = ()
    annotations: Path | None = None


@dataclass(frozen=True)
class ClassFile:
    """``classes.json``: names of the classes in order, and colours as RRGGBB, or none.

    ``reduce_zero``: label 0 of a mask is none of them. ``made_by`` is free text.
    """

    schema: int
    names: tuple[str, ...]
    palette: tuple[str, ...] = ()
    reduce_zero: bool = False
    made_by: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
