"""ExecuTorch: static quantisation of a captured graph by torchao (PT2E), for XNNPACK.

ExecuTorch's quantizer decides which operators compute in int8 (``XNNPACKQuantizer``). It takes a
ReLU into the convolution before it and leaves every other clamp to share the range of the
unclamped convolution: a gate from 0 to 1 is then coded on the grid of values from -7 to 7.
``FamilyQuantizer`` gives each clamp its own range; XNNPACK fuses the two all the same.

For a core with half precision (``arm64_half``) only what executes less in integers is in integers,
and the rest computes in half inside of the same delegate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
    XNNPACKQuantizer,
    get_symmetric_quantization_config,
)
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.quantization.pt2e.quantizer import (
    QuantizationAnnotation,
    QuantizationConfig,
    QuantizationSpec,
)
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

from seaformer.core.artifact import FORWARD
from seaformer.core.errors import ExportError
from seaformer.core.quantization import Keep, ModuleNoise, Sensitivity
from seaformer.export._raw_input import own_path
from seaformer.export.quantize._calibration import Calibration
from seaformer.export.quantize._executorch_half import in_half
from seaformer.export.quantize._kept import check_kept, is_kept, kept_note
from seaformer.export.quantize._observers import Array
from seaformer.export.quantize._proof import Quantised, require_fake
from seaformer.export.quantize._search import IMAGES, search, search_note
from seaformer.export.quantize._torch_noise import torch_noise
from seaformer.export.quantize._torch_observer import RangeObserver
from seaformer.export.quantize._torch_search import observed_network

CPUS = ("arm64", "arm64_half")  # XNNPACK has kernels for x86 besides, which compute the same
_HALF = CPUS[1]
_EACH = "activations per tensor, weights per channel, both signed"
SCHEMES = {CPUS[0]: _EACH, _HALF: f"1x1 convolutions int8 ({_EACH}), half precision elsewhere"}
# Instructions of a Cortex-A76 in XNNPACK of executorch 1.5.1, counted by operator (docs/int8.md): a
# product in half takes 0.17 and in int8 0.08; a value that is taken is rounded (0.8), one that is
# given is scaled back to codes (1.0 more than in half) and those to half (0.6).
_SAVED, _ROUNDED, _SCALED_BACK = 0.09, 0.8, 1.6
_ATEN = torch.ops.aten
_CONVOLUTIONS = (_ATEN.conv2d.default, _ATEN.convolution.default)
_RELUS = (_ATEN.relu.default, _ATEN.relu_.default)
_CLAMPS = (_ATEN.hardtanh.default, _ATEN.hardtanh_.default)


class FamilyQuantizer(XNNPACKQuantizer):  # type: ignore[misc]
    """As XNNPACK's, with clamps that carry a range of their own.

    With ``image_in_codes`` what reads the image gets it rounded where that computes in float.
    """

    image_in_codes = False

    def annotate(self, model: GraphModule) -> GraphModule:
        """Convolutions with a clamp behind first; the rest is as it was."""
        for node in model.graph.nodes:
            if node.target in _CLAMPS and _clamps_alone(node) and self._is_asked(node):
                _annotate(node, self.global_config)
        annotated: GraphModule = super().annotate(model)
        if self.image_in_codes:
            for node in model.graph.nodes:
                if Q_ANNOTATION_KEY not in node.meta:
                    _annotate_reader(node, self.global_config)
        return annotated

    def _is_asked(self, node: Node) -> bool:
        return self.filter_fn is None or bool(self.filter_fn(node.args[0]))


@dataclass(frozen=True)
class FakeQuantised:
    """The graph with quantize and dequantize operators, in float32, and its modules in float."""

    graph: GraphModule
    kept: tuple[str, ...]
    sensitivity: Sensitivity | None
    noise: tuple[ModuleNoise, ...]
    cpu: str = CPUS[0]

    @property
    def lowered(self) -> GraphModule:
        """The graph that becomes the file: with half precision for a core that has it."""
        return in_half(self.graph) if self.cpu == _HALF else self.graph


def quantise(
    program: ExportedProgram,
    calibration: Calibration,
    observer: str,
    keep: Keep,
    step: Callable[[str], None],
    *,
    cpu: str = CPUS[0],
) -> FakeQuantised:
    """The fake-quantised model of a captured graph, in float32 for every ``cpu``."""
    check_kept(keep.names, (_module_of(n) for n in program.graph.nodes if n.op == "call_function"))
    prepared = _prepared(program, observer, keep.names, cpu)
    with torch.no_grad():
        for image in calibration.arrays(raw=True):
            prepared(torch.from_numpy(image))
    result, kept = None, keep.names
    if keep.auto:
        spreads = _observers(prepared)
        images = calibration.searched(IMAGES, raw=True)
        network = observed_network(prepared, images, _module_of)
        result = search(replace(network, task=calibration.task), keep, step)
        kept = (*kept, *result.added)
        prepared = _prepared(program, observer, kept, cpu)
        with torch.no_grad():
            prepared(torch.from_numpy(images[0]))  # ranges of weights; the others were found
        for name, each in _observers(prepared).items():
            each.spread = spreads[name].spread
    converted = _with_own_answers(convert_pt2e(prepared))
    images = calibration.sample(IMAGES, raw=True)
    noise = torch_noise(_with_hardtanh(program.module()), converted, images, _module_of)
    return FakeQuantised(converted, kept, result, noise, cpu)


def _prepared(
    program: ExportedProgram, observer: str, kept: tuple[str, ...], cpu: str = CPUS[0]
) -> GraphModule:
    """A copy of the graph with observers."""
    quantizer = FamilyQuantizer().set_global(_config(observer))
    quantizer.image_in_codes = cpu == _HALF

    def asked(node: Node) -> bool:
        if is_kept(_module_of(node), kept):
            return False
        return cpu != _HALF or node.op != "call_function" or pays(node)

    quantizer.set_filter_function(asked)
    if cpu == _HALF and not any(asked(n) for n in program.graph.nodes if n.op == "call_function"):
        raise ExportError(
            "No 1x1 convolution has enough products for each value to execute less in integers "
            "than in half precision.",
            hint="Leave --int8-for away.",
        )
    prepared: GraphModule = prepare_pt2e(_with_hardtanh(program.module()), quantizer)
    return prepared


def _observers(prepared: GraphModule) -> dict[str, RangeObserver]:
    """Observers of activations, by the operator that makes the values."""
    calls = [node for node in prepared.graph.nodes if node.op == "call_module"]
    observers = {node.args[0].name: getattr(prepared, node.target) for node in calls if node.args}
    return {name: each for name, each in observers.items() if isinstance(each, RangeObserver)}


def _with_hardtanh(graph: GraphModule) -> GraphModule:
    """Clamps with two ends as ``hardtanh``, the one that XNNPACK fuses with a convolution in int8;
    behind another one the convolution's weights would have no operator that reads them."""
    for node in graph.graph.nodes:
        ends = node.args[1:]
        both = len(ends) == 2 and all(isinstance(end, int | float) for end in ends)
        if node.target is _ATEN.clamp.default and both and not node.kwargs:
            node.target = _ATEN.hardtanh.default
            # Floats: 1 is hardtanh's default, which a later trace would leave out.
            node.args = (node.args[0], *(float(end) for end in ends))
    graph.recompile()
    return graph


def _with_own_answers(graph: GraphModule) -> GraphModule:
    """A dequantize of its own for each answer that is also read inside.

    executorch 1.5.1 changes the layout of such a value for one reader and so for the other: the
    program then failed to execute, or gave the answer in another order. Drop when
    ``ChannelsLastTaggedReshapePass`` gives readers and outputs a value each.
    """
    output = graph.graph.output_node()
    for value in output.all_input_nodes:
        if "dequantize_per_tensor" in str(value.target) and len(value.users) > 1:
            with graph.graph.inserting_after(value):
                output.replace_input_with(value, graph.graph.node_copy(value))
    graph.recompile()
    return graph


def _module_of(node: Node) -> str:
    """The innermost module that an operator is in; "" of weights and of what is in none."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return own_path(str(stack[-1][0])) if stack else ""


def prove(path: Path, fake: FakeQuantised, calibration: Calibration, observer: str) -> Quantised:
    """Compare a program with the model that it was lowered from."""
    from seaformer.runtime.executorch import open_session

    session = open_session(path)

    def answers(image: Array) -> list[Array]:
        with torch.no_grad():
            outputs = fake.graph(torch.from_numpy(image))
        several = outputs if isinstance(outputs, tuple) else (outputs,)
        return [output.numpy() for output in several]

    check = require_fake(
        path.name,
        lambda image: session.run([image], FORWARD),
        answers,
        calibration.arrays(raw=True),
    )
    scheme = SCHEMES[fake.cpu]
    note = f"int8: {scheme}, for {fake.cpu}{kept_note(fake.kept)}"
    made = calibration.described(observer, fake.cpu, scheme, fake.kept, fake.sensitivity)
    made = replace(made, noise=fake.noise)
    return Quantised(made, (note, *search_note(fake.sensitivity)), check)


def _config(observer: str) -> QuantizationConfig:
    """XNNPACK's, with our observer of activations in place of its own."""
    usual = get_symmetric_quantization_config(is_per_channel=True)
    activation = QuantizationSpec(
        dtype=torch.int8,
        quant_min=-128,
        quant_max=127,
        qscheme=torch.per_tensor_affine,
        is_dynamic=False,
        observer_or_fake_quant_ctr=RangeObserver.with_args(rule=observer),
    )
    return QuantizationConfig(activation, activation, usual.weight, usual.bias, False)


def pays(node: Node) -> bool:
    """Whether a 1x1 convolution, or a ReLU behind one, executes less in integers than in half."""
    if node.target in _RELUS and isinstance(node.args[0], Node):
        node = node.args[0]
    if node.target not in _CONVOLUTIONS:
        return False
    weight: Any = node.args[1]
    outputs, inputs, *kernel = (int(size) for size in weight.meta["val"].shape)
    groups: Any = node.args[6] if len(node.args) > 6 else 1
    saves: bool = _SAVED * inputs * outputs > _ROUNDED * inputs + _SCALED_BACK * outputs
    return set(kernel) == {1} and bool(groups == 1) and saves


def _annotate_reader(node: Node, config: Any) -> None:
    """The image is rounded for an operator that takes it in float."""
    images = [each for each in node.all_input_nodes if each.op == "placeholder"]
    if node.op == "call_function" and images:
        node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(
            input_qspec_map=dict.fromkeys(images, config.input_activation), _annotated=True
        )


def _clamps_alone(node: Node) -> bool:
    """Whether a clamp is the only reader of a convolution."""
    source = node.args[0]
    return isinstance(source, Node) and source.target in _CONVOLUTIONS and len(source.users) == 1


def _annotate(clamp: Node, config: Any) -> None:
    convolution: Any = clamp.args[0]
    inputs = {convolution.args[0]: config.input_activation, convolution.args[1]: config.weight}
    if len(convolution.args) > 2 and isinstance(convolution.args[2], Node):
        inputs[convolution.args[2]] = config.bias
    convolution.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(
        input_qspec_map=inputs, _annotated=True
    )
    clamp.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(
        output_qspec=config.output_activation, _annotated=True
    )
