"""Core ML ML Programs (``.mlpackage``).

``torch.jit.trace`` fails with coremltools 9.0 on torch 2.13; ``torch.export`` followed by
``run_decompositions({})`` works. A prediction needs macOS: elsewhere the file is verified by its
structure (operators, shapes, weights, a reload), and the manifest states that.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import torch
from torch import nn

from seaformer.core.artifact import Method, Parity
from seaformer.core.engine import engine
from seaformer.core.errors import ExportError, ParityError
from seaformer.core.precision import Precision
from seaformer.export import _verify
from seaformer.export._format import FileFacts, WriteRequest, is_cast, output_names, unsupported

INPUT = "image"
_COMPUTE = {"float32": ct.precision.FLOAT32, "float16": ct.precision.FLOAT16}


def write(request: WriteRequest) -> FileFacts:
    """Capture, decompose, convert to an ML Program; inputs and outputs stay float32."""
    request.step("capture the graph")
    captured = torch.export.export(request.model, (request.image,)).run_decompositions({})
    request.step("convert to an ML Program")
    try:
        model = ct.convert(
            captured,
            inputs=[ct.TensorType(name=INPUT, shape=tuple(request.image.shape))],
            outputs=[
                ct.TensorType(name=name, dtype=np.float32) for name in output_names(request.model)
            ],
            convert_to="mlprogram",
            minimum_deployment_target=ct.target.iOS16,
            compute_precision=_COMPUTE[request.precision.dtype],
            skip_model_load=not engine("coreml").runs_here,
        )
    except NotImplementedError as error:
        operator = re.search(r"fx node (\w+)|`(\w+)` op", str(error))
        name = next(filter(None, operator.groups())) if operator else str(error)
        raise unsupported("coreml", name) from error
    except Exception as error:  # coremltools raises bare RuntimeError, ValueError and others
        raise ExportError(f"Core ML could not convert the model: {error}") from error
    for key, value in request.metadata.items():
        model.user_defined_metadata[key] = value
    model.save(str(request.path))
    return FileFacts(
        exporter="torch.export + run_decompositions + coremltools.convert (mlprogram)",
        methods=(_method(request.path),),
        operators=dict(sorted(_operators(model).items())),
        notes=(f"compute precision {request.precision.name}, input and output float32",),
    )


def supports(precision: Precision) -> bool:
    """What the converter can be asked to compute in."""
    return precision.dtype in _COMPUTE and is_cast(precision)


def verify(
    path: Path, cases: Sequence[_verify.Case], precision: Precision, network: nn.Module
) -> Parity:
    """By prediction on macOS; by structure elsewhere."""
    if engine("coreml").runs_here:
        from seaformer.runtime.coreml import open_session

        session = open_session(path)
        return _verify.verify(session.run, cases, precision=precision, runtime="coreml")
    return _verify_structure(path, cases[0], precision, network)


def _verify_structure(
    path: Path, case: _verify.Case, precision: Precision, network: nn.Module
) -> Parity:
    """Reload the file and compare what can be compared without running it."""
    model = ct.models.MLModel(str(path), skip_model_load=True)
    method = _method(path)
    operators = _operators(model)
    convolutions = _convolutions(network, case.image)
    weights, missing = _compare_weights(model, network, precision)
    checks = {
        f"ML Program, reloaded: {sum(operators.values())} operators": bool(operators),
        f"input {method.inputs[0].shape}": method.inputs[0].shape == case.image.shape,
        **{
            f"output {seen.shape}": seen.shape == expected.shape
            for seen, expected in zip(method.outputs, case.expected, strict=True)
        },
        f"{operators['conv']} convolutions of {convolutions}": operators["conv"] == convolutions,
        f"{weights - len(missing)} of {weights} weight tensors equal": not missing,
    }
    failed = [check for check, good in checks.items() if not good]
    if failed:
        raise ParityError(
            f"{path.name} is not the model it should be: {'; '.join(failed + missing[:3])}.",
            hint="Nothing was kept. Please report the model and the coremltools version.",
        )
    return Parity(
        verified_by="structure",
        runtime="none: Core ML predicts on macOS only",
        max_abs=None,
        relative_error=None,
        psnr_db=None,
        argmax_agreement=None,
        tolerance="operators, shapes and weights",
        cases=(),
        checks=tuple(checks),
    )


def _compare_weights(
    model: ct.models.MLModel, network: nn.Module, precision: Precision
) -> tuple[int, list[str]]:
    """How many weight tensors the network has, and which of them the file has not.

    Constants may be renamed, shared or cast by the converter, so they are matched by shape and
    value, within what the precision rounds away.
    """
    stored: dict[tuple[int, ...], list[Any]] = {}
    for entry in ct.optimize.coreml.get_weights_metadata(model, weight_threshold=0).values():
        stored.setdefault(tuple(entry.val.shape), []).append(entry.val.astype(np.float64))
    relative, absolute = precision.rounding, precision.smallest
    missing = []
    tensors = network.state_dict()
    for name, tensor in tensors.items():
        expected = tensor.double().numpy()
        candidates = stored.get(expected.shape, [])
        if not any(np.allclose(expected, value, relative, absolute) for value in candidates):
            missing.append(name)
    return len(tensors), missing


def _convolutions(network: nn.Module, image: _verify.Array) -> int:
    """How often a convolution is computed: a detector's heads are the same for every level."""
    calls = 0

    def count(*_: Any) -> None:
        nonlocal calls
        calls += 1

    hooks = [
        module.register_forward_hook(count)
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.no_grad():
        network(torch.from_numpy(image))
    for hook in hooks:
        hook.remove()
    return calls


def _operators(model: ct.models.MLModel) -> Counter[str]:
    """Operators of the program by type; constants are data, not operators."""
    function = model.get_spec().mlProgram.functions["main"]
    block = function.block_specializations[function.opset]
    return Counter(op.type for op in block.operations if op.type != "const")


def _method(path: Path) -> Method:
    from seaformer.runtime.coreml import open_session

    session = open_session(path)
    return Method("forward", session.inputs(), session.outputs())
