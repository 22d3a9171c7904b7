"""The golden outputs of the official models, and the rule that fills their weights.

``tests/fixtures/golden`` holds ``NAME.json`` (keys, shapes, kinds, cases) and ``NAME.npz``
(outputs). Weights follow from the official key names, so nothing of the official code is here.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "golden"
NORMAL = {"bias": 0.05, "mean": 0.05, "embed": 0.5}
UNIFORM = {"norm": (0.7, 1.3), "var": (0.7, 1.3), "norm_small": (0.2, 0.4)}


def fill(key: str, shape: tuple[int, ...], kind: str) -> NDArray[Any]:
    """What the state-dict entry ``key`` holds; it depends on these three alone."""
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    if kind == "count":
        return np.zeros(shape, np.int64)
    if kind in UNIFORM:
        return rng.uniform(*UNIFORM[kind], shape).astype(np.float32)
    if kind == "linear":  # Paddle's: inputs x outputs
        scale = np.sqrt(1.5 / shape[0])
    else:
        scale = np.sqrt(1.5 / np.prod(shape[1:])) if kind == "weight" else NORMAL[kind]
    return np.asarray(rng.standard_normal(shape) * scale, np.float32)


def load(name: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The parsed JSON, and the recorded arrays by name."""
    meta = json.loads((FOLDER / f"{name}.json").read_text())
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return meta, {key: arrays[key] for key in arrays.files}


def state(meta: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Every entry of the official state dict."""
    return {key: fill(key, tuple(shape), kind) for key, shape, kind in meta["keys"]}


def image(shape: list[int]) -> NDArray[np.float32]:
    """The input of a case."""
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def pick(array: NDArray[Any], strides: list[int]) -> NDArray[Any]:
    """The part of an output that was recorded."""
    return array[tuple(slice(None, None, stride) for stride in strides)]
