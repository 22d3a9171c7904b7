"""Every ONNX operator that becomes a function of PyTorch computes what ONNX Runtime computes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from seaformer.core.errors import ModelError, UnsupportedOperator
from seaformer.export._onnx.network import build_network
from seaformer.export._onnx.operators import OPERATORS
from seaformer.export._onnx.source import open_source
from tests import foreign

SHAPE = (1, 4, 6, 8)


@dataclass(frozen=True)
class Node:
    """One node; ``weights`` are its inputs after the image, ``None`` where one is left out."""

    kind: str
    weights: tuple[Any, ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)
    opset: int = 17
    outputs: int = 1

    def __str__(self) -> str:
        how = "-".join(f"{name}{value}" for name, value in self.attributes.items())
        return f"{self.kind}-{self.opset}-{how}".replace(" ", "")[:70]


def numbers(*shape: int) -> Any:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


def places(*values: int) -> Any:
    return np.array(values, np.int64)


ONE, W = np.float32(0.5), numbers(6, 4, 3, 3)
NODES = [
    *(Node(kind) for kind in ("Abs", "Ceil", "Cos", "Erf", "Exp", "Floor", "Identity", "Neg")),
    *(Node(kind) for kind in ("Relu", "Round", "Sigmoid", "Sign", "Sin", "Softplus", "Softsign")),
    *(Node(kind) for kind in ("Tanh", "Celu", "Elu", "LeakyRelu", "HardSigmoid", "HardSwish")),
    *(Node(kind, (numbers(4, 1, 1),)) for kind in ("Add", "Div", "Max", "Mean", "Min", "Mul")),
    *(Node(kind, (numbers(4, 1, 1),)) for kind in ("Sub", "Sum", "PRelu", "Pow")),
    Node("HardSigmoid", (), {"alpha": 1 / 6}), Node("Mish", opset=18),
    Node("Gelu", (), {"approximate": "tanh"}, 20), Node("Gelu", opset=20),
    Node("Pow", (np.float32(2),)),
    Node("Clip", (np.float32(0), np.float32(6))), Node("Clip", (), {"min": 0.0, "max": 1.0}, 9),
    Node("Clip", (None, ONE)),
    Node("Cast", (), {"to": TensorProto.INT64}), Node("Cast", (), {"to": TensorProto.FLOAT16}),
    *(Node(f"Reduce{kind}", (), {"axes": [2, 3]}) for kind in ("L1", "L2", "LogSumExp", "Max")),
    *(Node(f"Reduce{kind}", (), {"axes": [-1], "keepdims": 0}) for kind in ("Mean", "Min", "Prod")),
    Node("ReduceSum", (places(1),)), Node("ReduceSum"), Node("ReduceSumSquare", (), {"axes": [1]}),
    Node("ReduceMean", (places(2, 3),), {}, 18), Node("ReduceSum", (), {"axes": [3]}, 11),
    Node("ArgMax", (), {"axis": 1}), Node("ArgMin", (), {"axis": 2, "keepdims": 0}),
    Node("Softmax", (), {"axis": 1}), Node("Softmax", (), {"axis": 1}, 11), Node("Softmax"),
    Node("LogSoftmax", (), {"axis": -1}),
    Node("Concat", (numbers(1, 2, 6, 8),), {"axis": 1}), Node("Dropout"), Node("Flatten"),
    Node("DepthToSpace", (), {"blocksize": 2}),
    Node("DepthToSpace", (), {"blocksize": 2, "mode": "CRD"}),
    Node("SpaceToDepth", (), {"blocksize": 2}), Node("Expand", (places(2, 1, 1, 1),)),
    Node("Flatten", (), {"axis": 0}), Node("Flatten", (), {"axis": -1}),
    Node("Gather", (places(2, 0),), {"axis": 3}), Node("Gather", (places(1, 2),), {"axis": 1}),
    Node("Gather", (np.int64(-1),), {"axis": 2}),
    Node("Gather", (places(0, 1, 2, 3).reshape(2, 2),), {"axis": 1}),
    Node("Pad", (places(0, 0, 1, 2, 0, 0, 0, 1), ONE)),
    Node("Pad", (), {"pads": [0, 0, 1, 0, 0, 0, 1, 0], "mode": "reflect"}, 9),
    Node("Pad", (places(0, 0, 1, 2, 0, 0, 3, 1),), {"mode": "edge"}),
    Node("Pad", (places(1, 2), None, places(3)), {}, 18),
    Node("Reshape", (places(0, -1),)), Node("Slice", (places(1), places(9), places(3), places(2))),
    Node("Slice", (places(-1), places(-9), places(3), places(-1))),
    Node("Slice", (), {"starts": [1], "ends": [3], "axes": [2]}, 9),
    Node("Split", (), {"axis": 1}, 11, 2), Node("Split", (places(1, 3),), {"axis": 1}, 13, 2),
    Node("Split", (), {"axis": 3, "num_outputs": 3}, 18, 3),
    Node("Squeeze", (places(0),)), Node("Squeeze", (), {"axes": [0]}, 11), Node("Squeeze"),
    Node("Unsqueeze", (places(0, -1),)), Node("Unsqueeze", (), {"axes": [2]}, 11),
    Node("Tile", (places(1, 2, 1, 3),)), Node("Transpose", (), {"perm": [0, 2, 3, 1]}),
    Node("Transpose"),
    Node("Conv", (W, numbers(6)), {"pads": [1, 1, 1, 1]}),
    Node("Conv", (W,), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    Node("Conv", (W,), {"strides": [2, 2], "auto_pad": "SAME_LOWER"}),
    Node("Conv", (numbers(8, 2, 3, 3),), {"group": 2, "pads": [0, 1, 2, 1], "dilations": [1, 2]}),
    Node("ConvTranspose", (numbers(4, 3, 2, 2), numbers(3)), {"strides": [2, 2]}),
    Node("ConvTranspose", (numbers(4, 3, 3, 3),), {"strides": [2, 2], "pads": [1, 0, 0, 1]}),
    Node("BatchNormalization", (numbers(4), numbers(4), numbers(4), np.abs(numbers(4)) + 1)),
    Node("InstanceNormalization", (numbers(4), numbers(4))),
    Node("LayerNormalization", (numbers(8), numbers(8)), {"axis": -1}),
    Node("LayerNormalization", (numbers(6, 8),), {"axis": 2}),
    Node("GroupNormalization", (numbers(4), numbers(4)), {"num_groups": 2}, 21),
    Node("LRN", (), {"size": 3}), Node("MatMul", (numbers(8, 5),)),
    Node("Einsum", (numbers(8, 5),), {"equation": "bchw,wk->bhck"}),
    Node("GlobalAveragePool"), Node("GlobalMaxPool"),
    Node("MaxPool", (), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    Node("MaxPool", (), {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    Node("MaxPool", (), {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER"}),
    Node("AveragePool", (), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    Node("AveragePool", (), {"kernel_shape": [2, 2], "pads": [0, 0, 1, 1]}),
    Node("AveragePool", (), {"kernel_shape": [2, 2], "pads": [0, 0, 1, 1], "count_include_pad": 1}),
    Node("Upsample", (np.array([1, 1, 2, 2], np.float32),), {"mode": "nearest"}, 9),
    Node("Resize", (np.array([1, 1, 2, 2], np.float32),), {"mode": "linear"}, 10),
    *(
        Node(
            "Resize",
            (None, None, places(1, 4, *size)),
            {"mode": mode, "coordinate_transformation_mode": how},
        )
        for size in ((12, 24), (9, 5))
        for mode in ("nearest", "linear", "cubic")
        for how in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
        if (mode, how) != ("cubic", "asymmetric")
    ),
    Node("Resize", (None, np.array([1.5, 1.3], "f")), {"mode": "linear", "axes": [2, 3]}, 18),
    Node("Resize", (None, np.array([1, 1, 2, 2], np.float32)), {"nearest_mode": "ceil"}, 13),
]  # fmt: skip


def model_of(node: Node) -> Any:
    """image -> the node, in a file."""
    names = ["" if value is None else f"w{i}" for i, value in enumerate(node.weights)]
    weights = [
        numpy_helper.from_array(np.asarray(value), f"w{i}")
        for i, value in enumerate(node.weights)
        if value is not None
    ]
    outputs = [f"y{i}" for i in range(node.outputs)]
    made = helper.make_node(node.kind, ["image", *names], outputs, "stem/0/node", **node.attributes)
    taken = [helper.make_tensor_value_info("image", TensorProto.FLOAT, SHAPE)]
    given = [onnx.ValueInfoProto(name=y) for y in outputs]
    return foreign.model_of([made], taken, given, weights, opset=node.opset, ir=10)


@pytest.mark.parametrize("node", NODES, ids=str)
def test_an_operator_computes_what_onnx_runtime_computes(node: Node, tmp_path: Path) -> None:
    import onnxruntime

    model = model_of(node)
    image = numbers(*SHAPE)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    expected = session.run(None, {"image": image})
    network = build_network(model, torch.zeros(SHAPE))
    outputs = network(torch.from_numpy(image))
    several = outputs if isinstance(outputs, tuple) else (outputs,)
    assert len(several) == len(expected) == node.outputs
    for value, wanted in zip(several, expected, strict=True):
        assert tuple(value.shape) == wanted.shape
        np.testing.assert_allclose(value.numpy(), wanted.astype(value.numpy().dtype), 1e-3, 1e-4)
    assert [name for name, _ in network.named_modules() if name.endswith("node")]


def test_every_operator_that_takes_one_image_is_compared() -> None:
    two_of_the_image = {"And", "Equal", "Greater", "GreaterOrEqual", "IsNaN", "Less", "Log"}
    two_of_the_image |= {"LessOrEqual", "Not", "Or", "Reciprocal", "Sqrt", "Where", "Gemm"}
    assert set(OPERATORS) - {node.kind for node in NODES} == two_of_the_image


def test_shapes_are_computed_once_and_comparisons_from_the_image(tmp_path: Path) -> None:
    """image -> flatten by its own Shape -> Gemm, and a mask of what is above its root."""
    make = helper.make_node
    nodes = [
        make("Shape", ["image"], ["shape"]),
        make("Slice", ["shape", "zero", "one"], ["batch"]),
        make("Concat", ["batch", "minus"], ["flat"], axis=0),
        make("Reshape", ["image", "flat"], ["row"]),
        make("Gemm", ["row", "w", "b"], ["scores"], transB=1),
        make("Abs", ["scores"], ["a"]), make("Sqrt", ["a"], ["root"]),
        make("Reciprocal", ["root"], ["r"]), make("Log", ["a"], ["log"]),
        make("Greater", ["scores", "root"], ["g"]), make("LessOrEqual", ["r", "log"], ["l"]),
        make("Or", ["g", "l"], ["either"]), make("Not", ["either"], ["neither"]),
        make("IsNaN", ["scores"], ["nan"]), make("And", ["neither", "nan"], ["both"]),
        make("Equal", ["both", "g"], ["e"]), make("Where", ["e", "scores", "log"], ["y"]),
    ]  # fmt: skip
    stored = {"zero": places(0), "one": places(1), "minus": places(-1), "b": numbers(5)}
    weights = [numpy_helper.from_array(v, n) for n, v in (stored | {"w": numbers(5, 192)}).items()]
    free = ["n", 4, "h", "w"]
    ends = [helper.make_tensor_value_info("image", TensorProto.FLOAT, free)]
    ends.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, None))
    path = foreign.save(foreign.model_of(nodes, ends[:1], ends[1:], weights), tmp_path / "m.onnx")
    source = open_source(str(path), SHAPE)
    network, answers = source.network(), source.answers()
    image = torch.from_numpy(numbers(*SHAPE))
    torch.testing.assert_close(network(image), answers(image), rtol=1e-4, atol=1e-4)
    kinds = [step.outputs[0] for step in network.steps]
    assert kinds[:2] == ["row", "scores"]


REFUSED: dict[str, tuple[Node, type[Exception], str]] = {
    "an operator without counterpart": (
        Node("TopK", (places(2),), {}, 17, 2), UnsupportedOperator, "operator TopK has no"
    ),
    "indices of a pool": (
        Node("MaxPool", (), {"kernel_shape": [2, 2]}, 17, 2), UnsupportedOperator, "with indices"
    ),
    "anti-aliasing": (
        Node("Resize", (None, None, places(1, 4, 3, 3)), {"mode": "linear", "antialias": 1}, 18),
        UnsupportedOperator,
        "with antialias",
    ),
    "another shape": (Node("MatMul", (numbers(3, 5),)), ModelError, "fails for this shape"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_node_without_counterpart_is_named(case: str) -> None:
    node, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message) as caught:
        build_network(model_of(node), torch.zeros(SHAPE))
    assert "stem/0/node" in str(caught.value)
