"""ONNX Runtime: static quantisation of a finished graph, written as QuantizeLinear pairs (QDQ).

Ranges come from our own observers, of the unoptimised graph; ONNX Runtime's quantizer places the
pairs. Activations are coded per tensor and weights per output channel; which of them are signed is
what the kernels of a CPU multiply (``CODES``). Without its optimisations ONNX Runtime computes such
a graph in float32, pair by pair: the fake-quantised model which the file is compared with.

onnxruntime 1.31: ``quantize_static`` keeps every activation of every image until the last one was
run, and has no observer of squared error; so only its second half is used here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.quant_utils import load_model_with_shape_infer

from seaformer.core.errors import UsageError
from seaformer.export._format import WriteRequest
from seaformer.export._onnx.names import module_of
from seaformer.export.quantize._calibration import Calibration
from seaformer.export.quantize._kept import check_kept, is_kept, kept_note
from seaformer.export.quantize._observers import Array, Range, Spread, find_observer
from seaformer.export.quantize._onnx_noise import onnx_noise
from seaformer.export.quantize._proof import Quantised, require_fake
from seaformer.export.quantize._search import IMAGES, Network, search, search_note
from seaformer.runtime.onnxruntime import OnnxRuntimeSession

_EACH = "activations per tensor, weights per channel"
OLDEST_OPSET = 13  # of DequantizeLinear per channel
# Operators that ONNX Runtime 1.31 executes on 8-bit values (QDQ transformer); each between two of
# them that stays in float costs a DequantizeLinear and a QuantizeLinear.
OPERATORS = frozenset(
    [
        "Conv",
        "ConvTranspose",
        "Gemm",
        "MatMul",
        "Add",
        "Mul",
        "Concat",
        "Clip",
        "Relu",
        "MaxPool",
        "AveragePool",
        "GlobalAveragePool",
        "Resize",
        "Reshape",
        "Transpose",
        "Squeeze",
        "Unsqueeze",
        "Flatten",
        "Slice",
        "Split",
        "Gather",
        "Pad",
    ]
)


@dataclass(frozen=True)
class Codes:
    """What kernels of a CPU multiply; ``reduced`` leaves a bit of each weight unused."""

    activations: QuantType
    reduced: bool
    scheme: str


# ARM multiplies signed by signed. x86 multiplies unsigned by signed; without VNNI it adds pairs of
# products in 16 bits, which saturate unless weights have 7 bits.
CODES = {
    "arm64": Codes(QuantType.QInt8, False, f"{_EACH}, both signed"),
    "x86_64": Codes(QuantType.QUInt8, True, f"{_EACH}, activations unsigned, weights of 7 bits"),
}
CPUS = tuple(CODES)


def quantise(request: WriteRequest) -> Quantised:
    """Quantise the file of a request in place, and compare it with its fake-quantised model."""
    path, calibration, keep = request.path, request.calibration, request.keep
    assert calibration is not None
    model = load_model_with_shape_infer(path)
    _check_opset(model)
    check_kept(keep.names, (module_of(node.name) for node in model.graph.node))
    ranges = _ranges(model, calibration.arrays(raw=False), request.observer)
    codes = CODES[request.cpu]
    result, kept = None, keep.names
    if keep.auto:
        result = search(_network(model, ranges, calibration, codes), keep, request.step)
        kept = (*kept, *result.added)
    quantised = _placed(model, ranges, kept, codes)
    onnx.save(quantised, str(path))
    kinds = [node.op_type for node in quantised.graph.node]
    pairs, others = kinds.count("QuantizeLinear"), sum(not k.endswith("Linear") for k in kinds)
    note = (
        f"int8: {codes.scheme}, for {request.cpu}; {pairs} QuantizeLinear around {others} operators"
    )
    notes = (note + kept_note(kept), *search_note(result))
    file, fake = OnnxRuntimeSession(path), OnnxRuntimeSession(path, optimised=False)
    check = require_fake(
        path.name,
        lambda image: file.run([image]),
        lambda image: fake.run([image]),
        calibration.arrays(raw=False),
    )
    images = calibration.sample(IMAGES, raw=False)
    noise = onnx_noise(model, quantised, images, _session)
    made = calibration.described(request.observer, request.cpu, codes.scheme, kept, result)
    return Quantised(replace(made, noise=noise), notes, check)


def _network(
    model: onnx.ModelProto, ranges: dict[str, Range], calibration: Calibration, codes: Codes
) -> Network:
    """The graph as what a search measures: files with modules in float, run pair by pair."""
    images = calibration.searched(IMAGES, raw=False)

    def answers(kept: tuple[str, ...], count: int) -> list[Array]:
        return _first_outputs(_placed(model, ranges, kept, codes), images[:count])

    nodes = [node for node in model.graph.node if node.op_type in OPERATORS]
    modules = tuple(module_of(node.name) for node in nodes)
    return Network(modules, answers, _first_outputs(model, images), calibration.task)


def _first_outputs(model: onnx.ModelProto, images: Iterable[Array]) -> list[Array]:
    session = _session(model.SerializeToString())
    (feed,), first = session.get_inputs(), session.get_outputs()[0].name
    return [session.run([first], {feed.name: image})[0] for image in images]


def _check_opset(model: onnx.ModelProto) -> None:
    version = next(each.version for each in model.opset_import if not each.domain)
    if version < OLDEST_OPSET:
        raise UsageError(f"--opset must be at least {OLDEST_OPSET} for int8 (got {version}).")


def _ranges(model: onnx.ModelProto, images: Iterable[Array], observer: str) -> dict[str, Range]:
    """The range of every float tensor that an operator computes, and of the input."""
    choose = find_observer(observer)
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    known = {value.name for value in whole.graph.output}
    inner = [v for v in whole.graph.value_info if _is_float(v) and v.name not in known]
    whole.graph.output.extend(inner)
    session = _session(whole.SerializeToString())
    names = [value.name for value in session.get_outputs()]
    (feed,) = [value.name for value in session.get_inputs()]
    spreads: dict[str, Spread] = {name: Spread() for name in (feed, *names)}
    for image in images:
        spreads[feed].see(image)
        for name, values in zip(names, session.run(names, {feed: image}), strict=True):
            if values.dtype == np.float32:
                spreads[name].see(values)
    return {name: choose(spread) for name, spread in spreads.items()}


def _placed(
    source: onnx.ModelProto, ranges: dict[str, Range], kept: tuple[str, ...], codes: Codes
) -> onnx.ModelProto:
    """A copy of a graph with QuantizeLinear pairs, but for the modules that are kept."""
    model = onnx.ModelProto()
    model.CopyFrom(source)
    floats = [node.name for node in model.graph.node if is_kept(module_of(node.name), kept)]
    data = TensorsData(
        CalibrationMethod.MinMax,
        {name: tuple(np.float32(end) for end in ends) for name, ends in ranges.items()},
    )
    quantizer = QDQQuantizer(
        model,
        True,
        codes.reduced,
        QuantType.QInt8,
        codes.activations,
        data,
        [],
        floats,
        sorted(OPERATORS),
        {"WeightSymmetric": True},
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    placed: onnx.ModelProto = quantizer.model.model
    return placed


def _is_float(value: onnx.ValueInfoProto) -> bool:
    return bool(value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT)


def _session(model: bytes | str) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
