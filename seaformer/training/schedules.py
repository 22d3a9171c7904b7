"""The learning rate of an iteration, by closed form: nothing is stored, so that a run resumes.

Poly with linear warm-up as mmcv 1.x computes it, steps by epoch as timm and mmdetection do.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, replace

import numpy as np

from seaformer.training.recipes import Recipe, Schedule

_SHORT_WARMUP = 10  # warm-up is a tenth of a run that is shorter than the recipe's


@dataclass(frozen=True)
class Length:
    """How long a run is: ``iterations`` in all, ``epoch`` iterations in an epoch."""

    iterations: int
    epoch: int


def rate(schedule: Schedule, base: float, iteration: int, length: Length) -> float:
    """The rate of ``iteration``, counted from 0, for a group whose rate is ``base``."""
    if schedule.by_epoch:
        return _by_epoch(schedule, base, iteration // length.epoch, length)
    regular = _regular(schedule, base, iteration, length)
    if iteration >= schedule.warmup:
        return regular
    missing = 1 - iteration / schedule.warmup
    return regular * (1 - missing * (1 - schedule.start))


def _regular(schedule: Schedule, base: float, iteration: int, length: Length) -> float:
    if schedule.kind == "poly":
        left = (1 - iteration / length.iterations) ** schedule.power
        return float((base - schedule.floor) * left + schedule.floor)
    epoch = iteration // length.epoch
    return base * schedule.factor ** bisect.bisect_right(schedule.milestones, epoch)


def _by_epoch(schedule: Schedule, base: float, epoch: int, length: Length) -> float:
    if epoch < schedule.warmup:
        return schedule.start + epoch * (base - schedule.start) / schedule.warmup
    value = float(base * schedule.factor ** (epoch // schedule.every))
    epochs = -(-length.iterations // length.epoch)
    if schedule.noise and epoch >= schedule.noise_from * epochs:
        value *= 1 + _noise(epoch, schedule.noise)
    return value


def _noise(epoch: int, most: float) -> float:
    """A normal deviate of the epoch, drawn again until it is below ``most``."""
    rng = np.random.default_rng([42, epoch])
    while abs(value := float(rng.standard_normal())) >= most:
        pass
    return value


def fitted(recipe: Recipe, length: Length) -> Schedule:
    """The recipe's schedule for a run of this length: a short one has a shorter warm-up."""
    own = recipe.schedule
    if own.by_epoch:
        epochs = -(-length.iterations // length.epoch)
        return _with_warmup(own, min(own.warmup, epochs // _SHORT_WARMUP))
    return _with_warmup(own, min(own.warmup, length.iterations // _SHORT_WARMUP))


def _with_warmup(schedule: Schedule, warmup: int) -> Schedule:
    return schedule if warmup == schedule.warmup else replace(schedule, warmup=warmup)
