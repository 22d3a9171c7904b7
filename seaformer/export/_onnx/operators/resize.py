"""``Resize`` and ``Upsample``: PyTorch's interpolation where the formula is the same one.

ONNX has more ways to place samples than PyTorch. Of the others, nearest becomes a selection of rows
and columns and linear a product with a matrix for each axis, both made from ONNX's formulas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from seaformer.export._onnx.node import Function, OnnxNode

_LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}
_ROUNDED: Mapping[str, Callable[[float], int]] = {
    "floor": math.floor,
    "ceil": math.ceil,
    "round_prefer_floor": lambda x: math.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: math.floor(x + 0.5),
}


@dataclass(frozen=True)
class _Axis:
    """One axis that changes: from ``before`` to ``after`` samples, by ``scale``."""

    index: int
    before: int
    after: int
    scale: float

    def source(self, place: int, how: str) -> float | None:
        """Where a sample of the output is in the input; ``None`` for a way not listed here."""
        if how == "align_corners":
            return place * (self.before - 1) / (self.after - 1) if self.after > 1 else 0.0
        if how == "asymmetric":
            return place / self.scale
        if how == "half_pixel" or (how == "pytorch_half_pixel" and self.after > 1):
            return (place + 0.5) / self.scale - 0.5
        return 0.0 if how == "pytorch_half_pixel" else None


def _resize(node: OnnxNode) -> Function:
    if node.get("antialias", 0) or node.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise node.refusal("with antialias or keep_aspect_ratio_policy")
    old = node.kind == "Upsample" or node.opset < 11
    how = node.get("coordinate_transformation_mode", "asymmetric" if old else "half_pixel")
    round_how = node.get("nearest_mode", "floor" if old else "round_prefer_floor")
    axes, mode = _axes(node, old), node.get("mode", "nearest")
    sizes = list(node.like(0).shape)
    for axis in axes:
        sizes[axis.index] = axis.after
        if axis.source(0, how) is None:
            raise node.refusal(f"with coordinates {how}")
    if not axes:
        return lambda x: x
    if mode == "nearest":
        return _nearest(axes, how, round_how, sizes[2:])
    if mode == "linear":
        return _linear(node, axes, how, sizes[2:])
    return _cubic(node, axes, how, sizes[2:])


def _axes(node: OnnxNode, old: bool) -> list[_Axis]:
    """The axes that change."""
    shape = node.like(0).shape
    scales = node.numbers(1 if old else 2, "scales") or []
    sizes = None if old else node.numbers(3)
    node.read.update({1, 2} & set(range(len(node.values))))
    given = node.get("axes") or list(range(len(shape)))
    axes = []
    for i, index in enumerate(given):
        before = shape[index % len(shape)]
        after = int(sizes[i]) if sizes else math.floor(before * scales[i] + 1e-6)
        scale = after / before if sizes else float(scales[i])
        if after != before:
            axes.append(_Axis(index % len(shape), before, after, scale))
    return axes


def _spatial(axes: list[_Axis]) -> bool:
    return all(axis.index >= 2 for axis in axes)


def _nearest(axes: list[_Axis], how: str, round_how: str, sizes: list[int]) -> Function:
    rows = {axis.index: _rows(axis, how, round_how) for axis in axes}
    same = all(rows[a.index] == [p * a.before // a.after for p in range(a.after)] for a in axes)
    if same and _spatial(axes):
        return lambda x: F.interpolate(x, size=sizes, mode="nearest")
    places = {index: torch.tensor(row) for index, row in rows.items()}

    def function(x: Tensor) -> Tensor:
        for index, place in places.items():
            x = torch.index_select(x, index, place)
        return x

    return function


def _rows(axis: _Axis, how: str, round_how: str) -> list[int]:
    rounded = _ROUNDED[round_how]
    sources = (axis.source(place, how) or 0.0 for place in range(axis.after))
    return [min(max(rounded(source), 0), axis.before - 1) for source in sources]


def _linear(node: OnnxNode, axes: list[_Axis], how: str, sizes: list[int]) -> Function:
    exact = all(math.isclose(axis.scale, axis.after / axis.before) for axis in axes)
    corners = how == "align_corners"
    plain = corners or (how.endswith("half_pixel") and exact)
    if plain and _spatial(axes) and node.rank() in _LINEAR:
        mode = _LINEAR[node.rank()]
        return lambda x: F.interpolate(x, size=sizes, mode=mode, align_corners=corners)
    matrices = {axis.index: _matrix(axis, how) for axis in axes}

    def function(x: Tensor) -> Tensor:
        for index, matrix in matrices.items():
            x = (x.transpose(index, -1) @ matrix.to(x.dtype)).transpose(index, -1)
        return x

    return function


def _matrix(axis: _Axis, how: str) -> Tensor:
    """(before, after): the two neighbours of each sample with their shares."""
    matrix = torch.zeros(axis.before, axis.after)
    for place in range(axis.after):
        source = min(max(axis.source(place, how) or 0.0, 0.0), axis.before - 1.0)
        low = math.floor(source)
        matrix[low, place] += 1 - (source - low)
        matrix[min(low + 1, axis.before - 1), place] += source - low
    return matrix


def _cubic(node: OnnxNode, axes: list[_Axis], how: str, sizes: list[int]) -> Function:
    plain = math.isclose(node.get("cubic_coeff_a", -0.75), -0.75)
    plain &= not node.get("exclude_outside", 0) and node.rank() == 4 and _spatial(axes)
    plain &= all(math.isclose(axis.scale, axis.after / axis.before) for axis in axes)
    if not plain or how == "asymmetric":
        raise node.refusal(f"of mode cubic with these attributes (coordinates {how})")
    corners = how == "align_corners"
    return lambda x: F.interpolate(x, size=sizes, mode="bicubic", align_corners=corners)


RESIZES: Mapping[str, Callable[[OnnxNode], Function]] = {"Resize": _resize, "Upsample": _resize}
