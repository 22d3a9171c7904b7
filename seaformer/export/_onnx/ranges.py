"""The range of every floating tensor that an ONNX graph computes, read off in ONNX Runtime."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnx import numpy_helper

from seaformer.export._range import Range
from seaformer.export._verify import Array
from seaformer.runtime.onnxruntime import OnnxRuntimeSession


def weights_of(model: onnx.ModelProto) -> dict[str, Array]:
    """The floating weights of a graph by name."""
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    return {n: a.copy() for n, a in arrays.items() if a.dtype == np.float32 and a.size}


def graph_ranges(model: onnx.ModelProto, images: Mapping[str, Array]) -> Iterator[Range]:
    """What each node gives for each image, which has a name."""
    watched = copy.deepcopy(model)
    places = {}
    for node in watched.graph.node:
        for name in node.output:
            if name:
                places[name] = f"{node.name} ({node.op_type})" if node.name else node.op_type
    known = {value.name for value in watched.graph.output}
    watched.graph.output.extend(onnx.ValueInfoProto(name=n) for n in places if n not in known)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "watched.onnx"
        onnx.save(watched, str(path))
        session = OnnxRuntimeSession(path, optimised=False)
    names = [value.name for value in watched.graph.output]
    for input, image in images.items():
        for name, value in zip(names, session.run_as_is([image]), strict=True):
            if value.dtype == np.float32 and value.size and name in places:
                least, greatest = float(np.min(value)), float(np.max(value))
                yield Range(places[name], input, least, greatest)
