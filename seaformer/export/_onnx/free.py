"""Sizes that an ONNX file leaves free: which axes are marked for the tracer, and their names."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from seaformer.core.free import PLACES

_SIDES = {4: {2: "height", 3: "width"}, 3: {1: "height", 2: "width"}}  # by an output's rank


def traced_axes(name: str, axes: Sequence[str]) -> dict[str, dict[int, str]]:
    """The free axes of the input of that name, as the tracer takes them."""
    return {name: {PLACES[axis]: axis for axis in axes}} if axes else {}


def name_output_sizes(model: onnx.ModelProto) -> None:
    """Name the free sizes of outputs by their sides, not by the nodes that make them."""
    for value in model.graph.output:
        sizes = value.type.tensor_type.shape.dim
        for place, size in enumerate(sizes):
            if size.dim_param:
                side = _SIDES.get(len(sizes), {}).get(place, f"axis{place}")
                size.dim_param = "batch" if place == 0 else f"{value.name}_{side}"
