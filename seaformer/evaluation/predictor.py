"""``Predictor``: anything that scores an image, as what an evaluation feeds and reads.

A file becomes one here, from anybody and of any engine; a network is handed in as a function of
arrays, because this folder does without torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from seaformer.agreement.images import network_tensor
from seaformer.core.artifact import Artifact
from seaformer.core.errors import UsageError
from seaformer.data.dataset import CLASSIFICATION, DETECTION, SEGMENTATION
from seaformer.data.detections import Thresholds
from seaformer.data.preprocessing import preprocessing_of
from seaformer.evaluation.answers import Boxes, is_map, read_answer
from seaformer.evaluation.network import (
    ModelSession,
    Network,
    NetworkOptions,
    from_session,
    open_network,
)
from seaformer.evaluation.together import Device, Together
from seaformer.runtime import Session

Array = npt.NDArray[Any]
Pixels = npt.NDArray[np.uint8]
Run = Callable[[Array], Array]
S = TypeVar("S")
T = TypeVar("T")


class SideBySide(Protocol):
    """Scores several items together; each may wait for the others' tensors."""

    def __call__(self, score: Callable[[T], S], items: Sequence[T]) -> list[S]: ...


LOGITS, ARGMAX = "logits", "argmax"


@dataclass(frozen=True)
class Predictor:
    """``size`` is the input's (height, width), ``None`` where any is taken; ``scope`` is what the
    output is (``logits``, ``upsample``: scores; ``argmax``: classes); ``prepare`` makes the tensor
    of an image of the right size, and ``run`` gives the first output for it; ``find``, of a
    detector, the boxes in an image of any size. A device takes the tensors of ``batch`` images at
    once: ``side_by_side`` scores so many images together."""

    name: str
    task: str
    scope: str
    size: tuple[int, int] | None
    prepare: Callable[[Pixels], Array]
    run: Run
    find: Callable[[Pixels], Boxes] | None = None
    batch: int = 1
    side_by_side: SideBySide | None = None

    def each(self, score: Callable[[T], S], items: Sequence[T]) -> list[S]:
        """``score`` of each item, which calls ``run`` as often as it likes."""
        if self.side_by_side is None:
            return [score(item) for item in items]
        return self.side_by_side(score, items)

    def answer(self, image: Pixels) -> Array:
        """The output for an image of the right size, without the batch: (K, h, w), (h, w), (K,)."""
        output: Array = self.run(self.prepare(image))[0]
        return output


def on_device(file: Artifact | Path, device: Device, options: NetworkOptions) -> Predictor:
    """A model file, run on a device; its name ends with the device's."""
    session = Together(device.open(file, options.size))
    one = of_file(file, options, session)
    name = f"{one.name} on {device.name}"
    return replace(one, name=name, batch=session.batch, side_by_side=session.each)


def of_file(
    file: Artifact | Path | str,
    options: NetworkOptions | None = None,
    session: Session | None = None,
) -> Predictor:
    """A model file, run on this machine, or by ``session``.

    What no manifest states, the output of an image without content shows: scores by class, a map
    of scores, or a map of classes. Raises ``UsageError`` for a file with an output of another kind.
    """
    network = open_network(file, options or NetworkOptions(), session)
    if network.task == DETECTION:
        return _detector(network)
    run = partial(_first_output, network)
    if network.scope:
        return Predictor(
            network.title, network.task, network.scope, network.size, network.tensor, run
        )
    output = run(network.tensor(np.zeros((*network.size, 3), np.uint8)))
    if is_map(output, network):
        task, scope = SEGMENTATION, ARGMAX
    elif output.dtype.kind == "f" and output.ndim in (2, 4) and output.shape[0] == 1:
        task, scope = (CLASSIFICATION if output.ndim == 2 else SEGMENTATION), LOGITS
    else:
        shape = "x".join(map(str, output.shape))
        raise UsageError(
            f"The output of {network.title} must be logits 1xKxHxW, a map of classes 1xHxW or "
            f"scores 1xK (got {output.dtype} {shape})."
        )
    return Predictor(network.title, task, scope, network.size, network.tensor, run)


def _first_output(network: Network, tensor: Array) -> Array:
    """With channels before places, whatever the file's layout is, and scores in float32."""
    output: Array = network.run(tensor)[0]
    if network.channels_last and output.ndim == 4:
        output = np.ascontiguousarray(output.transpose(0, 3, 1, 2))
    return output.astype(np.float32, copy=False) if output.dtype.kind == "f" else output


def of_session(session: ModelSession) -> Predictor:
    """A network of the zoo, whose session the caller opened.

    A detector has one size, and a classifier takes the crop that it was trained on.
    """
    spec = session.spec
    if spec.task == DETECTION:
        return _detector(from_session(session))
    prepare = partial(network_tensor, preprocessing=preprocessing_of(spec))
    size = (spec.height, spec.width) if spec.task == CLASSIFICATION else None
    return Predictor(
        spec.name, spec.task, LOGITS, size, prepare, lambda tensor: session.run([tensor])[0]
    )


def _detector(network: Network) -> Predictor:
    run = partial(_first_output, network)
    find = partial(_found, network)
    return Predictor(
        network.title, network.task, network.scope, network.size, network.tensor, run, find
    )


def _found(network: Network, image: Pixels) -> Boxes:
    outputs = network.run(network.tensor(image))
    answer = read_answer(network, outputs, (image.shape[0], image.shape[1]), Thresholds())
    assert isinstance(answer, Boxes)  # a detector has no other answer
    return answer
