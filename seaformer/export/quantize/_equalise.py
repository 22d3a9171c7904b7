"""Cross-layer equalisation: channels of one tensor on one scale, and the same function.

Between a convolution and the next one with a ReLU in between, any channel can be divided by a
positive number and the weights that read it multiplied by the same: exact in real numbers, because
ReLU(a x) = a ReLU(x). A tensor has one scale for its codes, so a channel whose values are a
hundredth of the widest one's is coded in two bits; weights have a scale for each output channel.

A depthwise convolution takes any factor into its own scales, so its input becomes level; where the
reader is a dense one, whose scale spans its input channels, half of the factor is taken
(in logarithms). Published as data-free equalisation by Nagel et al. (2019); here the ranges are
those of the calibration images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node

from seaformer.core.quantization import ChannelSpread
from seaformer.export._raw_input import own_path
from seaformer.export.quantize._observers import Array

_ATEN = torch.ops.aten
_CONVOLUTION, _RELUS = _ATEN.conv2d.default, (_ATEN.relu.default, _ATEN.relu_.default)
_SHOWN = 4  # tensors in a note; the manifest has all
_LEAST = 2.0**-12  # of the widest channel: below, a channel is as good as silent


@dataclass(frozen=True)
class _Pair:
    """Two convolutions with a ReLU between them; weights and biases are names of parameters."""

    relu: str
    weight: str
    bias: str
    reader: str
    depthwise: bool


def equalise(network: nn.Module, images: Sequence[Array]) -> tuple[ChannelSpread, ...]:
    """Change the weights of a network in place; the answer is what it did to each tensor."""
    try:
        program = torch.export.export(network, (torch.from_numpy(images[0]),))
    except (RuntimeError, ValueError, TypeError, AssertionError):
        return ()  # what cannot be captured is exported as it is
    pairs = _pairs(program)
    graph = program.module()
    before = _channel_peaks(graph, pairs, images)
    parameters = dict(network.named_parameters())
    factors: dict[str, Tensor] = {}
    with torch.no_grad():
        for pair in pairs:
            # The pair before may have changed what this tensor gets, but never its own channels.
            factor = _factor(before[pair.relu], parameters[pair.reader], pair.depthwise)
            _scale(parameters, pair, factor)
            factors[pair.relu] = factor
    return tuple(
        ChannelSpread(
            own_path(pair.weight.rpartition(".")[0]),
            _spread(before[pair.relu]),
            _spread(before[pair.relu] / factors[pair.relu]),
        )
        for pair in pairs
    )


def channel_notes(spreads: Sequence[ChannelSpread]) -> tuple[str, ...]:
    """One note: how many tensors, and the widest of them."""
    if not spreads:
        return ()
    widest = sorted(spreads, key=lambda each: -each.before)[:_SHOWN]
    shown = ", ".join(f"{s.module} {s.before:.1f} -> {s.after:.1f}" for s in widest)
    return (f"channels of {len(spreads)} tensors equalised; the widest over the median: {shown}",)


def _pairs(program: Any) -> list[_Pair]:
    names = program.graph_signature.inputs_to_parameters
    nodes = [node for node in program.graph.nodes if node.target is _CONVOLUTION]
    uses = Counter(names.get(arg.name) for node in nodes for arg in _weights(node))
    pairs = []
    for node in nodes:
        relu = node.args[0]
        if relu.target not in _RELUS or len(relu.users) != 1:
            continue
        source = relu.args[0]
        if source.target is not _CONVOLUTION or len(source.users) != 1:
            continue
        parts = [names.get(arg.name, "") for arg in (*_weights(source), node.args[1])]
        groups = node.args[6] if len(node.args) > 6 else 1
        channels = int(relu.meta["val"].shape[1])
        if len(parts) != 3 or not all(uses[name] == 1 for name in parts) or "" in parts:
            continue
        if groups in (1, channels):
            weight, bias, reader = parts
            pairs.append(_Pair(relu.name, weight, bias, reader, groups == channels > 1))
    return pairs


def _weights(node: Node) -> list[Any]:
    """Weight and bias of a convolution."""
    return [arg for arg in node.args[1:3] if isinstance(arg, Node)]


def _channel_peaks(
    graph: Any, pairs: Sequence[_Pair], images: Sequence[Array]
) -> dict[str, Tensor]:
    """The greatest value of each channel behind each ReLU, over all images."""
    relus = {pair.relu for pair in pairs}
    peaks: dict[str, Tensor] = {}

    class _Watch(torch.fx.Interpreter):
        def run_node(self, n: Node) -> Any:
            value = super().run_node(n)
            if n.name in relus:
                peak = value.amax(dim=(0, 2, 3))  # C
                peaks[n.name] = torch.maximum(peaks.get(n.name, peak), peak)
            return value

    watch = _Watch(graph)
    with torch.no_grad():
        for image in images:
            watch.run(torch.from_numpy(image))
    return peaks


def _factor(peak: Tensor, reader: Tensor, depthwise: bool) -> Tensor:
    """What each channel is divided by: 1 for the widest."""
    level = (peak / peak.max().clamp(min=1e-30)).clamp(min=_LEAST)  # C
    if depthwise:
        return level
    size = reader.abs().amax(dim=(0, 2, 3))  # of the weights that read each channel
    weight = (size / size.max().clamp(min=1e-30)).clamp(min=_LEAST)
    factor = (level / weight).sqrt()
    return factor / factor.max()


def _scale(parameters: dict[str, nn.Parameter], pair: _Pair, factor: Tensor) -> None:
    parameters[pair.weight].div_(factor.reshape(-1, 1, 1, 1))
    parameters[pair.bias].div_(factor)
    shape = (-1, 1, 1, 1) if pair.depthwise else (1, -1, 1, 1)
    parameters[pair.reader].mul_(factor.reshape(shape))


def _spread(peak: Tensor) -> float:
    heard = peak[peak > peak.max() * _LEAST]
    return float(peak.max() / heard.median()) if heard.numel() else 1.0
