"""Outputs of modules in an ONNX graph and in its QDQ form, which names most tensors alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import onnx
import onnxruntime as ort

from seaformer.core.quantization import ModuleNoise
from seaformer.export._onnx.names import module_of
from seaformer.export.quantize._noise import module_noise
from seaformer.export.quantize._observers import Array

OpenSession = Callable[[bytes], ort.InferenceSession]


def onnx_noise(
    source: onnx.ModelProto,
    quantised: onnx.ModelProto,
    images: Iterable[Array],
    open_session: OpenSession,
) -> tuple[ModuleNoise, ...]:
    """Every module's, of a float graph with shapes and its QDQ form."""
    ends = _ends(source)
    places = {module: _place(name, source, quantised) for module, name in ends.items()}
    places = {module: name for module, name in places.items() if name}
    if not places:  # a session that is asked for nothing answers with everything
        return ()
    ends = {module: ends[module] for module in places}
    pair = [
        _recorder(model, names, open_session)
        for model, names in ((quantised, places), (source, ends))
    ]
    return module_noise((pair[0](image), pair[1](image)) for image in images)


def _ends(model: onnx.ModelProto) -> dict[str, str]:
    """The tensor of floats that each module computes last."""
    values = (*model.graph.value_info, *model.graph.output)
    kinds = {value.name: value.type.tensor_type.elem_type for value in values}
    ends = {}
    for node in model.graph.node:
        module = module_of(node.name)
        if module and kinds.get(node.output[0]) == onnx.TensorProto.FLOAT:
            ends[module] = node.output[0]
    return ends


def _place(name: str, source: onnx.ModelProto, quantised: onnx.ModelProto) -> str:
    """A tensor of the float graph in the QDQ form, rounded where its readers get it so.

    onnxruntime 1.31: a ReLU or clamp whose ends are those of the codes is removed, and what is
    before it makes the tensor of its name: unrounded, that is what was clamped. Empty where
    the QDQ form does not have the tensor.
    """
    computed = {output for node in quantised.graph.node for output in node.output}
    if name in computed:
        return _rounded(quantised).get(name, name)
    clamped = [node.output[0] for node in source.graph.node if name in node.input]
    return clamped[0] if len(clamped) == 1 and clamped[0] in computed else ""


def _rounded(model: onnx.ModelProto) -> dict[str, str]:
    """From a tensor to what a pair of QuantizeLinear and DequantizeLinear makes of it."""
    nodes = model.graph.node
    back = {node.input[0]: node.output[0] for node in nodes if node.op_type == "DequantizeLinear"}
    return {
        node.input[0]: back[node.output[0]]
        for node in nodes
        if node.op_type == "QuantizeLinear" and node.output[0] in back
    }


def _recorder(
    model: onnx.ModelProto, places: dict[str, str], open_session: OpenSession
) -> Callable[[Array], dict[str, Array]]:
    """What runs an image and answers with the output of every module."""
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    known = {value.name for value in whole.graph.output}
    names = list(dict.fromkeys(places.values()))
    whole.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        for name in names
        if name not in known
    )
    session = open_session(whole.SerializeToString())
    (feed,) = [value.name for value in session.get_inputs()]

    def outputs(image: Array) -> dict[str, Array]:
        values = dict(zip(names, session.run(names, {feed: image}), strict=True))
        return {module: values[name] for module, name in places.items()}

    return outputs
