"""Where the files of each data set lie, by its official layout: a row each.

Counts are those of the published sets. ``list_split`` finds what is there and what is missing;
nothing is decoded.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from seaformer.core import files
from seaformer.core.errors import CorruptArtifact, DataError
from seaformer.core.plural import counted
from seaformer.data import coco
from seaformer.data.dataset import (
    CLASSIFICATION,
    DETECTION,
    SEGMENTATION,
    Sample,
)

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
_CITYSCAPES_LINE = "CITYSCAPES_DATASET={} csCreateTrainIdLabelImgs (pip install cityscapesscripts)"


@dataclass(frozen=True)
class Listing:
    """What a split holds: samples, images without a mask, masks without an image, and for
    classification and detection the classes by name; what is wrong for all is ``fault``."""

    samples: tuple[Sample, ...] = ()
    unlabelled: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    category_ids: tuple[int, ...] = ()
    annotations: Path | None = None
    fault: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Layout:
    """A row: ``signs`` are folders of which one is there; ``folders`` names a split's, by split."""

    kind: str
    title: str
    task: str
    dataset: str
    classes: int
    signs: tuple[str, ...]
    folders: Mapping[str, str]
    counts: Mapping[str, int]
    list: Callable[[Path, str], Listing]
    reduce_zero: bool = False
    homes: tuple[str, ...] = field(default=())

    def root(self, folder: Path) -> Path | None:
        """The folder that holds the signs: this one, or the usual name below it."""
        for home in (folder, *(folder / name for name in self.homes)):
            if any((home / sign).is_dir() for sign in self.signs):
                return home
        return None


def files_in(folder: Path, suffixes: Iterable[str] = IMAGES) -> list[Path]:
    """The files of a folder with these ends of their names, sorted; none where it is missing."""
    ends = tuple(suffixes)
    try:
        with os.scandir(folder) as entries:
            names = [each.name for each in entries if each.name.lower().endswith(ends)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}.") from error
    return [folder / name for name in sorted(names) if not name.startswith(".")]


def pair(images: Iterable[Path], masks: Mapping[str, Path], key: Callable[[Path], str]) -> Listing:
    """Each image with the mask of its key; two images of one mask are a fault."""
    samples, unlabelled = [], []
    seen: dict[str, Path] = {}
    fault = ""
    for image in images:
        name = key(image)
        if name in seen and name in masks:
            fault = fault or f"{seen[name].name} and {image.name} share the mask {masks[name].name}"
            continue
        seen[name] = image
        if name in masks:
            samples.append(Sample(image, masks[name]))
        else:
            unlabelled.append(image.name)
    orphans = tuple(masks[name].name for name in masks if name not in seen)
    return Listing(tuple(samples), tuple(unlabelled), orphans, fault=fault)


def _by_stem(root: Path, folder: str, end: str = "") -> Listing:
    """``images/FOLDER/STEM.jpg`` with ``annotations/FOLDER/STEM[end].png``."""
    masks = files_in(root / "annotations" / folder, (f"{end.lower()}.png",))
    stems = {mask.stem.removesuffix(end): mask for mask in masks}
    return pair(files_in(root / "images" / folder), stems, lambda image: image.stem)


def _ade20k(root: Path, folder: str) -> Listing:
    return _by_stem(root, folder)


def _coco_stuff(root: Path, folder: str) -> Listing:
    listing = _by_stem(root, folder, "_labelTrainIds")
    if listing.samples or not listing.unlabelled:
        return listing
    return replace(
        listing,
        fault=f"annotations/{folder} has no *_labelTrainIds.png",
        hint="Convert the labels first: 171 of the 182 ids are used, without gaps.",
    )


def _cityscapes(root: Path, folder: str) -> Listing:
    images, masks, raw = [], {}, 0
    end = "_leftImg8bit.png"
    for city in sorted(p for p in (root / "leftImg8bit" / folder).glob("*") if p.is_dir()):
        images += files_in(city, (end.lower(),))
        fine = root / "gtFine" / folder / city.name
        raw += len(files_in(fine, ("_gtfine_labelids.png",)))
        for mask in files_in(fine, ("_gtfine_labeltrainids.png",)):
            masks[mask.name.removesuffix("_gtFine_labelTrainIds.png")] = mask
    if folder == "test":
        return Listing(tuple(Sample(image) for image in images))
    listing = pair(images, masks, lambda image: image.name.removesuffix(end))
    if masks or not raw:
        return listing
    return replace(
        listing,
        fault=f"gtFine/{folder} has raw labelIds (0 to 33), and the 19 trainIds are missing",
        hint=f"Convert them: {_CITYSCAPES_LINE.format(shlex.quote(str(root)))}",
    )


def _pascal_context(root: Path, folder: str) -> Listing:
    name = f"ImageSets/SegmentationContext/{folder}.txt"
    masks = {mask.stem: mask for mask in files_in(root / "SegmentationClassContext", (".png",))}
    images = {image.stem: image for image in files_in(root / "JPEGImages")}
    try:
        names = files.read_bytes(root / name, name).decode().split()
    except CorruptArtifact as error:
        return Listing(fault=error.message.removesuffix("."))
    except UnicodeDecodeError:
        return Listing(fault=f"{name} is not text in UTF-8")
    absent = [name for name in names if name not in images]
    listing = pair((images[n] for n in names if n in images), masks, lambda image: image.stem)
    fault = f"{len(absent)} listed images are missing ({absent[0]}.jpg)" if absent else ""
    return replace(listing, orphans=(), fault=fault)  # masks of the other split are none


def _imagenet(root: Path, folder: str) -> Listing:
    classes = _class_folders(root / "train") or _class_folders(root / folder)
    own = _class_folders(root / folder)
    flat = files_in(root / folder)
    if flat and not own:
        return Listing(
            fault=f"{folder} is flat: {counted(len(flat), 'image lies', 'images lie')} in it, "
            "not in a folder per class",
            hint=f"Move each image to {folder}/WNID/, by the devkit's list of the validation set.",
        )
    if unknown := sorted(set(own) - set(classes)):
        return Listing(fault=f"{folder}/{unknown[0]} is not a class of train")
    index = {name: number for number, name in enumerate(classes)}
    samples = (
        Sample(image, label=index[name]) for name in own for image in files_in(root / folder / name)
    )
    return Listing(tuple(samples), names=tuple(classes))


def _class_folders(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(each.name for each in entries if each.is_dir() and each.name[0] != ".")


def _coco(root: Path, folder: str) -> Listing:
    path = root / "annotations" / f"instances_{folder}.json"
    if not path.is_file():
        return Listing(fault=f"annotations/{path.name} is missing")
    home = root / folder
    home = home if home.is_dir() else root / "images" / folder
    instances = coco.read_instances(path)
    there = {image.name for image in files_in(home)}
    present = [image for image in instances.images if image.file in there]
    absent = [image.file for image in instances.images if image.file not in there]
    samples = (Sample(home / image.file, boxes=image.boxes, id=image.id) for image in present)
    return Listing(
        tuple(samples),
        names=instances.names,
        category_ids=instances.category_ids,
        annotations=path,
        fault=f"{len(absent):,} images of {path.name} are missing ({absent[0]})" if absent else "",
    )


_TRAIN_VAL = {"train": "train", "val": "val"}
_2017 = {"train": "train2017", "val": "val2017"}

LAYOUTS = (
    Layout(
        "ade20k", "ADE20K", SEGMENTATION, "ade20k", 150,
        ("images/training", "images/validation"),
        {"train": "training", "val": "validation"},
        {"train": 20_210, "val": 2_000}, _ade20k, True, ("ADEChallengeData2016",),
    ),
    Layout(
        "cityscapes", "Cityscapes", SEGMENTATION, "cityscapes", 19,
        ("leftImg8bit",), _TRAIN_VAL | {"test": "test"},
        {"train": 2_975, "val": 500, "test": 1_525}, _cityscapes,
    ),
    Layout(
        "pascal_context", "Pascal Context, 60 classes", SEGMENTATION, "pascal_context", 60,
        ("SegmentationClassContext", "ImageSets/SegmentationContext"), _TRAIN_VAL,
        {"train": 4_998, "val": 5_105}, _pascal_context, False,
        ("VOCdevkit/VOC2010", "VOC2010"),
    ),
    Layout(
        "pascal_context_59", "Pascal Context, 59 classes", SEGMENTATION, "pascal_context_59", 59,
        ("SegmentationClassContext", "ImageSets/SegmentationContext"), _TRAIN_VAL,
        {"train": 4_998, "val": 5_105}, _pascal_context, True,
        ("VOCdevkit/VOC2010", "VOC2010"),
    ),
    Layout(
        "coco_stuff_10k", "COCO-Stuff 10k", SEGMENTATION, "coco_stuff", 171,
        ("images/train2014", "images/test2014"), {"train": "train2014", "val": "test2014"},
        {"train": 9_000, "val": 1_000}, _coco_stuff, True,
    ),
    Layout(
        "coco_stuff_164k", "COCO-Stuff 164k", SEGMENTATION, "coco_stuff", 171,
        ("annotations/train2017", "annotations/val2017"), _2017,
        {"train": 118_287, "val": 5_000}, _coco_stuff,
    ),
    Layout(
        "coco", "COCO detection", DETECTION, "coco", 80,
        ("train2017", "val2017"), _2017,
        {"train": 118_287, "val": 5_000}, _coco,
    ),
    Layout(
        "imagenet", "ImageNet folders", CLASSIFICATION, "imagenet", 1000,
        ("train", "val"), _TRAIN_VAL,
        {"train": 1_281_167, "val": 50_000}, _imagenet,
    ),
)  # fmt: skip
KINDS = tuple(layout.kind for layout in LAYOUTS)
_GENERATED = "synth"  # in the layout of ADE20K, with its rule


def reduces_zero(dataset: str) -> bool:
    """Whether label 0 of a data set's masks is none of its classes, in every layout of it."""
    rows = [layout.reduce_zero for layout in LAYOUTS if layout.dataset == dataset]
    return all(rows) if rows else dataset == _GENERATED
