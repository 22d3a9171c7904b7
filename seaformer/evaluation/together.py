"""``Together``: several images scored side by side, so that a device gets their tensors at once.

What scores an image asks for the answer to a tensor and waits. When every image of a batch waits,
their tensors go to the device together. So windows, scales and flips are those of one image, and
nothing that scores an image differs from a run on this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from seaformer.core.artifact import Artifact

Array = npt.NDArray[Any]
S = TypeVar("S")
T = TypeVar("T")


class Batched(Protocol):
    """A model file on a device."""

    @property
    def batch(self) -> int:
        """How many tensors go together at most."""
        ...

    def of(self, tensors: Sequence[Array]) -> list[list[Array]]:
        """The outputs for each of several tensors of one shape."""
        ...


class Device(Protocol):
    """Where model files run that are to be evaluated."""

    @property
    def name(self) -> str:
        """As a user named it."""
        ...

    @property
    def id(self) -> str:
        """The same for one device, however it was named, and of no other one."""
        ...

    def open(self, file: Artifact | Path, size: tuple[int, int] | None) -> Batched:
        """A file there; ``size`` completes an input whose sides are free."""
        ...


@dataclass
class _Waiting:
    """A tensor, and its outputs as soon as there are any."""

    tensor: Array
    outputs: list[Array] | None = None


@dataclass
class Together:
    """A session whose runs wait for each other while ``each`` is at work."""

    answers: Batched
    _changed: Condition = field(default_factory=Condition)
    _waiting: list[_Waiting] = field(default_factory=list)
    _active: int = 0
    _failed: bool = False

    @property
    def batch(self) -> int:
        """How many images are scored side by side at most."""
        return self.answers.batch

    def run(self, arrays: Sequence[Array], method: str = "forward") -> list[Array]:
        """The outputs for one tensor; with the others' of a batch, where there is one."""
        (tensor,) = arrays
        tensor = np.ascontiguousarray(tensor)
        if not (self._active or self._failed):
            return self.answers.of([tensor])[0]
        mine = _Waiting(tensor)
        with self._changed:
            self._waiting.append(mine)
            self._changed.notify_all()
            self._changed.wait_for(lambda: mine.outputs is not None or self._failed)
            if mine.outputs is None:
                raise InterruptedError("The batch was given up.")
            return mine.outputs

    def each(self, score: Callable[[T], S], items: Sequence[T]) -> list[S]:
        """``score`` of every item, in threads. Raises what the first of them raised."""
        self._active, self._failed = len(items), False

        def one(item: T) -> S:
            try:
                return score(item)
            finally:
                with self._changed:
                    self._active -= 1
                    self._changed.notify_all()

        with ThreadPoolExecutor(len(items)) as pool:
            try:
                futures = [pool.submit(one, item) for item in items]
                while ready := self._all_that_wait():
                    self._answer(ready)
            except BaseException:  # Ctrl-C too: the pool's end waits for every image
                self._give_up()
                raise
            return [future.result() for future in futures]

    def _all_that_wait(self) -> list[_Waiting]:
        """The tensors, when every image that is left waits; none when no image is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._active == len(self._waiting))
            ready, self._waiting = self._waiting, []
            return ready

    def _answer(self, ready: list[_Waiting]) -> None:
        """Ask the device for each shape of tensor."""
        for shape in {each.tensor.shape for each in ready}:
            same = [each for each in ready if each.tensor.shape == shape]
            outputs = self.answers.of([each.tensor for each in same])
            with self._changed:
                for each, output in zip(same, outputs, strict=True):
                    each.outputs = output
        with self._changed:
            self._changed.notify_all()

    def _give_up(self) -> None:
        """End every image that waits, or will."""
        with self._changed:
            self._failed = True
            self._active = 0
            self._waiting = []
            self._changed.notify_all()
