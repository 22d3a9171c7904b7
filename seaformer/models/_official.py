"""Names of weights in official checkpoints of fudan-zvg/SeaFormer: the stem and context branch.

Segmentation files put ``backbone.`` before them, classification files nothing. A convolution with
its norm is ``.c`` and ``.bn`` there; heads are renamed by their own family.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from torch import nn

from seaformer.models._backbone import ContextBranch, ContextStage, Stem

LAYER = {
    "attention.to_q": "attn.to_q",
    "attention.to_k": "attn.to_k",
    "attention.to_v": "attn.to_v",
    "attention.rows.q_position.table": "attn.pos_emb_rowq.pos_embed",
    "attention.rows.k_position.table": "attn.pos_emb_rowk.pos_embed",
    "attention.rows.encode": "attn.proj_encode_row.1",
    "attention.columns.q_position.table": "attn.pos_emb_columnq.pos_embed",
    "attention.columns.k_position.table": "attn.pos_emb_columnk.pos_embed",
    "attention.columns.encode": "attn.proj_encode_column.1",
    "attention.project": "attn.proj.1",
    "attention.detail.depthwise": "attn.dwconv",
    "attention.detail.project": "attn.pwconv",
    "mlp.fc1": "mlp.fc1",
    "mlp.depthwise": "mlp.dwconv",
    "mlp.fc2": "mlp.fc2",
}


def backbone_keys(network: nn.Module, prefix: str) -> dict[str, str]:
    """Our key -> the official one, for all of ``network.stem`` and ``network.context``."""
    return renamed(network, {o: prefix + t for o, t in _prefixes(network)}, conv="c")


def renamed(
    network: nn.Module, prefixes: Mapping[str, str], *, conv: str = "conv", bn: str = "bn"
) -> dict[str, str]:
    """Our key -> the file's, for every key of ``network`` that starts with one of ``prefixes``.

    ``conv`` and ``bn`` are what the file calls the convolution and the norm of a ``ConvBN``.
    """
    keys = {}
    for key in network.state_dict():
        ours = next((p for p in prefixes if key == p or key.startswith(p + ".")), None)
        if ours is not None:
            rest = key.removeprefix(ours)
            rest = rest.replace(".conv.", f".{conv}.").replace(".bn.", f".{bn}.")
            keys[key] = prefixes[ours] + rest
    return keys


def _prefixes(network: nn.Module) -> Iterator[tuple[str, str]]:
    stem, context = network.stem, network.context
    assert isinstance(stem, Stem)
    assert isinstance(context, ContextBranch)
    yield "stem.conv", "smb1.stem_block.0"
    yield from _block_prefixes("stem.quarter", "smb1", stem.quarter)
    yield from _block_prefixes("stem.eighth", "smb2", stem.eighth)
    transformers = 0  # counted from the first stage that has layers
    for s, stage in enumerate(context.stages):
        assert isinstance(stage, ContextStage)
        yield from _block_prefixes(f"context.stages.{s}.blocks", f"smb{s + 3}", stage.blocks)
        transformers += bool(stage.layers)
        for i, (ours, theirs) in itertools.product(range(len(stage.layers)), LAYER.items()):
            official = f"trans{transformers}.transformer_blocks.{i}.{theirs}"
            yield f"context.stages.{s}.layers.{i}.{ours}", official


def _block_prefixes(ours: str, theirs: str, blocks: nn.Module) -> Iterator[tuple[str, str]]:
    """The official block is one list with its activations, and starts later without expansion."""
    for i, block in enumerate(blocks.children()):
        for j, (part, _) in enumerate(block.named_children()):  # [expand,] depthwise, project
            yield f"{ours}.{i}.{part}", f"{theirs}.layer{i + 1}.conv.{2 * j}"
