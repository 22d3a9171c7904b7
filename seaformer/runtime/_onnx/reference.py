"""An ONNX graph in numpy: onnx's reference evaluator, in a process that can be given up.

    python -m seaformer.runtime._onnx.reference MODEL INPUTS.npz OUTPUTS.npz

It computes each operator as the standard defines it and shares no code with ONNX Runtime.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seaformer.core import child
from seaformer.core.scratch import temporary_folder

LIMIT_S = 20.0
Array = npt.NDArray[Any]


def evaluate(path: Path, feeds: Mapping[str, Array]) -> tuple[str, list[Array]] | None:
    """Who computed it and the outputs; ``None`` where it cannot, or not within ``LIMIT_S``."""
    with temporary_folder("reference") as scratch:
        given, answer = scratch / "in.npz", scratch / "out.npz"
        # Names of tensors may hold what no name of a file may: numbers stand for them.
        np.savez(
            given, allow_pickle=False, **{f"{i}": array for i, array in enumerate(feeds.values())}
        )
        argv = [sys.executable, "-m", "seaformer.runtime._onnx.reference"]
        argv += [str(path), str(given), str(answer), *feeds]
        try:
            done = child.run(argv, LIMIT_S)
        except (child.ChildTimeoutError, OSError):
            return None
        if done.returncode != 0:
            return None
        with np.load(answer, allow_pickle=False) as stored:
            outputs = [stored[f"{i}"] for i in range(len(stored.files))]
    return f"onnx {metadata.version('onnx')}, reference evaluator", outputs


def main(argv: list[str]) -> None:
    """Evaluate in this process; names of the inputs are the last arguments."""
    from onnx.reference import ReferenceEvaluator

    model, given, answer, *names = argv
    with np.load(given, allow_pickle=False) as stored:
        feeds = {name: stored[f"{i}"] for i, name in enumerate(names)}
    outputs = ReferenceEvaluator(model).run(None, feeds)
    np.savez(
        answer, allow_pickle=False, **{f"{i}": np.asarray(one) for i, one in enumerate(outputs)}
    )


if __name__ == "__main__":
    main(sys.argv[1:])
