"""Calibration images: which ones, as what a network takes, and what is refused.

A folder's images are read in the order of their names, resized to the size of the input as the
shipped photographs are. Without a folder those photographs are used, and the manifest warns of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from seaformer.agreement import images
from seaformer.agreement.images import Pixels
from seaformer.core import files
from seaformer.core.errors import UsageError
from seaformer.core.preprocessing import Preprocessing
from seaformer.core.quantization import (
    NOISE,
    PHOTOGRAPHS,
    CalibrationImage,
    Quantization,
    Sensitivity,
)
from seaformer.export.quantize._observers import Array
from seaformer.export.quantize._task import TaskData

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm")
MOST = 256  # of a larger folder, so many are taken at even distances
_COLOURS = 3
_NOISE_IMAGES = 3  # for a network that does not take colours


@dataclass(frozen=True)
class Calibration:
    """What ranges are measured on; ``arrays`` are made anew at every pass.

    ``task`` is what a search for modules in float is judged by, where a data set was named.
    """

    source: str
    images: tuple[CalibrationImage, ...]
    pixels: tuple[Pixels, ...]
    noise: tuple[Array, ...]
    preprocessing: Preprocessing
    task: TaskData | None = None

    def arrays(self, *, raw: bool) -> Iterator[Array]:
        """The images as the file takes them; as the network behind it does without ``raw``."""
        yield from self.noise
        for each in self.pixels:
            if raw and self.preprocessing.raw:
                yield images.raw_input(each, self.preprocessing)
            else:
                yield images.normalised(each, self.preprocessing)

    def sample(self, count: int, *, raw: bool) -> tuple[Array, ...]:
        """At most ``count`` of the arrays, at even distances."""
        total = len(self.noise) + len(self.pixels)
        chosen = {i * total // count for i in range(count)}
        return tuple(array for i, array in enumerate(self.arrays(raw=raw)) if i in chosen)

    def searched(self, count: int, *, raw: bool) -> tuple[Array, ...]:
        """What a search runs: the images of the data set, or at most ``count`` of its own."""
        if self.task is not None:
            return tuple(self.task.arrays(raw=raw))
        return self.sample(count, raw=raw)

    def described(
        self,
        observer: str,
        cpu: str,
        scheme: str,
        kept: tuple[str, ...] = (),
        sensitivity: Sensitivity | None = None,
    ) -> Quantization:
        """For the manifest of a file that was made with these images."""
        return Quantization(
            self.source, self.images, observer, cpu, scheme, kept, sensitivity=sensitivity
        )


def image_files(folder: str) -> tuple[Path, ...]:
    """The images in or below a folder. Raises ``UsageError`` where there are none."""
    path = files.expanded(folder)
    if not path.is_dir():
        what = "is not a folder" if path.exists() else "does not exist"
        raise UsageError(f"--calibration {folder} {what}.")
    with files.os_errors(f"Reading {folder}"):
        paths = sorted(each for each in path.rglob("*") if each.suffix.lower() in SUFFIXES)
    if not paths:
        raise UsageError(
            f"--calibration {folder} has no images ({', '.join(SUFFIXES)}).",
            hint="Name a folder of photographs like those that the model will see.",
        )
    if len(paths) <= MOST:
        return tuple(paths)
    return tuple(paths[i * len(paths) // MOST] for i in range(MOST))


def open_calibration(
    folder: str | None, shape: tuple[int, ...], preprocessing: Preprocessing
) -> Calibration:
    """The images of a folder, or the shipped photographs, for an input of shape (1, C, H, W).

    Raises ``UsageError`` for an image that cannot be read, and where every image is of one colour.
    """
    _, channels, height, width = shape
    if channels != _COLOURS:
        return _noise(folder, shape, preprocessing)
    if folder is None:
        pixels = tuple(images.pixels(name, height, width) for name in images.PHOTOGRAPHS)
        named = tuple(CalibrationImage(f"{n}.jpg", _shipped_sha256(n)) for n in images.PHOTOGRAPHS)
        return Calibration(PHOTOGRAPHS, named, pixels, (), preprocessing)
    paths = image_files(folder)
    pixels = tuple(images.read_pixels(path, height, width) for path in paths)
    if all(int(each.min()) == int(each.max()) for each in pixels):
        raise UsageError(
            f"--calibration {folder}: every image is of one colour, which gives no ranges.",
            hint="Name a folder of photographs like those that the model will see.",
        )
    root = files.expanded(folder)
    named = tuple(
        CalibrationImage(str(path.relative_to(root)), files.sha256_file(path)) for path in paths
    )
    return Calibration(root.name, named, pixels, (), preprocessing)


def _noise(folder: str | None, shape: tuple[int, ...], preprocessing: Preprocessing) -> Calibration:
    _, channels, height, width = shape
    if folder is not None:
        raise UsageError(
            f"--calibration is for networks that take {_COLOURS} channels (got {channels})."
        )
    arrays = tuple(images.noise(height, width, 100 + i, channels) for i in range(_NOISE_IMAGES))
    named = tuple(CalibrationImage(f"noise {100 + i}", "") for i in range(_NOISE_IMAGES))
    return Calibration(NOISE, named, (), arrays, preprocessing)


def _shipped_sha256(name: str) -> str:
    source = resources.files("seaformer.agreement") / "photographs" / f"{name}.jpg"
    with resources.as_file(source) as path:
        return files.sha256_file(path)


def calibration_digest(folder: str) -> str:
    """A digest of the images of a folder and their names, for the cache of exports."""
    root = files.expanded(folder)
    lines = [f"{path.relative_to(root)} {files.sha256_file(path)}" for path in image_files(folder)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
