"""Photographs and noise as network inputs: (1, 3, H, W) float32, normalised as in training.

Mean and standard deviation are ImageNet's, in 0..255, as the official SeaFormer and TopFormer
configurations have them. Two photographs ship with the package (``photographs/ATTRIBUTION.md``).
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from seaformer.core.errors import UsageError
from seaformer.core.files import open_regular
from seaformer.core.preprocessing import Preprocessing
from seaformer.core.registry import unknown

MEAN = np.array((123.675, 116.28, 103.53), dtype=np.float32)
STD = np.array((58.395, 57.12, 57.375), dtype=np.float32)
PHOTOGRAPHS = ("china", "flower")

Array = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


def normalisation() -> str:
    """What is done to an image before a network of the zoo, in words."""
    mean, std = (" ".join(f"{value:g}" for value in each) for each in (MEAN, STD))
    return f"RGB, 0 to 255, bilinear to the input's size, minus {mean}, divided by {std}"


def photograph(name: str, height: int, width: int) -> Array:
    """One of the shipped photographs as (1, 3, height, width) float32, normalised."""
    return _normalised(pixels(name, height, width), MEAN, STD)


def pixels(name: str, height: int, width: int) -> Pixels:
    """One of the shipped photographs as (height, width, 3) 8-bit RGB."""
    if name not in PHOTOGRAPHS:
        raise unknown("photograph", name, PHOTOGRAPHS)
    source = resources.files("seaformer.agreement") / "photographs" / f"{name}.jpg"
    with resources.as_file(source) as path:
        return read_pixels(path, height, width)


def normalised(image: Pixels, preprocessing: Preprocessing) -> Array:
    """(height, width, 3) 8-bit RGB as a network takes it: (1, 3, height, width) float32.

    In float32: subtract, then divide, as a file with ``--input uint8`` does inside.
    """
    ordered = image[..., ::-1] if preprocessing.channels == "BGR" else image
    ends = (np.array(each, dtype=np.float32) for each in (preprocessing.mean, preprocessing.std))
    return _normalised(ordered, *ends)


def raw_input(image: Pixels, preprocessing: Preprocessing) -> Pixels:
    """(height, width, 3) 8-bit RGB as a file takes it that normalises inside."""
    ordered = image if preprocessing.layout == "NHWC" else image.transpose(2, 0, 1)
    # Not ``[None]``, which gives the batch a stride of 0, that ExecuTorch refuses.
    return np.ascontiguousarray(ordered).reshape(1, *ordered.shape)


def network_tensor(image: Pixels, preprocessing: Preprocessing) -> npt.NDArray[Any]:
    """(height, width, 3) 8-bit RGB as a file takes it: pixels, or normalised here."""
    return (
        raw_input(image, preprocessing) if preprocessing.raw else normalised(image, preprocessing)
    )


def read_image(path: Path, height: int, width: int) -> Array:
    """An image file, resized (bilinear, not keeping its aspect) and normalised, as above.

    Raises ``UsageError`` when the file is missing or is not an image.
    """
    return _normalised(read_pixels(path, height, width), MEAN, STD)


def read_pixels(path: Path, height: int, width: int) -> Pixels:
    """An image file, resized as above, as (height, width, 3) 8-bit RGB. Raises as above."""
    try:
        with open_regular(path) as stream, Image.open(stream) as image:
            resized = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    except UnidentifiedImageError as error:
        raise UsageError(f"{path} cannot be read as an image: its format is unknown.") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", "") or str(error)
        raise UsageError(f"{path} cannot be read as an image: {reason}.") from error
    return np.array(resized, dtype=np.uint8)  # a copy: torch takes no array that it may not write


def _normalised(image: Pixels, mean: Array, std: Array) -> Array:
    values = (image.astype(np.float32) - mean) / std  # (H, W, 3)
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None], dtype=np.float32)


def noise(height: int, width: int, seed: int = 0, channels: int = 3) -> Array:
    """Standard normal noise, (1, channels, height, width) float32, the same for the same seed."""
    shape = (1, channels, height, width)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def pixel_noise(height: int, width: int, seed: int = 0) -> Pixels:
    """Noise of all 256 values, (height, width, 3) uint8, the same for the same seed."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
