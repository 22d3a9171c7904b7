"""RandAugment of an image: two random operations of about one strength (Cubuk et al. 2020).

As the official ImageNet recipe has it (``rand-m9-mstd0.5`` of timm): fifteen operations, each
applied with probability 1/2, at a magnitude drawn around that of the recipe. Posterize and solarize
become weaker as the magnitude grows, as in that recipe. What is uncovered is filled with ImageNet's
mean colour.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from seaformer.data.transforms import Pixels, Random

_LAYERS, _CHANCE, _DEVIATION = 2, 0.5, 0.5
_STRONGEST = 10.0
_GROUND = (124, 116, 104)
_SMOOTH = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)
_SOLAR_ADD_BELOW = 128

# ``level`` is from 0 to 1.
_Operation = Callable[[Image.Image, float, Random], Image.Image]


def rand_augment(image: Pixels, magnitude: float, rng: Random) -> Pixels:
    """``image`` is H W 3, uint8, and stays as it is; ``magnitude`` is from 0 to 10."""
    drawn = Image.fromarray(image)
    for number in rng.integers(len(OPERATIONS), size=_LAYERS):
        if rng.random() < _CHANCE:
            level = min(max(rng.normal(magnitude, _DEVIATION), 0.0), _STRONGEST) / _STRONGEST
            drawn = list(OPERATIONS.values())[number](drawn, level, rng)
    return np.array(drawn)


def _affine(
    image: Image.Image, matrix: tuple[float, float, float, float, float, float], rng: Random
) -> Image.Image:
    """Each pixel from (a x + b y + c, d x + e y + f)."""
    return image.transform(
        image.size, Image.Transform.AFFINE, matrix, _smoothing(rng), fillcolor=_GROUND
    )


def _smoothing(rng: Random) -> Image.Resampling:
    return _SMOOTH[int(rng.integers(len(_SMOOTH)))]


def _signed(value: float, rng: Random) -> float:
    return -value if rng.random() < 0.5 else value


def _rotate(image: Image.Image, level: float, rng: Random) -> Image.Image:
    degrees = _signed(30 * level, rng)
    return image.rotate(degrees, _smoothing(rng), fillcolor=_GROUND)


def _shear_x(image: Image.Image, level: float, rng: Random) -> Image.Image:
    return _affine(image, (1, _signed(0.3 * level, rng), 0, 0, 1, 0), rng)


def _shear_y(image: Image.Image, level: float, rng: Random) -> Image.Image:
    return _affine(image, (1, 0, 0, _signed(0.3 * level, rng), 1, 0), rng)


def _translate_x(image: Image.Image, level: float, rng: Random) -> Image.Image:
    return _affine(image, (1, 0, _signed(0.45 * level, rng) * image.width, 0, 1, 0), rng)


def _translate_y(image: Image.Image, level: float, rng: Random) -> Image.Image:
    return _affine(image, (1, 0, 0, 0, 1, _signed(0.45 * level, rng) * image.height), rng)


def _solarize_add(image: Image.Image, level: float, rng: Random) -> Image.Image:
    """Dark values become lighter by up to 110."""
    values = range(256)
    table = [min(255, v + int(110 * level)) if v < _SOLAR_ADD_BELOW else v for v in values]
    return image.point(table * 3)


def _blended(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> _Operation:
    """An enhancement by 0.1 to 1.9; 1 changes nothing."""
    return lambda image, level, _: kind(image).enhance(1.8 * level + 0.1)


OPERATIONS: dict[str, _Operation] = {
    "AutoContrast": lambda image, *_: ImageOps.autocontrast(image),
    "Equalize": lambda image, *_: ImageOps.equalize(image),
    "Invert": lambda image, *_: ImageOps.invert(image),
    "Rotate": _rotate,
    "Posterize": lambda image, level, _: ImageOps.posterize(image, max(int(4 * level), 1)),
    "Solarize": lambda image, level, _: ImageOps.solarize(image, int(256 * level)),
    "SolarizeAdd": _solarize_add,
    "Color": _blended(ImageEnhance.Color),
    "Contrast": _blended(ImageEnhance.Contrast),
    "Brightness": _blended(ImageEnhance.Brightness),
    "Sharpness": _blended(ImageEnhance.Sharpness),
    "ShearX": _shear_x,
    "ShearY": _shear_y,
    "TranslateX": _translate_x,
    "TranslateY": _translate_y,
}
