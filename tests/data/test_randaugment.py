"""RandAugment: what each operation does to pixels, and how the recipe uses it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from seaformer.data.randaugment import OPERATIONS, rand_augment
from seaformer.data.transforms import Pixels
from seaformer.training.recipes import recipe_of

GROUND = [124, 116, 104]


def pixels() -> Pixels:
    return np.random.default_rng(0).integers(40, 216, (48, 64, 3), dtype=np.uint8)


def applied(name: str, level: float, image: Pixels | None = None, seed: int = 0) -> Pixels:
    image = pixels() if image is None else image
    drawn = OPERATIONS[name](Image.fromarray(image), level, np.random.default_rng(seed))
    return np.array(drawn)


def test_the_official_recipe_of_imagenet_uses_it_and_segmentation_does_not() -> None:
    assert recipe_of("seaformer_t.imagenet").randaugment == 9
    assert recipe_of("seaformer_t.ade20k").randaugment == 0
    assert len(OPERATIONS) == 15


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("level", [0.0, 0.1, 1.0])
def test_every_operation_takes_every_level(name: str, level: float) -> None:
    assert applied(name, level).shape == pixels().shape


def test_colours_are_changed_by_the_level() -> None:
    image = pixels()
    assert (applied("Invert", 0.5) == 255 - image).all()
    assert (applied("Posterize", 0.9) == image & 0b11100000).all()
    assert (applied("Solarize", 0.5) == np.where(image < 128, image, 255 - image)).all()
    assert (applied("SolarizeAdd", 0.5) == np.where(image < 128, image + 55, image)).all()
    assert applied("AutoContrast", 0.5).min() == 0
    assert applied("AutoContrast", 0.5).max() == 255
    for name in ("Color", "Contrast", "Brightness", "Sharpness"):
        assert (applied(name, 0.5) == image).all(), name  # a factor of 1
        assert (applied(name, 0.9) != image).any(), name
    brighter = np.clip(image * (1.8 * 0.9 + 0.1), 0, 255)
    np.testing.assert_allclose(applied("Brightness", 0.9), brighter, atol=1)


@pytest.mark.parametrize("name", ["TranslateX", "TranslateY"])
def test_a_shift_is_a_share_of_the_side_and_leaves_the_mean_colour(name: str) -> None:
    seen = [applied(name, 1.0, seed=seed) for seed in range(8)]
    axis = 1 if name == "TranslateX" else 0
    uncovered = [(image == GROUND).all(2).mean(axis=1 - axis) == 1 for image in seen]
    assert {round(share.mean(), 1) for share in uncovered} <= {0.4, 0.5}
    assert {bool(share[0]) for share in uncovered} == {True, False}  # to either side


def test_turns_and_shears_keep_the_middle() -> None:
    image = np.zeros((65, 65, 3), np.uint8)
    image[28:37, 28:37] = 255
    assert applied("Rotate", 1.0, image)[32, 32].tolist() == [255] * 3
    assert applied("Rotate", 1.0, image)[0, 0].tolist() == GROUND
    flat = np.full((65, 65, 3), 9, np.uint8)
    assert (applied("ShearX", 0.0, flat) == flat).all()
    assert (applied("ShearY", 1.0, flat) != flat).any()


def test_the_same_draws_give_the_same_image_and_the_given_one_stays() -> None:
    image, before = pixels(), pixels()
    results = [rand_augment(image, 9, np.random.default_rng(seed)) for seed in range(20)]
    again = [rand_augment(image, 9, np.random.default_rng(seed)) for seed in range(20)]
    assert all((one == other).all() for one, other in zip(results, again, strict=True))
    assert (image == before).all()
    changed = sum(bool((one != image).any()) for one in results)
    assert 10 < changed < 20  # neither of two with a chance of one half: a quarter stays
    assert all(one.shape == image.shape and one.dtype == np.uint8 for one in results)
