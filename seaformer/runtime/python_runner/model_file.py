"""Looks at a model file before an engine does, as ``runner/model_file.h`` does."""

from __future__ import annotations

from pathlib import Path

from seaformer.core.engine import engine
from seaformer.runtime.python_runner.engines import ENGINES
from seaformer.runtime.python_runner.flags import MODEL, RunnerProblem

_HEAD_BYTES = 40


def check_model(model: Path, name: str) -> None:
    """Raise ``RunnerProblem`` for a file that is missing, empty, cut short, or another engine's."""
    try:
        with model.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError as error:
        raise RunnerProblem(MODEL, f"Model {model}: {error.strerror}.") from error
    if not head:
        raise RunnerProblem(MODEL, f"Model {model} is empty.")
    for other in ENGINES.names():
        if other != name and ENGINES.load(other).recognises(head):
            raise RunnerProblem(MODEL, f"{model} is {engine(other).noun}. Use --engine {other}.")
    own = ENGINES.load(name)
    if own.recognises(head) is False:
        raise RunnerProblem(MODEL, f"{model} is not {engine(name).noun}.")
    expected, size = own.expected_bytes(head), model.stat().st_size
    if expected > size:
        raise RunnerProblem(
            MODEL, f"{model} is truncated: expected {expected} bytes, found {size}."
        )
