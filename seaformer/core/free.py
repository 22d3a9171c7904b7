"""``FreeAxis``: an axis of a file's input that it leaves free, and the sizes that it takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from seaformer.core.errors import UsageError
from seaformer.core.registry import unknown

BATCH, HEIGHT, WIDTH = "batch", "height", "width"
AXES = (BATCH, HEIGHT, WIDTH)  # in the order of a file's name
Shape = tuple[int, ...]
PLACES = {BATCH: 0, HEIGHT: 2, WIDTH: 3}  # of an input (N, C, H, W)


@dataclass(frozen=True)
class FreeAxis:
    """An axis by its name: any multiple of ``step`` is accepted."""

    name: str
    step: int = 1

    def __str__(self) -> str:
        return self.name if self.step == 1 else f"{self.name} (multiples of {self.step})"


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Axes once each, in their order. Raises ``UnknownName``."""
    names = tuple(names)
    for name in names:
        if name not in AXES:
            raise unknown("axis", name, AXES)
    return tuple(name for name in AXES if name in names)


def listed(names: Iterable[str]) -> str:
    """``batch, height and width``."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def fixed_size(
    file: str, own: Sequence[int | str], asked: Sequence[int], hint: str = ""
) -> UsageError:
    """For another (height, width) than the one that a file fixes."""
    fixes, got = ("x".join(map(str, size)) for size in (own, asked))
    return UsageError(f"--size must be {fixes}, which {file} fixes (got {got}).", hint=hint)


def check_sizes(file: str, axes: Sequence[FreeAxis], own: Shape, asked: Shape) -> None:
    """Raise ``UsageError`` for a shape (N, C, H, W) that a file exported at ``own`` lacks."""
    if asked[1] != own[1]:
        raise UsageError(f"{file} takes {own[1]} channels (got {asked[1]}).")
    steps = {axis.name: axis.step for axis in axes}
    if not steps and asked[2:] != own[2:]:
        hint = "Export the model at another size: seaformer export --size HxW"
        raise fixed_size(file, own[2:], asked[2:], hint)
    for name, place in PLACES.items():
        size = asked[place]
        if name not in steps:
            if size != own[place]:
                raise UsageError(f"{name} must be {own[place]}, which {file} fixes (got {size}).")
        elif size < 1 or size % steps[name]:
            rule = "at least 1" if steps[name] == 1 else f"a multiple of {steps[name]}"
            raise UsageError(f"{name} must be {rule} for {file} (got {size}).")
