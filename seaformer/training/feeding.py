"""Batches in an order that a seed fixes: nothing of it is a worker's or a generator's state.

Sample order follows from (seed, epoch), augmentation from (seed, iteration, place in the batch).
Each process takes its part of a batch, so that the batch is the same over any number of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from seaformer.agreement.images import normalised
from seaformer.core.errors import DataError, SeaFormerError
from seaformer.core.preprocessing import Preprocessing
from seaformer.data import transforms
from seaformer.data.dataset import CLASSIFICATION, DETECTION, DataSet, Sample
from seaformer.data.randaugment import rand_augment
from seaformer.data.resample import resize_pixels
from seaformer.data.sets import read, read_image
from seaformer.training.losses import Batch, mixed, shares
from seaformer.training.recipes import Recipe

Item = tuple[Tensor, Tensor]
Key = tuple[int, int, int]  # iteration, place in the batch, sample
_ORDER, _AUGMENT, _MIX = 0, 1, 2  # what a generator is for


@dataclass(frozen=True)
class Share:
    """The part of each batch that a process has: its number, of how many."""

    rank: int = 0
    processes: int = 1

    def places(self, batch: int) -> range:
        """The places in the batch."""
        each = batch // self.processes
        return range(self.rank * each, (self.rank + 1) * each)


def epoch_length(samples: int, batch: int) -> int:
    """Iterations in an epoch: what does not fill a batch is left out."""
    return max(samples // batch, 1)


class Order:
    """Which sample is at which place of which iteration."""

    def __init__(self, samples: int, batch: int, seed: int) -> None:
        self.samples, self.batch, self.seed = samples, batch, seed
        self._epoch, self._shuffled = -1, np.zeros(0, dtype=np.int64)

    def sample(self, iteration: int, place: int) -> int:
        """The sample's number; a set smaller than a batch is repeated within it."""
        epoch, step = divmod(iteration, epoch_length(self.samples, self.batch))
        if epoch != self._epoch:
            rng = np.random.default_rng([self.seed, _ORDER, epoch])
            self._epoch, self._shuffled = epoch, rng.permutation(self.samples)
        return int(self._shuffled[(step * self.batch + place) % self.samples])


class Batches(Sampler[list[Key]]):
    """The keys of each batch of a process, from an iteration on."""

    def __init__(self, order: Order, share: Share, first: int, iterations: int) -> None:
        self._order, self._share = order, share
        self._iterations = range(first, iterations)

    def __iter__(self) -> Iterator[list[Key]]:
        places = self._share.places(self._order.batch)
        for iteration in self._iterations:
            yield [(iteration, p, self._order.sample(iteration, p)) for p in places]

    def __len__(self) -> int:
        return len(self._iterations)


class Augmented(Dataset[Item | DataError]):
    """A data set as a recipe trains on it; a key gives the same item whenever it is read."""

    def __init__(self, data: DataSet, recipe: Recipe, pre: Preprocessing, seed: int) -> None:
        self.data, self.recipe, self.pre, self.seed = data, recipe, pre, seed

    def __getitem__(self, key: Key) -> Item | DataError:
        """The item, or the error of its file: raised in a worker it would arrive as a traceback."""
        try:
            return self.item(*key)
        except DataError as error:
            return error

    def item(self, iteration: int, place: int, number: int) -> Item:
        """The item. Raises ``DataError`` for a file that cannot be read."""
        rng = np.random.default_rng([self.seed, _AUGMENT, iteration, place])
        sample = self.data.samples[number]
        if self.data.task == CLASSIFICATION:
            return self._classified(sample, rng)
        return (
            self._boxed(sample, rng) if self.data.task == DETECTION else self._masked(sample, rng)
        )

    def _masked(self, sample: Sample, rng: np.random.Generator) -> Item:
        recipe = self.recipe
        picture = read(self.data, sample)
        assert picture.mask is not None
        steps = transforms.SegmentationRecipe(
            recipe.box, recipe.ratios, recipe.crop, distort=recipe.distort
        )
        image, mask = transforms.augment(picture.image, picture.mask, steps, rng)
        values, mask = transforms.pad(normalised(image, self.pre)[0], mask, recipe.crop)
        return torch.from_numpy(values), torch.from_numpy(mask.astype(np.int64))

    def _classified(self, sample: Sample, rng: np.random.Generator) -> Item:
        pixels = read_image(sample.image)
        image = transforms.random_resized_crop(pixels, self.recipe.crop, rng)
        if rng.random() < 0.5:
            image = np.ascontiguousarray(image[:, ::-1])
        if self.recipe.randaugment:
            image = rand_augment(image, self.recipe.randaugment, rng)
        values = normalised(image, self.pre)[0]
        erase(values, self.recipe.erase, rng)
        return torch.from_numpy(values), torch.tensor(sample.label)

    def _boxed(self, sample: Sample, rng: np.random.Generator) -> Item:
        image, recipe = read_image(sample.image), self.recipe
        size = _inside(image.shape[:2], recipe)
        scale = (size[1] / image.shape[1], size[0] / image.shape[0])
        rows = [
            (b.x1 * scale[0], b.y1 * scale[1], b.x2 * scale[0], b.y2 * scale[1], b.label)
            for b in sample.boxes
            if not b.crowd
        ]
        boxes = np.array(rows, dtype=np.float32).reshape(-1, 5)
        image = resize_pixels(image, size)
        if rng.random() < 0.5:
            image = np.ascontiguousarray(image[:, ::-1])
            boxes[:, [0, 2]] = size[1] - boxes[:, [2, 0]]
        values = normalised(image, self.pre)[0]
        canvas = np.zeros((3, *recipe.crop), dtype=np.float32)
        height, width = (min(a, b) for a, b in zip(recipe.crop, size, strict=True))
        canvas[:, :height, :width] = values[:, :height, :width]
        return torch.from_numpy(canvas), torch.from_numpy(boxes)


def _inside(size: tuple[int, ...], recipe: Recipe) -> tuple[int, int]:
    """The size within the recipe's box and, as networks here have one input size, its crop."""
    height, width = transforms.size_within((size[0], size[1]), recipe.box)
    factor = min(1.0, recipe.crop[0] / height, recipe.crop[1] / width)
    return max(int(height * factor), 1), max(int(width * factor), 1)


def erase(values: transforms.Floats, chance: float, rng: np.random.Generator) -> None:
    """Random erasing by pixel, as timm has it: noise in a box of 1/50 to 1/3 of the area."""
    if rng.random() >= chance:
        return
    height, width = values.shape[1:]
    area = height * width * rng.uniform(0.02, 1 / 3)
    aspect = float(np.exp(rng.uniform(np.log(0.3), np.log(1 / 0.3))))
    h, w = round(float(np.sqrt(area * aspect))), round(float(np.sqrt(area / aspect)))
    if h < height and w < width:
        top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
        values[:, top : top + h, left : left + w] = rng.standard_normal((3, h, w))


def loaded(items: Augmented, batches: Batches, workers: int) -> Iterator[list[Item]]:
    """Every batch, read in ``workers`` processes, two batches ahead of what is used in each.

    Raises ``DataError`` for a file that cannot be read.
    """
    loader: DataLoader[Item | DataError] = DataLoader(
        items,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_together,
        generator=torch.Generator(),  # not torch's own, whose state others rely on
    )
    for members in loader:
        if broken := next((each for each in members if isinstance(each, DataError)), None):
            raise broken
        yield members


@contextmanager
def workers_alive(hint: str) -> Iterator[None]:
    """Turn the end of a worker, which torch raises wherever the code is, into an error."""
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        sentence = "A process that reads images was ended from outside, as is done to save memory."
        raise SeaFormerError(sentence, hint=hint) from error


def _together(items: list[Item | DataError]) -> list[Item | DataError]:
    return items


def batch_of(items: list[Item], data: DataSet, recipe: Recipe, seed: int, iteration: int) -> Batch:
    """The items of one iteration as tensors, mixed where the recipe mixes them."""
    images = torch.stack([image for image, _ in items])
    if data.task == DETECTION:
        return Batch(images, torch.zeros(0), tuple(boxes for _, boxes in items))
    labels = torch.stack([label for _, label in items])
    if data.task == CLASSIFICATION:
        labels = shares(labels, data.classes, recipe.smoothing)
        if recipe.mixup:
            rng = np.random.default_rng([seed, _MIX, iteration])
            share = float(rng.beta(recipe.mixup, recipe.mixup))
            images, labels = mixed(images, labels, share)
    return Batch(images, labels)
