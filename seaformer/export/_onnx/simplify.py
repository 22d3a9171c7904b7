"""onnxsim, at arm's length.

It has crashed the interpreter and changed results before (onnxsim#50, #187, #360), so it runs in
a process of its own with a time limit, and its file is taken only when ONNX Runtime gives the
same answer with it as with the file it came from.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seaformer.core import child, files
from seaformer.core.errors import ArtifactError

TIMEOUT_S = 300
# The simplified graph may order float operations differently: relative to the output's std.
SAME = 1e-5

_SCRIPT = """
import sys, onnx, onnxsim
model, ok = onnxsim.simplify(onnx.load(sys.argv[1]))
if not ok:
    sys.exit("onnxsim's own check failed")
onnx.save(model, sys.argv[2])
"""


def simplify(path: Path, *inputs: npt.NDArray[np.float32], script: str = _SCRIPT) -> str:
    """Replace ``path`` by its simplified form, or leave it as it is; the answer is which.

    Args:
        path: an ONNX file, changed in place.
        inputs: what both files are compared on, such as an image.
        script: what the subprocess runs (handed in by tests).
    """
    target = path.with_name("simplified.onnx")
    try:
        reason = _run(script, path, target) or _changed(path, target, inputs)
        if reason:
            return f"not simplified: {reason}"
        before, after = _node_count(path), _node_count(target)
        target.replace(path)
        return f"simplified by onnxsim: {before} -> {after} nodes"
    finally:
        files.remove(target)


def _run(script: str, source: Path, target: Path) -> str:
    argv = [sys.executable, "-c", script, str(source), str(target)]
    try:
        done = child.run(argv, TIMEOUT_S)
    except child.ChildTimeoutError:
        return f"onnxsim did not finish in {TIMEOUT_S} s"
    if done.returncode == 0 and target.exists():
        return ""
    errors = done.stderr.strip().splitlines()
    if done.returncode < 0:
        return f"onnxsim was killed by signal {-done.returncode}"
    return f"onnxsim failed ({errors[-1] if errors else f'exit code {done.returncode}'})"


def _changed(before: Path, after: Path, inputs: Sequence[npt.NDArray[np.float32]]) -> str:
    from seaformer.runtime.onnxruntime import open_session

    expected = open_session(before).run(list(inputs))
    try:
        seen = open_session(after).run(list(inputs))
    except ArtifactError as error:
        return f"onnxsim wrote a file that does not load ({error.message})"
    reasons = (_difference(one, other) for one, other in zip(seen, expected, strict=True))
    return next((reason for reason in reasons if reason), "")


def _difference(seen: npt.NDArray[Any], expected: npt.NDArray[Any]) -> str:
    if seen.shape != expected.shape:
        return f"onnxsim changed the output's shape from {expected.shape} to {seen.shape}"
    worst = float(np.abs(seen.astype(np.float64) - expected.astype(np.float64)).max())
    spread = float(expected.std()) or 1.0
    if not worst <= SAME * spread:
        return f"onnxsim changed the result (max abs {worst:.1e})"
    return ""


def _node_count(path: Path) -> int:
    import onnx

    return len(onnx.load(str(path), load_external_data=False).graph.node)
