"""Operators that move values: shapes, slices, joins, gathers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from seaformer.export._onnx.node import Function, OnnxNode


def _reshape(node: OnnxNode) -> Function:
    sizes = node.numbers(1, "shape") or []
    if not node.get("allowzero", 0):
        sizes = [node.like(0).shape[i] if size == 0 else size for i, size in enumerate(sizes)]
    return lambda x: x.reshape(sizes)


def _flatten(node: OnnxNode) -> Function:
    shape, rank = node.like(0).shape, node.rank()
    axis = int(node.get("axis", 1))
    axis = axis + rank if axis < 0 else axis
    rows = int(torch.tensor(shape[:axis]).prod()) if axis else 1
    return lambda x: x.reshape(rows, -1)


def _transpose(node: OnnxNode) -> Function:
    order = node.get("perm") or list(reversed(range(node.rank())))
    return lambda x: x.permute(*order)


def _squeeze(node: OnnxNode) -> Function:
    axes = node.axes(1)
    if axes is None:
        axes = [i for i, size in enumerate(node.like(0).shape) if size == 1]
    kept = [size for i, size in enumerate(node.like(0).shape) if i not in axes]
    return lambda x: x.reshape(kept)


def _unsqueeze(node: OnnxNode) -> Function:
    given = node.numbers(1, "axes") or []
    rank = node.rank() + len(given)
    axes = sorted(int(axis) % rank for axis in given)

    def function(x: Tensor) -> Tensor:
        for axis in axes:
            x = x.unsqueeze(axis)
        return x

    return function


def _concat(node: OnnxNode) -> Function:
    axis = node.axis(1)
    return lambda *values: torch.cat(values, axis)


def _split(node: OnnxNode) -> Function:
    axis = node.axis(0)
    sizes = node.numbers(1, "split")
    if sizes is None:
        side = node.like(0).shape[axis]
        each = -(-side // node.outputs)
        sizes = [min(each, side - i * each) for i in range(node.outputs)]
    return lambda x: torch.split(x, sizes, axis)


def _slice(node: OnnxNode) -> Function:
    starts, ends = node.numbers(1, "starts") or [], node.numbers(2, "ends") or []
    axes = node.axes(3) or list(range(len(starts)))
    steps = node.numbers(4, "steps") or [1] * len(starts)
    cuts = list(zip(axes, starts, ends, steps, strict=True))
    shape = node.like(0).shape

    def function(x: Tensor) -> Tensor:
        for axis, start, end, step in cuts:
            if step > 0:
                x = x[(slice(None),) * axis + (slice(start, end, step),)]
            else:
                places = torch.tensor(range(*slice(start, end, step).indices(shape[axis])))
                x = torch.index_select(x, axis, places)
        return x

    return function


def _gather(node: OnnxNode) -> Function:
    axis = node.axis(0)
    if not node.constant[1]:
        return lambda x, places: _taken(x, places.long(), axis)
    side, shape = node.like(0).shape[axis], node.like(1).shape
    places = [int(place) % side for place in node.numbers(1) or []]
    if not shape:
        return lambda x: x.select(axis, places[0])
    if places == list(range(places[0], places[0] + len(places))) and len(shape) == 1:
        return lambda x: x.narrow(axis, places[0], len(places))
    index = torch.tensor(places).reshape(shape)
    return lambda x: _taken(x, index, axis)


def _taken(x: Tensor, places: Tensor, axis: int) -> Tensor:
    sizes = (*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])
    return torch.index_select(x, axis, places.reshape(-1)).reshape(sizes)


def _expand(node: OnnxNode) -> Function:
    sizes = node.numbers(1) or []
    shape = np.broadcast_shapes(tuple(node.like(0).shape), tuple(sizes))
    return lambda x: x.expand(shape)


def _tile(node: OnnxNode) -> Function:
    repeats = node.numbers(1, "repeats") or []
    return lambda x: x.repeat(repeats)


_PADS = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def _pad(node: OnnxNode) -> Function:
    pads, value = node.numbers(1, "pads") or [], node.number(2, "value") or 0.0
    axes, rank = node.axes(3, "") or list(range(node.rank())), node.rank()
    before, after = [0] * rank, [0] * rank
    for i, axis in enumerate(axes):
        before[axis], after[axis] = int(pads[i]), int(pads[i + len(axes)])
    mode = _PADS[node.get("mode", "constant")]
    pairs = list(zip(before, after, strict=True))
    if mode == "constant":
        return lambda x: F.pad(x, _pairs(pairs), mode, value)
    if any(map(any, pairs[:2])):
        raise node.refusal(f"of mode {node.get('mode')} over batch or channels")
    return lambda x: F.pad(x, _pairs(pairs[2:]), mode)


def _pairs(pairs: list[tuple[int, int]]) -> list[int]:
    """In the order of ``F.pad``: the last axis first."""
    return [size for pair in reversed(pairs) for size in pair]


def _depth_to_space(node: OnnxNode) -> Function:
    size, (b, c, h, w) = int(node.get("blocksize")), node.like(0).shape
    if node.get("mode", "DCR") == "CRD":
        return lambda x: F.pixel_shuffle(x, size)
    deep = c // size**2

    def function(x: Tensor) -> Tensor:
        x = x.reshape(b, size, size, deep, h, w).permute(0, 3, 4, 1, 5, 2)
        return x.reshape(b, deep, h * size, w * size)

    return function


def _space_to_depth(node: OnnxNode) -> Function:
    size, (b, c, h, w) = int(node.get("blocksize")), node.like(0).shape

    def function(x: Tensor) -> Tensor:
        x = x.reshape(b, c, h // size, size, w // size, size).permute(0, 3, 5, 1, 2, 4)
        return x.reshape(b, c * size**2, h // size, w // size)

    return function


SHAPES: Mapping[str, Callable[[OnnxNode], Function]] = {
    "Concat": _concat,
    "DepthToSpace": _depth_to_space,
    "Dropout": lambda node: lambda x, *_: x,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Pad": _pad,
    "Reshape": _reshape,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
