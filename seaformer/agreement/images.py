"""Photographs and noise as network inputs: (1, 3, H, W) float32, normalised as in training.

Mean and standard deviation are ImageNet's, in 0..255, as the official SeaFormer and TopFormer
configurations have them. Two photographs ship with the package (``photographs/ATTRIBUTION.md``).
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from seaformer.core.errors import UsageError
from seaformer.core.registry import unknown

MEAN = np.array((123.675, 116.28, 103.53), dtype=np.float32)
STD = np.array((58.395, 57.12, 57.375), dtype=np.float32)
PHOTOGRAPHS = ("china", "flower")

Array = npt.NDArray[np.float32]


def normalisation() -> str:
    """What is done to an image before a network of the zoo, in words."""
    mean, std = (" ".join(f"{value:g}" for value in each) for each in (MEAN, STD))
    return f"RGB, 0 to 255, bilinear to the input's size, minus {mean}, divided by {std}"


def photograph(name: str, height: int, width: int) -> Array:
    """One of the shipped photographs as (1, 3, height, width) float32, normalised."""
    if name not in PHOTOGRAPHS:
        raise unknown("photograph", name, PHOTOGRAPHS)
    source = resources.files("seaformer.agreement") / "photographs" / f"{name}.jpg"
    with resources.as_file(source) as path:
        return read_image(path, height, width)


def read_image(path: Path, height: int, width: int) -> Array:
    """An image file, resized (bilinear, not keeping its aspect) and normalised, as above.

    Raises ``UsageError`` when the file is missing or is not an image.
    """
    try:
        with Image.open(path) as image:
            resized = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    except (OSError, UnidentifiedImageError) as error:
        raise UsageError(f"{path} cannot be read as an image: {error}.") from error
    pixels = np.asarray(resized, dtype=np.float32)  # (H, W, 3)
    normalised = (pixels - MEAN) / STD
    return np.ascontiguousarray(normalised.transpose(2, 0, 1)[None], dtype=np.float32)


def noise(height: int, width: int, seed: int = 0, channels: int = 3) -> Array:
    """Standard normal noise, (1, channels, height, width) float32, the same for the same seed."""
    shape = (1, channels, height, width)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
