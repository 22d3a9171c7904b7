"""``Predictor``: anything that scores an image, as what an evaluation feeds and reads.

An exported file becomes one here; a network is handed in as a function of arrays, because this
folder does without torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seaformer.agreement.images import network_tensor
from seaformer.core.artifact import Artifact
from seaformer.core.errors import UsageError
from seaformer.core.preprocessing import Preprocessing
from seaformer.core.spec import ModelSpec
from seaformer.data.preprocessing import IMAGENET, preprocessing_of
from seaformer.runtime import load_session

Array = npt.NDArray[Any]
Pixels = npt.NDArray[np.uint8]
Run = Callable[[Array], Array]


@dataclass(frozen=True)
class Predictor:
    """``size`` is the input's (height, width), ``None`` where any is taken; ``scope`` is what the
    output is (``logits``, ``upsample``: scores; ``argmax``: classes); ``run`` takes the tensor of
    one image and gives the first output."""

    name: str
    task: str
    scope: str
    size: tuple[int, int] | None
    preprocessing: Preprocessing
    run: Run

    def answer(self, image: Pixels) -> Array:
        """The output for an image of the right size, without the batch: (K, h, w), (h, w), (K,)."""
        output: Array = self.run(network_tensor(image, self.preprocessing))[0]
        return output


def of_artifact(artifact: Artifact) -> Predictor:
    """An exported file, run on this machine. Raises ``UsageError`` for a file of unknown output."""
    if artifact.spec.height < 1 or artifact.scope not in ("logits", "upsample", "argmax"):
        raise UsageError(f"{artifact.file} must be exported by seaformer to be evaluated.")
    session = load_session(artifact)
    spec = artifact.spec
    return Predictor(
        name=artifact.file,
        task=spec.task,
        scope=artifact.scope,
        size=(spec.height, spec.width),
        preprocessing=artifact.preprocessing or IMAGENET,
        run=lambda tensor: session.run([tensor])[0],
    )


def of_network(spec: ModelSpec, run: Run) -> Predictor:
    """A network of the zoo, given as a function of arrays."""
    return Predictor(spec.name, spec.task, "logits", None, preprocessing_of(spec), run)
