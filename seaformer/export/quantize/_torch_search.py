"""A captured graph as what a search measures: its observers round, but for modules in float.

``prepare_pt2e`` put an observer behind each tensor that is to be rounded. Here each becomes a
rounding to the codes of its range which can be left away, so that one graph, calibrated once, is
every fake-quantised model of the search. It rounds what ``XNNPACKQuantizer`` would with a filter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e import ObserverBase
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

from seaformer.export.quantize._kept import is_kept
from seaformer.export.quantize._observers import Array
from seaformer.export.quantize._search import Network

ModuleOf = Callable[[Node], str]


class Rounding(nn.Module):
    """The codes of an observer's range, as floats; ``on`` is whether it rounds."""

    def __init__(self, observer: Any) -> None:
        super().__init__()
        scale, zero = observer.calculate_qparams()
        self.scale, self.zero = scale.float(), zero.to(torch.int32)
        self.ends = (observer.quant_min, observer.quant_max)
        self.axis = observer.ch_axis if hasattr(observer, "ch_axis") else None
        self.on = True

    def forward(self, value: Tensor) -> Tensor:
        if not self.on:
            return value
        if self.axis is None:
            return torch.fake_quantize_per_tensor_affine(
                value, float(self.scale), int(self.zero), *self.ends
            )
        return torch.fake_quantize_per_channel_affine(
            value, self.scale, self.zero, self.axis, *self.ends
        )


def observed_network(
    prepared: GraphModule, images: Iterable[Array], module_of: ModuleOf
) -> Network:
    """A calibrated graph, whose observers are replaced in place."""
    tensors = [torch.from_numpy(image) for image in images]
    roundings = _rounding(prepared)

    def answers(kept: tuple[str, ...], count: int) -> list[Array]:
        for node, rounding in roundings.items():
            rounding.on = _rounds(node, kept, module_of)
        return _first_outputs(prepared, tensors[:count])

    for rounding in roundings.values():
        rounding.on = False
    expected = _first_outputs(prepared, tensors)
    return Network(
        tuple(module_of(node) for node in prepared.graph.nodes if _annotation(node)),
        answers,
        expected,
    )


def _rounding(prepared: GraphModule) -> dict[Node, Rounding]:
    """Observers that have a range, replaced by what rounds to it."""
    roundings = {}
    for node in prepared.graph.nodes:
        observer = getattr(prepared, node.target, None) if node.op == "call_module" else None
        if isinstance(observer, ObserverBase) and hasattr(observer, "quant_min"):
            roundings[node] = Rounding(observer)
            setattr(prepared, node.target, roundings[node])
    return roundings


def _rounds(node: Node, kept: tuple[str, ...], module_of: ModuleOf) -> bool:
    """Whether a tensor is still rounded: for what makes it, or for one that reads it."""
    source: Any = node.args[0]
    made = _annotation(source)
    if made and made.output_qspec is not None and not _in_float(source, kept, module_of):
        return True
    return any(
        source in annotation.input_qspec_map and not _in_float(user, kept, module_of)
        for user in node.users
        if (annotation := _annotation(user))
    )


def _in_float(node: Node, kept: tuple[str, ...], module_of: ModuleOf) -> bool:
    """An operator of a module that is kept, or an activation that is fused with one."""
    if is_kept(module_of(node), kept):
        return True
    annotation, before = _annotation(node), node.args[0] if node.args else None
    if annotation is None or annotation.input_qspec_map or not isinstance(before, Node):
        return False
    return is_kept(module_of(before), kept)


def _annotation(node: Node) -> Any:
    """What the quantizer asked for at an operator; ``None`` at anything else."""
    return node.meta.get(Q_ANNOTATION_KEY) if node.op == "call_function" else None


def _first_outputs(graph: GraphModule, images: Iterable[Tensor]) -> list[Array]:
    with torch.no_grad():
        outputs = [graph(image) for image in images]
    return [(o[0] if isinstance(o, list | tuple) else o).numpy() for o in outputs]
