"""Whether files that options name exist: asked before torch is imported, which takes seconds."""

from __future__ import annotations

import shlex

from seaformer.core.errors import UsageError

_WITH_MASKS = (  # folders of images, and of masks, of data sets
    ("images/training", "annotations"),
    ("images", "annotations"),
    ("leftImg8bit", "gtFine"),
    ("JPEGImages", "SegmentationClassContext"),
)


def check_weights(*named: str) -> None:
    """Raise ``WeightsMismatch`` for a checkpoint that does not exist; empty ones are none."""
    from seaformer.models._checkpoints.source import find_source

    for path in named:
        if path:
            find_source(path)


def check_folder(option: str, named: str) -> None:
    """Raise ``UsageError`` unless the option names a folder, or nothing."""
    from seaformer.core.files import expanded

    path = expanded(named) if named else None
    if path is not None and not path.is_dir():
        what = "is not a folder" if path.exists() else "does not exist"
        raise UsageError(f"{option} {named} {what}.")


def check_calibration(named: str) -> None:
    """Raise ``UsageError`` unless it is a folder, and not one of a data set with masks.

    Masks are images as well: as photographs they would decide ranges.
    """
    from seaformer.core.files import expanded

    check_folder("--calibration", named)
    for images, masks in _WITH_MASKS if named else ():
        home = expanded(named)
        if (home / images).is_dir() and (home / masks).is_dir():
            raise UsageError(
                f"--calibration {named} is a data set: its masks ({masks}) are not photographs.",
                hint=f"Name its images: --calibration {shlex.quote(str(home / images))}",
            )
