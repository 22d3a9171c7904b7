"""SegFormer checkpoints of other layouts under the official names.

Hugging Face has two sets of names (files on the hub, and modules of transformers 5 in memory) and
keys and values apart; mmsegmentation numbers its modules, keeps q, k and v in one matrix and writes
linear layers of the feed-forward network as 1x1 convolutions. What official files hold without
using it (``conv_seg`` of the base class) is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from seaformer.models import _paddlevit
from seaformer.models._checkpoints.layout import Layout, without

State = Mapping[str, Tensor]

_HUB_LAYER = {
    "layer_norm_1": "norm1",
    "layer_norm_2": "norm2",
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
    "attention.self.query": "attn.q",
    "attention.self.key": "attn.k",
    "attention.self.value": "attn.v",
    "attention.self.sr": "attn.sr",
    "attention.self.layer_norm": "attn.norm",
    "attention.output.dense": "attn.proj",
    "attention.q_proj": "attn.q",
    "attention.k_proj": "attn.k",
    "attention.v_proj": "attn.v",
    "attention.o_proj": "attn.proj",
    "attention.sequence_reduction.sequence_reduction": "attn.sr",
    "attention.sequence_reduction.layer_norm": "attn.norm",
    "mlp.dense1": "mlp.fc1",
    "mlp.dense2": "mlp.fc2",
}
_HUB_HEAD = {
    "decode_head.linear_fuse": "decode_head.linear_fuse.conv",
    "decode_head.batch_norm": "decode_head.linear_fuse.bn",
    "decode_head.classifier": "decode_head.linear_pred",
}
_HUB_BLOCK = re.compile(r"segformer\.(?:encoder\.block|stages)\.(\d)\.(?:blocks\.)?(\d+)\.(.+)")
_HUB_STAGE = re.compile(
    r"segformer\.(?:encoder\.)?(?:stages\.)?(?:(patch_embeddings|layer_norm)\.(\d)"
    r"|(\d)\.(patch_embeddings|layer_norm))(?:\.(proj|layer_norm))?"
)
_HUB_LINEAR = re.compile(r"decode_head\.(?:linear_c|linear_projections)\.(\d)\.proj")
_MMSEG_LAYER = {
    "attn.attn.in_proj_": "attn.qkv.",
    "attn.attn.out_proj.": "attn.proj.",
    "ffn.layers.0.": "mlp.fc1.",
    "ffn.layers.1.": "mlp.dwconv.dwconv.",
    "ffn.layers.4.": "mlp.fc2.",
}


def official_state(state: State) -> Layout:
    """The same weights under the official names; a file that has these already is left alone."""
    if _paddlevit.is_segformer(state):
        return _paddlevit.segformer_state(state)
    if any(key.startswith("segformer.") for key in state):
        return Layout(_joined({_from_hub(key): v for key, v in state.items()}), "Hugging Face")
    if any(key.startswith("backbone.layers.0.0.projection") for key in state):
        return Layout(_split(state), "mmsegmentation")
    official = "decode_head.linear_pred.weight" in state  # mmsegmentation's head uses conv_seg
    return without(state, {key for key in state if official and ".conv_seg." in key})


def _from_hub(key: str) -> str:
    """One name of Hugging Face's, translated; a name that is none stays as it is."""
    name, _, leaf = key.rpartition(".")
    if block := _HUB_BLOCK.fullmatch(name):
        stage, layer, part = block.groups()
        return f"backbone.block{int(stage) + 1}.{layer}.{_HUB_LAYER.get(part, part)}.{leaf}"
    if edge := _HUB_STAGE.fullmatch(name):
        part, number = edge[1] or edge[4], int(edge[2] or edge[3]) + 1
        if part == "layer_norm":
            return f"backbone.norm{number}.{leaf}"
        return f"backbone.patch_embed{number}.{'proj' if edge[5] == 'proj' else 'norm'}.{leaf}"
    if linear := _HUB_LINEAR.fullmatch(name):
        return f"decode_head.linear_c{int(linear[1]) + 1}.proj.{leaf}"
    return f"{_HUB_HEAD.get(name, name)}.{leaf}"


def _joined(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Keys and values in one matrix, keys first."""
    joined = {}
    for key, value in state.items():
        if ".attn.k." in key:
            partner = state.get(key.replace(".attn.k.", ".attn.v."))
            if partner is not None and partner.shape == value.shape:
                joined[key.replace(".attn.k.", ".attn.kv.")] = torch.cat([value, partner])
                continue
        if ".attn.v." not in key or key.replace(".attn.v.", ".attn.k.") not in state:
            joined[key] = value
    return joined


def _split(state: State) -> dict[str, Tensor]:
    """mmsegmentation's: stages are lists of (embedding, layers, norm)."""
    official: dict[str, Tensor] = {}
    for key, value in state.items():
        name = re.sub(r"backbone\.layers\.(\d)\.", lambda m: f"backbone.{int(m[1]) + 1}|", key)
        stage, _, rest = name.removeprefix("backbone.").partition("|")
        if not rest:
            official[key] = value
        elif rest.startswith("0."):
            part = rest.removeprefix("0.").replace("projection.", "proj.")
            official[f"backbone.patch_embed{stage}.{part}"] = value
        elif rest.startswith("2."):
            official[f"backbone.norm{stage}.{rest.removeprefix('2.')}"] = value
        else:
            _add_layer(official, f"backbone.block{stage}", rest.removeprefix("1."), value)
    return official


def _add_layer(official: dict[str, Tensor], block: str, rest: str, value: Tensor) -> None:
    number, _, part = rest.partition(".")
    for theirs, ours in _MMSEG_LAYER.items():
        part = part.replace(theirs, ours)
    key = f"{block}.{number}.{part}"
    if ".qkv." in key and value.shape[0] % 3 == 0:
        width = value.shape[0] // 3
        official[key.replace(".qkv.", ".q.")] = value[:width]
        official[key.replace(".qkv.", ".kv.")] = value[width:]
    elif ".mlp.fc" in key and value.dim() == 4:
        official[key] = value.flatten(1)
    else:
        official[key] = value
