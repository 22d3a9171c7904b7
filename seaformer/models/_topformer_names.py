"""What official TopFormer checkpoints call the parts of ``topformer.py``, prefix by prefix."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sized
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seaformer.models.topformer import TopFormer

_LAYER = {
    "attention.to_q": "attn.to_q",
    "attention.to_k": "attn.to_k",
    "attention.to_v": "attn.to_v",
    "attention.project": "attn.proj.1",
    "mlp.fc1": "mlp.fc1",
    "mlp.depthwise": "mlp.dwconv",
    "mlp.fc2": "mlp.fc2",
}
_INJECTION = {
    "local_embedding": "local_embedding",
    "global_embedding": "global_embedding",
    "global_gate": "global_act",
}


def backbone_prefixes(network: TopFormer) -> Iterator[tuple[str, str]]:
    """Our prefixes and the official ones, without the ``backbone.`` in front of all."""
    yield "pyramid.stem", "tpm.stem.0"
    number = itertools.count(1)
    for s, scale in enumerate(network.pyramid.scales):
        for i, block in enumerate(scale.children()):
            layer = f"tpm.layer{next(number)}"
            for j, (part, _) in enumerate(block.named_children()):  # [expand,] depthwise, project
                yield f"pyramid.scales.{s}.{i}.{part}", f"{layer}.conv.{2 * j}"
    for i, (ours, theirs) in itertools.product(range(len(network.context.layers)), _LAYER.items()):
        yield f"context.layers.{i}.{ours}", f"trans.transformer_blocks.{i}.{theirs}"


def other_prefixes(network: TopFormer) -> Iterator[tuple[str, str]]:
    """The same for what is behind the backbone."""
    for i in range(len(network.injection.blocks)):  # SIM.0 is empty: nothing goes into 1/4
        for ours, theirs in _INJECTION.items():
            yield f"injection.blocks.{i}.{ours}", f"backbone.SIM.{i + 1}.{theirs}"
    fusion: Sized = getattr(network.head, "fusion", ())  # the light head's
    for i in range(len(fusion)):
        official = f"decode_head.fuse{i + 1}"
        yield f"head.fusion.{i}.local_embedding", f"{official}.local_embedding"
        yield f"head.fusion.{i}.global_gate", f"{official}.global_act"
    yield "head.fuse", "decode_head.linear_fuse"
    yield "head.classify", "decode_head.conv_seg"
