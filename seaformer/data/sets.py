"""Open a folder as a data set, and read its images and masks.

val = open_set(Path("ADEChallengeData2016"), "val")
picture = read(val, val.samples[0])         # 8-bit RGB, and labels from 0 up or 255
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from seaformer.core import codec, files
from seaformer.core.errors import DataError, UsageError
from seaformer.core.files import open_regular
from seaformer.core.preprocessing import Labels
from seaformer.core.registry import unknown
from seaformer.data.dataset import (
    CLASS_FILE,
    IGNORE,
    SEGMENTATION,
    SPLITS,
    ClassFile,
    DataSet,
    Sample,
)
from seaformer.data.labels import dataset_labels
from seaformer.data.layouts import KINDS, LAYOUTS, Layout, Listing

Pixels = npt.NDArray[np.uint8]
_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Picture:
    """An image (H, W, 3) in 8-bit RGB and its labels (H, W), 255 where none counts, or ``None``."""

    image: Pixels
    mask: Pixels | None = None


def open_set(folder: Path | str, split: str = "val", kind: str | None = None) -> DataSet:
    """One split of the data set in a folder; the layout is recognised unless ``kind`` names it.

    Raises ``DataError`` for a folder without a known layout, without that split, or in which
    images lack their masks; ``UsageError`` where two layouts fit.
    """
    root, layout = recognise(folder, kind)
    own = read_class_file(root)
    listing = list_split(root, layout, split)
    fault = listing.fault or _pairs_fault(listing, layout.folders[split])
    check = f"seaformer data check {shlex.quote(str(root))}"
    if fault:
        raise DataError(f"{root}: {fault}.", hint=listing.hint or check)
    if not listing.samples:
        raise DataError(f"{root}: the {split} split has no images.", hint=check)
    return data_set(root, layout, split, listing, own)


def data_set(
    root: Path, layout: Layout, split: str, listing: Listing, own: ClassFile | None
) -> DataSet:
    """The data set of what a split holds, whether or not something is missing."""
    labels = _labels(layout, own, listing)
    return DataSet(
        folder=root,
        split=split,
        kind=layout.kind,
        dataset=_dataset(layout, own, labels),
        task=layout.task,
        classes=len(labels.names),
        samples=listing.samples,
        labels=labels,
        reduce_zero=own.reduce_zero if own else layout.reduce_zero,
        category_ids=listing.category_ids,
        annotations=listing.annotations,
    )


def recognise(folder: Path | str, kind: str | None = None) -> tuple[Path, Layout]:
    """The folder that holds the set, and its layout."""
    folder = files.expanded(folder)
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder.")
    if kind is not None and kind not in KINDS:
        raise unknown("kind of data set", kind, KINDS)
    fitting = [
        (root, layout)
        for layout in LAYOUTS
        if kind in (None, layout.kind) and (root := layout.root(folder)) is not None
    ]
    if kind is None:  # 59 classes of Pascal Context are a choice, not a layout
        fitting = [each for each in fitting if each[1].kind != "pascal_context_59"]
    if not fitting:
        which = "a data set of a known layout" if kind is None else f"a data set of kind {kind}"
        raise DataError(
            f"{folder} is not {which}.",
            hint=f"Layouts: {', '.join(KINDS)} (docs/accuracy.md).",
        )
    if len(fitting) > 1:
        kinds = ", ".join(layout.kind for _, layout in fitting)
        raise UsageError(f"{folder} fits several layouts: {kinds}.", hint="Choose with --kind.")
    return fitting[0]


def list_split(root: Path, layout: Layout, split: str) -> Listing:
    """What the folder holds of a split."""
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    if split not in layout.folders:
        have = ", ".join(layout.folders)
        raise UsageError(f"{layout.title} must have a split of {have} (got {split!r}).")
    return layout.list(root, layout.folders[split])


def read_class_file(root: Path) -> ClassFile | None:
    """``classes.json`` of a folder; ``None`` where it has none.

    Raises ``DataError`` for one that cannot be used.
    """
    path = root / CLASS_FILE
    if not path.exists():
        return None
    own = codec.decode(ClassFile, files.read_bytes(path), where=str(path), newest=1)
    if not own.names:
        raise DataError(f"{path}: names must have 1 class or more (got none).")
    if own.palette and len(own.palette) != len(own.names):
        raise DataError(
            f"{path}: palette must have a colour for each of {len(own.names)} names "
            f"(got {len(own.palette)})."
        )
    for colour in own.palette:
        if len(colour) != 6 or any(digit not in "0123456789abcdefABCDEF" for digit in colour):
            raise DataError(f"{path}: a colour must be RRGGBB (got {colour[:20]!r}).")
    return own


def read(data: DataSet, sample: Sample) -> Picture:
    """The pixels of a sample and its labels by the rule of the set.

    Raises ``DataError`` where a file is missing or broken, where image and mask differ in size,
    or where a label is not a class of the set.
    """
    image = read_image(sample.image)
    if sample.mask is None:
        return Picture(image)
    mask = apply_rule(read_mask(sample.mask), reduce_zero=data.reduce_zero)
    if mask.shape != image.shape[:2]:
        sizes = [f"{each.shape[1]}x{each.shape[0]}" for each in (image, mask)]
        raise DataError(f"{sample.image} is {sizes[0]} pixels, its mask {sizes[1]}.")
    if wrong := labels_out_of_range(mask, data.classes):
        shown = ", ".join(map(str, wrong[:_SHOWN])) + (", ..." if len(wrong) > _SHOWN else "")
        raise DataError(
            f"{sample.mask} has labels that are not one of {data.classes} classes: {shown}."
        )
    return Picture(image, mask)


def read_image(path: Path) -> Pixels:
    """An image file as (H, W, 3) in 8-bit RGB; its EXIF orientation is not applied, as masks have
    none. Raises ``DataError`` where it is missing or broken."""
    with _reading(path), open_regular(path) as stream, Image.open(stream) as image:
        return np.asarray(image.convert("RGB"))


def read_mask(path: Path) -> Pixels:
    """A mask as (H, W) label ids: of a palette image the indices, never the colours."""
    with _reading(path), open_regular(path) as stream, Image.open(stream) as image:
        if image.mode not in ("L", "P", "I;16", "I", "1"):
            raise DataError(f"{path} must have one channel of labels (got mode {image.mode}).")
        values = np.asarray(image)
    if values.size and int(values.max()) > IGNORE:
        raise DataError(f"{path}: labels must be at most 255 (got {int(values.max())}).")
    return values.astype(np.uint8)


def apply_rule(mask: npt.NDArray[Any], *, reduce_zero: bool) -> npt.NDArray[Any]:
    """Labels as they count: with ``reduce_zero`` 0 is ignored, and all others are one less."""
    if not reduce_zero:
        return mask
    return np.where((mask == 0) | (mask == IGNORE), IGNORE, mask - 1).astype(mask.dtype)


def labels_out_of_range(mask: Pixels, classes: int) -> list[int]:
    """The labels of a mask, after the rule, that are neither a class nor ignored, ascending."""
    counts = np.bincount(mask.reshape(-1), minlength=IGNORE + 1)
    return [int(label) for label in np.flatnonzero(counts[:IGNORE]) if label >= classes]


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.") from error
    except UnidentifiedImageError as error:
        raise DataError(f"{path} cannot be read as an image: its format is unknown.") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", "") or str(error)
        raise DataError(f"{path} cannot be read as an image: {reason}.") from error


def _pairs_fault(listing: Listing, folder: str) -> str:
    if not listing.unlabelled:
        return ""
    count, first = len(listing.unlabelled), listing.unlabelled[0]
    plural = "image has" if count == 1 else "images have"
    return f"{count:,} {plural} no mask in {folder} ({first})"


def _labels(layout: Layout, own: ClassFile | None, listing: Listing) -> Labels:
    if own is not None and layout.task == SEGMENTATION:
        return Labels(own.names, own.palette)
    if layout.task == SEGMENTATION:
        official = dataset_labels(layout.dataset)
        assert official is not None  # each row names a list that ships with the package
        return official
    official = dataset_labels(layout.dataset)
    same = official is not None and len(official.names) == len(listing.names)
    if own is None and same and official is not None:
        return official
    palette = own.palette if own is not None and len(own.palette) == len(listing.names) else ()
    return Labels(listing.names, palette)


def _dataset(layout: Layout, own: ClassFile | None, labels: Labels) -> str:
    official = dataset_labels(layout.dataset)
    return layout.dataset if own is None and labels == official else "own"
