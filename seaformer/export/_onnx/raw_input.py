"""Put the normalisation of pixels before an ONNX graph that takes a float32 image.

It is added when the graph has its precision: what it computes stays in float32, and no converter
touches it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from seaformer.core.preprocessing import Preprocessing
from seaformer.export._raw_input import NORMALISE

PIXELS = "pixels"


def prepend(path: Path, preprocessing: Preprocessing) -> None:
    """Change the file in place: its input becomes 8-bit RGB in the order that was asked for."""
    model = onnx.load(str(path))
    graph = model.graph
    image = graph.input[0]
    sizes = tuple(s.dim_param or s.dim_value for s in image.type.tensor_type.shape.dim)
    nodes, constants = _nodes(image.name, preprocessing)
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in graph.node]
    del graph.node[:]
    graph.node.extend([*nodes, *kept])
    graph.initializer.extend(constants)
    graph.value_info.append(helper.make_tensor_value_info(image.name, TensorProto.FLOAT, sizes))
    shape = preprocessing.shape_of(sizes)
    graph.input[0].CopyFrom(helper.make_tensor_value_info(PIXELS, TensorProto.UINT8, shape))
    onnx.save(model, str(path))


def _nodes(
    image: str, preprocessing: Preprocessing
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Cast, order of axes and channels, minus the mean, divided by the deviation."""
    constants = [
        numpy_helper.from_array(np.array(value, np.float32).reshape(1, 3, 1, 1), _name(name))
        for name, value in (("mean", preprocessing.mean), ("std", preprocessing.std))
    ]
    steps: list[tuple[str, tuple[str, ...], dict[str, object]]] = [
        ("Cast", (), {"to": TensorProto.FLOAT})
    ]
    if preprocessing.layout == "NHWC":
        steps.insert(0, ("Transpose", (), {"perm": [0, 3, 1, 2]}))
    if preprocessing.channels == "BGR":
        constants.append(numpy_helper.from_array(np.array([2, 1, 0], np.int64), _name("bgr")))
        steps.append(("Gather", (_name("bgr"),), {"axis": 1}))
    steps += [("Sub", (_name("mean"),), {}), ("Div", (_name("std"),), {})]
    nodes, value = [], PIXELS
    for kind, more, attributes in steps:
        made = image if kind == "Div" else _name(kind)
        nodes.append(
            helper.make_node(kind, [value, *more], [made], name=f"/{_name(kind)}", **attributes)
        )
        value = made
    return nodes, constants


def _name(part: str) -> str:
    return f"{NORMALISE}/{part}"
