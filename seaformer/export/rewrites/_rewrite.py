"""The same function, written the way the runtimes like it.

A rewrite takes an eager network and the size it will see and returns an equal one; equality is
proved on photographs at every export (``_verify.py``) and per rewrite in the tests.

What is rewritten, and why (executorch 1.5.1, onnxruntime 1.31):

- BatchNorm is folded into the convolution before it.
- Position embeddings are interpolated once, for the size at hand, and become constants.
- q, k and v come from one convolution, so the detail kernel needs no concatenation.
- The scale of attention goes into the weights that make q (and out of the detail kernel's).
- A hard sigmoid behind a convolution becomes a clamp to 0..1, which runtimes fuse with the
  convolution: the sixth and the half go into its weights.
- The squeeze is an average pool: XNNPACK does not take a mean over one axis. Adaptive masks come
  out of the convolution that makes q, k and v, and are applied to all of them at once.
- Attention multiplies 3-D batches: XNNPACK does not take the 4-D product and its expand.
- Which places of a window lie beyond the map's edge is a constant, not counted out at run time.

Together they turn thirteen XNNPACK subgraphs into one. Drop a line when the pin passes a release
that takes the original.
"""

from __future__ import annotations

import copy

import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.precision import BASE, find_precision
from seaformer.export.rewrites import detection as _rewrite_detection
from seaformer.export.rewrites import library as _rewrite_adapted
from seaformer.export.rewrites import mobilenet as _rewrite_mobilenet
from seaformer.export.rewrites import tokens as _rewrite_tokens
from seaformer.export.rewrites import topformer as _rewrite_topformer
from seaformer.export.rewrites._fold import fold_hardsigmoid
from seaformer.export.rewrites._graft import Rule, graft
from seaformer.export.rewrites.attention import (
    FixedPlusAttention,
    FixedQkv,
    FixedSeaAttention,
    FixedWindows,
)
from seaformer.models._attention_kinds import Qkv, Windows
from seaformer.models._blocks import ConvBN, FusionBlock, resized
from seaformer.models._plus_attention import PlusAttention
from seaformer.models._sea_attention import SeaAttention
from seaformer.models._upsampling import GuidedUpsampling


class FoldedFusionBlock(nn.Module):
    """``FusionBlock`` with the hard sigmoid of its gate folded into the convolution."""

    def __init__(self, source: FusionBlock) -> None:
        super().__init__()
        self.gated, self.adds = source.gated, source.adds
        self.local_embedding = source.local_embedding
        gate = source.global_gate.fuse()
        self.gate = fold_hardsigmoid(gate) if self.gated else gate

    def forward(self, local: Tensor, coarse: Tensor) -> Tensor:
        """1 C' H W and 1 C" h w to 1 C H W."""
        gate = self.gate(coarse)  # 1 C h w
        if self.gated:
            gate = F.hardtanh(gate, 0.0, 1.0)
        gate = resized(gate, local)  # 1 C H W
        local = self.local_embedding(local)  # 1 C H W
        y: Tensor = local + gate if self.adds else local * gate  # 1 C H W
        return y


class FoldedUpsampling(nn.Module):
    """``GuidedUpsampling`` with the hard sigmoid of its gate folded into the convolution."""

    def __init__(self, source: GuidedUpsampling) -> None:
        super().__init__()
        self.gate = fold_hardsigmoid(source.gate.fuse())
        self.embed = source.embed
        self.refine = source.refine

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """1 C h w and 1 C' H W to 1 C H W."""
        weights = F.hardtanh(self.gate(guide), 0.0, 1.0)  # 1 C H W
        y: Tensor = self.refine(resized(self.embed(x), guide) * weights)  # 1 C H W
        return y


RULES: dict[type[nn.Module], Rule] = {
    SeaAttention: lambda block, shapes: FixedSeaAttention(block, shapes[0]),
    PlusAttention: lambda block, shapes: FixedPlusAttention(block, shapes[0]),
    Qkv: lambda block, _: FixedQkv(block),
    Windows: lambda block, shapes: FixedWindows(block, shapes[-1]),
    FusionBlock: lambda block, _: FoldedFusionBlock(block),
    GuidedUpsampling: lambda block, _: FoldedUpsampling(block),
}


def rewrite(
    model: nn.Module, image: Tensor, format: str = "executorch", precision: str = BASE.name
) -> nn.Module:
    """An equal copy of ``model`` for inputs of ``image``'s shape (1, 3, H, W); eval mode.

    What only XNNPACK needs is done for ``executorch`` alone.
    """
    network = copy.deepcopy(model).eval()
    steps = [RULES, _rewrite_topformer.RULES, _rewrite_tokens.RULES, _rewrite_mobilenet.RULES]
    steps += _rewrite_adapted.library_rules(network, format)
    if format == "executorch":
        parts = (_rewrite_tokens, _rewrite_detection, _rewrite_mobilenet)
        steps += [part.XNNPACK_RULES for part in parts]
        if find_precision(precision).dtype == "float16":
            steps.append(_rewrite_tokens.XNNPACK_HALF_RULES)
    for rules in steps:
        graft(network, rules, image)
    _fuse(network)
    return network.eval()


def _fuse(network: nn.Module) -> None:
    """Fold every BatchNorm into the convolution before it."""
    found = [(name, part) for name, part in network.named_modules() if isinstance(part, ConvBN)]
    for name, part in found:
        parent, _, attribute = name.rpartition(".")
        setattr(network.get_submodule(parent), attribute, part.fuse())
