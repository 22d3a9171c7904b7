"""What is exported: a network, what goes in and out of it, and where it came from.

A model of the zoo has its spec already. Of any other ``nn.Module`` it is found out here: the module
is copied, set to evaluation mode and run once on an input of the shape that the user gave.
"""

from __future__ import annotations

import copy
import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from seaformer.core.checkpoint import LoadedCheckpoint
from seaformer.core.errors import ModelError, ShapeError, UsageError
from seaformer.core.manifest import LARGEST_TENSOR
from seaformer.core.preprocessing import FLOAT, Labels, Preprocessing
from seaformer.core.quiet import quiet
from seaformer.core.request import OTHER_TASK, ExportRequest
from seaformer.core.spec import ModelSpec
from seaformer.data.labels import labels_of
from seaformer.data.preprocessing import IMAGENET, preprocessing_of
from seaformer.export import _verify
from seaformer.export._named import first_line
from seaformer.models import create_model, list_models, model_spec

if TYPE_CHECKING:
    from seaformer.export._onnx.source import OnnxSource

FAMILY = "module"
_COLOURS = 3
GRAPH = ".onnx"
_TASKS = {4: "segmentation", 2: "classification"}  # by the rank of the only output
_UNNAMED = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Subject:
    """A network in evaluation mode; ``origin`` is empty for a model of the zoo.

    ``default`` is the model of the zoo as it is without options: what differs from it in classes
    and weights is in the file's name. ``checkpoint`` is what its weights were read as.
    ``preprocessing`` and ``labels`` are ``None`` where they are unknown.
    ``answers`` computes what is expected where that is not ``network`` itself; ``graph`` is a file
    of the format that is exported to, whose graph is taken as it is.
    """

    network: nn.Module
    spec: ModelSpec
    origin: str = ""
    default: ModelSpec | None = None
    checkpoint: LoadedCheckpoint | None = None
    preprocessing: Preprocessing | None = None
    labels: Labels | None = None
    answers: nn.Module | None = None
    graph: OnnxSource | None = None

    @property
    def expected(self) -> nn.Module:
        """What computes the outputs that a file is compared with."""
        return self.answers or self.network


class NamedOutputs(nn.Module):
    """A network whose outputs come in a mapping or a list, as a tuple. Input (1, C, H, W)."""

    INNER = "network"  # whose children are the components

    def __init__(self, network: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network = network
        self.OUTPUTS = names

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        outputs = self.network(image)
        values = outputs.values() if isinstance(outputs, Mapping) else outputs
        return tuple(values)


def zoo_subject(request: ExportRequest) -> Subject:
    """The model of the zoo that a request names."""
    for option, value in (("--mean", request.mean), ("--std", request.std)):
        if value is not None:
            raise UsageError(f"{option} is for a module: {request.model} has its own.")
    network = create_model(
        request.model,
        checkpoint=request.checkpoint,
        seed=request.seed,
        size=request.size,
        classes=request.classes,
        ema=request.ema,
        backbone_weights=request.backbone,
    )
    default = model_spec(request.model)
    return Subject(
        network,
        network.spec,
        default=default,
        checkpoint=network.checkpoint,
        preprocessing=preprocessing_of(network.spec, request.input),
        labels=labels_of(network.spec),
    )


def check_module_request(request: ExportRequest) -> None:
    """Raise ``UsageError`` for what a module's export cannot have."""
    for option, value in (
        ("--checkpoint", request.checkpoint),
        ("--classes", request.classes),
        ("--backbone", request.backbone),
        ("--ema", request.ema or None),
    ):
        if value is not None:
            raise UsageError(
                f"{option} is not supported for a module (got {value}).",
                hint="Load the weights, and choose the classes, where the module is made.",
            )
    if request.components and is_graph_file(request.module):
        raise UsageError(
            "--components is not supported for an ONNX file: its parts are not in it.",
            hint="Export the module that it was made from: --module package.module:factory",
        )
    if request.dynamic and is_graph_file(request.module):
        raise UsageError(
            "--dynamic is not supported for an ONNX file: it is exported at one size.",
            hint="A file that leaves sizes free is benched as it is: --size HxW",
        )
    if request.size is not None:
        raise UsageError("--size is not supported for a module.", hint="Use --shape 1x3xHxW.")
    if request.model in list_models():
        raise UsageError(
            f"The name of a module must not be that of a model here (got {request.model})."
        )
    if request.shape is not None or not is_graph_file(request.module):
        _checked_shape(request)


def is_graph_file(text: str) -> bool:
    """Whether a graph is read from the file, which states the shape of its input."""
    return text.endswith(GRAPH)


def _checked_shape(request: ExportRequest) -> tuple[int, ...]:
    shape = request.shape
    if shape is None or len(shape) != 4 or shape[0] != 1 or min(shape) < 1:
        seen = "none" if shape is None else "x".join(str(side) for side in shape)
        raise UsageError(
            f"--shape must be 1xCxHxW: one image of C channels (got {seen}).",
            hint="For example: --shape 1x3x512x512",
        )
    if math.prod(shape) > LARGEST_TENSOR:
        raise UsageError(f"--shape must have at most {LARGEST_TENSOR:,} values.")
    if shape[1] != _COLOURS and stated_preprocessing(request) is not None:
        raise UsageError(
            "--mean, --std and --input uint8 require a module that takes 3 channels "
            f"(got --shape {'x'.join(map(str, shape))})."
        )
    return shape


def stated_preprocessing(request: ExportRequest) -> Preprocessing | None:
    """What was stated of a module's input; ``None`` where nothing was."""
    if request.input == FLOAT and request.mean is None and request.std is None:
        return None
    for option, values in (("--mean", request.mean), ("--std", request.std)):
        if values is not None and not all(math.isfinite(value) for value in values):
            raise UsageError(f"{option} must be three finite numbers (got {values}).")
    if request.std is not None and 0 in request.std:
        raise UsageError(f"--std must be three numbers other than 0 (got {request.std}).")
    mean, std = request.mean or IMAGENET.mean, request.std or IMAGENET.std
    return replace(IMAGENET, mean=mean, std=std, input=request.input)


def module_subject(module: nn.Module, request: ExportRequest, origin: str) -> Subject:
    """A copy of any module as what is exported; the module itself is not changed.

    Raises ``ModelError`` where it cannot be copied or run, or answers with anything but tensors,
    ``ShapeError`` where it does not take the shape.
    """
    check_module_request(request)
    shape = _checked_shape(request)
    try:
        with quiet():
            network = copy.deepcopy(module).to(device="cpu", dtype=torch.float32).eval()
    except (RuntimeError, TypeError, AttributeError, NotImplementedError) as error:
        raise ModelError(f"{origin} cannot be copied: {error}") from error
    outputs = answers_of(network, shape, origin)
    tensors = tensors_of(outputs, origin)
    if not isinstance(outputs, Tensor) and not (isinstance(outputs, tuple) and len(tensors) > 1):
        network = NamedOutputs(network, _names(outputs)).eval()
    spec = spec_of(request.model, shape, tensors, _digest(module))
    return Subject(network, spec, origin, preprocessing=stated_preprocessing(request))


def answers_of(network: nn.Module, shape: tuple[int, ...], origin: str) -> Any:
    """What a network returns for the first input of its proof. Raises ``ShapeError``."""
    image = _verify.inputs(shape)
    name, value = next(iter(image.items()))
    seen = "x".join(str(side) for side in shape)
    try:
        with torch.no_grad():
            return network(torch.from_numpy(value))
    except Exception as error:  # the user's code: anything may come out of it
        raise ShapeError(
            f"{origin} raised {type(error).__name__} on {name}, float32 {seen}: "
            f"{first_line(error)}",
            hint="Give the shape that it takes: --shape 1xCxHxW.",
        ) from error


def _names(outputs: Any) -> tuple[str, ...]:
    """The keys of a mapping; of a list or tuple ``output0``, ``output1``, ..."""
    keys = outputs if isinstance(outputs, Mapping) else (f"output{i}" for i in range(len(outputs)))
    return tuple(map(str, keys))


def tensors_of(outputs: Any, origin: str) -> tuple[Tensor, ...]:
    """Every output. Raises ``ModelError`` where one is not a tensor."""
    values = outputs.values() if isinstance(outputs, Mapping) else outputs
    several = (outputs,) if isinstance(outputs, Tensor) else values
    if isinstance(several, (tuple, list)) or isinstance(outputs, Mapping):
        several = tuple(several)
        wrong = [type(value).__name__ for value in several if not isinstance(value, Tensor)]
        if several and not wrong:
            return several
        seen = f"{type(outputs).__name__} of {', '.join(wrong)}" if wrong else "nothing"
    else:
        seen = type(outputs).__name__
    raise ModelError(
        f"{origin} must return a tensor, or a flat tuple, list or mapping of tensors (got {seen}).",
        hint="Wrap it in a module whose forward returns the tensors to export.",
    )


def spec_of(
    name: str, shape: tuple[int, ...], outputs: tuple[Tensor, ...], digest: str
) -> ModelSpec:
    """What is known of a network from one run of it; ``digest`` is of its weights."""
    first = tuple(outputs[0].shape)
    task = OTHER_TASK
    if len(outputs) == 1 and outputs[0].is_floating_point():
        task = _TASKS.get(len(first), OTHER_TASK)
    one, channels, height, width = shape
    return ModelSpec(
        name=name,
        family=FAMILY,
        task=task,
        dataset="",
        classes=first[1] if len(first) > 1 else 1,
        input_shape=(one, channels, height, width),
        output_shape=first,
        weights=f"sha256:{digest}",
        size_step=1,
    )


def _digest(module: nn.Module) -> str:
    """Of the names and bytes of all tensors of a module."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        if isinstance(tensor, Tensor):
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def module_name(text: str) -> str:
    """A name for files, from ``package.module:factory``, a path or a class."""
    path, _, factory = text.partition(":")
    last = re.split(r"[/\\]", path)[-1]
    stem = re.sub(r"\.(py|pt2|onnx)$", "", last)
    stem = stem if stem != last else stem.rpartition(".")[2] or stem
    return _UNNAMED.sub("-", f"{stem}.{factory}" if factory else stem) or FAMILY
