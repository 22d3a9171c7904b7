"""The transforms of the official recipes, in their order, as functions of arrays.

Training (SeaFormer and TopFormer, on mmsegmentation 0.x): random scale, random crop that no class
fills, horizontal flip, photometric distortion, normalisation, padding on the right and below.
Whatever is drawn comes from the ``numpy.random.Generator`` handed in, so that a seed fixes all.
Images are (H, W, 3) 8-bit RGB, masks (H, W) with 255 where nothing counts; sizes are (height,
width).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from seaformer.data.dataset import IGNORE
from seaformer.data.resample import Size, resize_labels, resize_pixels

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Random = np.random.Generator
_CROPS = 10  # further draws of a crop that one class fills
_BRIGHTNESS = 32.0
_FACTORS = (0.5, 1.5)
_HUE = 18


@dataclass(frozen=True)
class SegmentationRecipe:
    """What training does to an image. ``box`` is (long side, short side), ``crop`` (h, w)."""

    box: tuple[int, int] = (2048, 512)
    ratios: tuple[float, float] = (0.5, 2.0)
    crop: Size = (512, 512)
    largest_class: float = 0.75
    flip: float = 0.5
    distort: bool = True


def augment(
    image: Pixels, mask: Pixels, recipe: SegmentationRecipe, rng: Random
) -> tuple[Pixels, Pixels]:
    """All steps of training before normalisation; the result may be smaller than the crop."""
    image, mask = random_scale(image, mask, recipe.box, recipe.ratios, rng)
    image, mask = random_crop(image, mask, recipe.crop, rng, recipe.largest_class)
    image, mask = random_flip(image, mask, rng, recipe.flip)
    return (distort(image, rng) if recipe.distort else image), mask


def random_scale(
    image: Pixels,
    mask: Pixels,
    box: tuple[int, int],
    ratios: tuple[float, float],
    rng: Random,
) -> tuple[Pixels, Pixels]:
    """Fit into ``box`` times a factor drawn from ``ratios``; labels by the nearest pixel."""
    factor = float(rng.uniform(*ratios))
    size = size_within(_size(image), (int(box[0] * factor), int(box[1] * factor)))
    return resize_pixels(image, size), resize_labels(mask, size)


def size_within(size: Size, box: tuple[int, int]) -> Size:
    """The (height, width) that keeps the aspect and fits: long side in the long one of ``box``."""
    long, short = max(box), min(box)
    factor = min(long / max(size), short / min(size))
    height, width = (int(side * factor + 0.5) for side in size)
    return max(height, 1), max(width, 1)


def aligned(size: Size, step: int = 32) -> Size:
    """Each side up to a multiple of ``step``."""
    height, width = (-(-side // step) * step for side in size)
    return height, width


def random_crop(
    image: Pixels, mask: Pixels, crop: Size, rng: Random, largest: float = 0.75
) -> tuple[Pixels, Pixels]:
    """A crop with two classes or more, the largest below ``largest`` of what counts.

    Ten further draws at most; the last one is taken then. A smaller image stays as it is.
    """
    place = _draw_crop(_size(image), crop, rng)
    for _ in range(_CROPS):
        if largest >= 1 or _is_mixed(mask[place], largest):
            break
        place = _draw_crop(_size(image), crop, rng)
    return image[place], mask[place]


def random_flip(
    image: Pixels, mask: Pixels, rng: Random, probability: float = 0.5
) -> tuple[Pixels, Pixels]:
    """Left and right exchanged, or not."""
    if rng.random() >= probability:
        return image, mask
    return np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(mask[:, ::-1])


def distort(image: Pixels, rng: Random) -> Pixels:
    """Photometric distortion: brightness, contrast before or after saturation and hue.

    Each step is done with probability 1/2, and its result is clipped to 8 bits.
    """
    if rng.integers(2):
        image = _scaled(image, 1.0, float(rng.uniform(-_BRIGHTNESS, _BRIGHTNESS)))
    first = bool(rng.integers(2))
    if first:
        image = _contrast(image, rng)
    image = _saturation(image, rng)
    image = _hue(image, rng)
    return image if first else _contrast(image, rng)


def pad(image: Floats, mask: Pixels, size: Size) -> tuple[Floats, Pixels]:
    """A normalised image (3, H, W) with zeros and its labels with 255, on the right and below."""
    right = [(0, max(0, want - side)) for want, side in zip(size, mask.shape, strict=True)]
    return (
        np.pad(image, [(0, 0), *right]),
        np.pad(mask, right, constant_values=IGNORE),
    )


def random_resized_crop(
    image: Pixels,
    size: Size,
    rng: Random,
    scale: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> Pixels:
    """A part of random area and aspect at a fixed size (classification, training)."""
    height, width = _size(image)
    for _ in range(_CROPS):
        area = height * width * float(rng.uniform(*scale))
        aspect = math.exp(float(rng.uniform(math.log(ratio[0]), math.log(ratio[1]))))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            place = _draw_crop((height, width), (h, w), rng)
            return _smooth(image[place], size, Image.Resampling.BILINEAR)
    return _smooth(_centre(image, (min(height, width),) * 2), size, Image.Resampling.BILINEAR)


def evaluation_crop(image: Pixels, size: Size = (224, 224), short_side: int = 256) -> Pixels:
    """ImageNet's test: bicubic, the shorter side to ``short_side``, then the centre.

    ``short_side`` is of a square centre; an image is enlarged to cover one that is not.
    """
    height, width = _size(image)
    shorter = min(height, width)
    resized = (short_side * height // shorter, short_side * width // shorter)
    if size[0] != size[1]:
        factor = max(size[0] / height, size[1] / width) * short_side / min(size)
        resized = (max(int(height * factor), size[0]), max(int(width * factor), size[1]))
    return _centre(_smooth(image, resized, Image.Resampling.BICUBIC), size)


def _smooth(image: Pixels, size: Size, how: Image.Resampling) -> Pixels:
    """Resized with Pillow's filter, which classification recipes use."""
    return np.asarray(Image.fromarray(image).resize((size[1], size[0]), how))


def _centre(image: Pixels, size: Size) -> Pixels:
    height, width = _size(image)
    top, left = round((height - size[0]) / 2), round((width - size[1]) / 2)
    return np.ascontiguousarray(image[top : top + size[0], left : left + size[1]])


def _size(image: Pixels) -> Size:
    return image.shape[0], image.shape[1]


def _draw_crop(size: Size, crop: Size, rng: Random) -> tuple[slice, slice]:
    margins = (max(side - want, 0) for side, want in zip(size, crop, strict=True))
    top, left = (int(rng.integers(margin + 1)) for margin in margins)
    return slice(top, top + crop[0]), slice(left, left + crop[1])


def _is_mixed(mask: Pixels, largest: float) -> bool:
    counts = np.bincount(mask.reshape(-1), minlength=IGNORE + 1)[:IGNORE]
    return bool(np.count_nonzero(counts) > 1 and counts.max() / counts.sum() < largest)


def _scaled(image: Pixels, factor: float, offset: float = 0.0) -> Pixels:
    scaled: Pixels = np.clip(image.astype(np.float32) * factor + offset, 0, 255).astype(np.uint8)
    return scaled


def _contrast(image: Pixels, rng: Random) -> Pixels:
    return _scaled(image, float(rng.uniform(*_FACTORS))) if rng.integers(2) else image


def _saturation(image: Pixels, rng: Random) -> Pixels:
    if not rng.integers(2):
        return image
    hsv = np.array(Image.fromarray(image).convert("HSV"))
    hsv[..., 1] = _scaled(hsv[..., 1], float(rng.uniform(*_FACTORS)))
    return np.asarray(Image.fromarray(hsv, "HSV").convert("RGB"))


def _hue(image: Pixels, rng: Random) -> Pixels:
    """Hue in OpenCV's steps of 2 degrees, 180 a circle; Pillow has 256 of them."""
    if not rng.integers(2):
        return image
    hsv = np.array(Image.fromarray(image).convert("HSV"))
    turn = round(int(rng.integers(-_HUE, _HUE)) * 256 / 180)
    hsv[..., 0] = (hsv[..., 0].astype(np.int16) + turn) % 256
    return np.asarray(Image.fromarray(hsv, "HSV").convert("RGB"))
