"""The tail of a segmentation network as a method of its own: upsampling and argmax of its logits.

The runner computes it in one pass (``runtime/runner/tail.h``); its class map is compared with
numpy's of the logits that the same process had, pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seaformer.core.artifact import FORWARD, SCOPES_OF, Artifact
from seaformer.core.errors import ParityError, ShapeError, UsageError
from seaformer.core.measurement import OutputCheck
from seaformer.core.plan import TAILS, Tail, is_tail
from seaformer.core.registry import unknown
from seaformer.core.request import OTHER_TASK
from seaformer.runtime import tail as exact

Array = npt.NDArray[Any]
_LOGITS = SCOPES_OF["segmentation"][0]
_AXES = 4


def check_scope(kind: str, name: str, task: str, scope: str) -> None:
    """Raise ``UsageError`` where what ``name`` ends with has no tail to be measured."""
    if task not in ("segmentation", OTHER_TASK):
        raise UsageError(
            f"--tail {kind} is for segmentation: {name} is a model for {task}, whose output has no "
            "classes for each pixel.",
            hint="Leave --tail out.",
        )
    if scope != _LOGITS:
        raise UsageError(
            f"--tail {kind} takes logits: the graph of {name} ends with {scope} already.",
            hint=f"Leave --tail out, or use --scope {_LOGITS}.",
        )


def tail_of(artifact: Artifact, kind: str) -> Tail:
    """The tail of an artifact, to the size of its image.

    Raises ``UsageError`` unless it gives logits (1, K, h, w) of at least 2 classes.
    """
    if kind not in TAILS:
        raise unknown("tail", kind, TAILS)
    check_scope(kind, artifact.file, artifact.spec.task, artifact.scope)
    outputs = artifact.method(FORWARD).outputs
    shapes = [output.shape for output in outputs]
    if len(shapes) != 1 or len(shapes[0]) != _AXES or shapes[0][0] != 1 or shapes[0][1] < 2:
        listed = ", ".join("x".join(map(str, shape)) or "a scalar" for shape in shapes)
        raise UsageError(
            f"--tail {kind} takes one output (1, K, h, w) of at least 2 classes: "
            f"{artifact.file} gives {listed or 'none'}.",
            hint="Leave --tail out.",
        )
    if len(artifact.spec.input_shape) != _AXES:
        raise UsageError(f"--tail {kind} takes a network of images: {artifact.file} is not one.")
    return Tail(kind, artifact.spec.height, artifact.spec.width)


def callable_of(artifact: Artifact, method: str) -> tuple[Path, str]:
    """The file and the method in it that a method of results runs: a tail runs the network."""
    return artifact.callable_of(FORWARD if is_tail(method) else method)


def check_classes(outputs: Sequence[Array], size: tuple[int, int]) -> OutputCheck:
    """The runner's class map against numpy's of the logits beside it: every pixel must be equal.

    Raises ``ParityError`` where the outputs are not those two.
    """
    if len(outputs) != len(("classes", "logits")) or outputs[0].shape != (1, *size):
        shapes = ", ".join(str(output.shape) for output in outputs)
        raise ParityError(f"The runner must give a class map {size} and its logits (got {shapes}).")
    classes, logits = outputs
    try:
        expected = exact.argmax(logits, size, library=False).classes
    except ShapeError as error:
        raise ParityError(f"The logits of the runner have no tail. {error.message}") from error
    same = float(np.mean(classes[0] == expected))
    largest = int(np.abs(classes[0].astype(np.int64) - expected).max())
    return OutputCheck(float(largest), 1 - same, argmax_agreement=same, passed=largest == 0)
