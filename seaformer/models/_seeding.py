"""Weights from a seed, for models without a checkpoint: every branch alive, nothing exploding.

The official constructor sets the norms behind attention to 0, so a fresh model's gates are the
constant 0.5 and a parity check would see nothing of attention. Here

1. every tensor is drawn by its own generator, from the seed and its state-dict key;
2. BatchNorm statistics are then measured on a few images of coloured noise, as training would
   have left them, so a photograph gives activations of ordinary size and a varied class map.

The result is the same on every machine: draws are numpy's, statistics are measured in float64
and kept to eight bits, which no order of summation reaches. torch's generator is never touched.
"""

from __future__ import annotations

import copy
import math
import zlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seaformer.core.errors import UsageError
from seaformer.models._blocks import Network

_GAIN = 2.0  # variance of a layer's output over that of its input, before a ReLU halves it
_DAMPING = 0.1  # of a layer without a norm that is named among the damped
_IMAGES = 4  # what statistics are measured on
_SMALLEST_SHARE = 0.1  # of a layer's mean variance: no channel is blown up by a chance small one


def seed_weights(network: Network, seed: int) -> None:
    """Replace every parameter and buffer of ``network`` (which may be on the meta device).

    Raises ``UsageError`` for a seed that is not a whole number from 0 up.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise UsageError(f"A seed is a whole number from 0 up, not {seed!r}.")
    state = {key: _draw(network, key, value, seed) for key, value in network.state_dict().items()}
    network.load_state_dict(state, strict=True, assign=True)
    _settle_norms(network)


def _draw(network: Network, key: str, like: Tensor, seed: int) -> Tensor:
    if key.endswith("num_batches_tracked"):
        return torch.zeros(like.shape, dtype=torch.int64)
    rng = np.random.default_rng([seed, zlib.crc32(key.encode())])
    ends = tuple(f".{name}{end}" for name in network.DAMPED for end in (".bn.weight", ".weight"))
    damped = f".{key}".endswith(ends)
    values = _values(rng, key, tuple(like.shape), network.DAMPED_TO if damped else None)
    return torch.from_numpy(values.astype(np.float32))


def _values(
    rng: np.random.Generator,
    key: str,
    shape: tuple[int, ...],
    damped_to: tuple[float, float] | None,
) -> NDArray[np.float64]:
    if key.endswith(".table"):  # position embeddings
        return rng.standard_normal(shape) * 0.5
    if key.endswith(".bases"):
        return unit_bases(rng, shape)
    if len(shape) > 1:  # convolution and linear weights
        gain = _GAIN * (_DAMPING**2 if damped_to else 1)
        return rng.standard_normal(shape) * math.sqrt(gain / math.prod(shape[1:]))
    if key.endswith("running_mean"):
        return np.zeros(shape)
    if key.endswith("bias"):
        return rng.standard_normal(shape) * 0.1
    return rng.uniform(*(damped_to or (0.7, 1.3)), shape)  # a norm's weight or variance


def unit_bases(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Bases of a factorisation (... C R): no number negative, each of the R columns of length 1."""
    draws = rng.uniform(0.0, 1.0, shape)
    lengths = np.sqrt((draws**2).sum(axis=-2, keepdims=True))
    return np.asarray(draws / lengths)


def _settle_norms(network: Network) -> None:
    """Set every BatchNorm's running mean and variance to those of ``_noise_images``."""
    measured = copy.deepcopy(network).double().eval()
    norms = {n: m for n, m in measured.named_modules() if isinstance(m, nn.BatchNorm2d)}
    for norm in norms.values():
        norm.train().momentum = 1.0  # running statistics become those of the one batch
    with torch.no_grad():
        measured(torch.from_numpy(_noise_images(network.SETTLED_AT)))
    for name, norm in norms.items():
        own = network.get_submodule(name)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        variance = norm.running_var.clamp(min=float(norm.running_var.mean()) * _SMALLEST_SHARE)
        own.running_mean = norm.running_mean.to(torch.bfloat16).to(torch.float32)
        own.running_var = variance.to(torch.bfloat16).to(torch.float32)


def _noise_images(side: int) -> NDArray[np.float64]:
    """Noise with as much at every scale as photographs have, mean 0, variance 1 per image."""
    rng = np.random.default_rng(0)
    images = np.zeros((_IMAGES, 3, side, side))
    cell = 1
    while cell <= side:
        grey = rng.standard_normal((_IMAGES, 1, side // cell, side // cell))
        colour = rng.standard_normal((_IMAGES, 3, side // cell, side // cell))
        images += (grey + 0.3 * colour).repeat(cell, axis=2).repeat(cell, axis=3)
        cell *= 2
    images /= images.std(axis=(1, 2, 3), keepdims=True)
    return images
