"""SETR checkpoints of other layouts under mmsegmentation's names.

mmsegmentation's patch embedding has a bias or, by default, none: zeros compute the same. Its MLA
files hold a class token that nothing uses. The names of fudan-zvg/SETR are timm's for the encoder,
and its convolutions have a bias before their norm, which the norm's mean takes up. Of its heads
only PUP computes what mmsegmentation's does. timm's encoder alone (ImageNet) has the same names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from seaformer.models import _paddlevit
from seaformer.models._checkpoints.layout import Layout, without

State = Mapping[str, Tensor]

_EMBED = "backbone.patch_embed.projection"
_OWN_EMBED = "backbone.patch_embed.proj.weight"
_OWN = "fudan-zvg/SETR"
_OWN_NAMES = {
    r"backbone\.patch_embed\.proj\.": "backbone.patch_embed.projection.",
    r"backbone\.blocks\.(\d+)\.": r"backbone.layers.\1.",
    r"\.norm1\.": ".ln1.",
    r"\.norm2\.": ".ln2.",
    r"\.attn\.qkv\.": ".attn.attn.in_proj_",
    r"\.attn\.proj\.": ".attn.attn.out_proj.",
    r"\.mlp\.fc1\.": ".ffn.layers.0.0.",
    r"\.mlp\.fc2\.": ".ffn.layers.1.",
    r"^decode_head\.conv_4\.": "decode_head.conv_seg.",
    r"^decode_head\.conv_(\d)\.": r"decode_head.up_convs.\1.0.conv.",
    r"^decode_head\.syncbn_fc_(\d)\.": r"decode_head.up_convs.\1.0.bn.",
}
_CONV_BIAS = re.compile(r"(decode_head\.up_convs\.\d\.0\.)conv\.bias")
_HEADS = (
    "Its Naive head enlarges once, behind the classifier, and its MLA head ends with a 3x3 "
    "convolution: mmsegmentation's, which setr_naive and setr_mla are, compute other functions."
)


def official_state(state: State) -> Layout:
    """The same weights under mmsegmentation's names."""
    if _paddlevit.is_setr(state):
        return _paddlevit.setr_state(state)
    if _OWN_EMBED in state:
        return _from_own(state)
    aggregated = any(key.startswith("neck.mla.") for key in state)
    layout = without(state, {"backbone.cls_token"} if aggregated else set(), "mmsegmentation")
    if f"{_EMBED}.weight" not in state or f"{_EMBED}.bias" in state:
        return layout
    bias = torch.zeros_like(state[f"{_EMBED}.weight"][:, 0, 0, 0], dtype=torch.float32)
    complete = {**layout.state, f"{_EMBED}.bias": bias}
    return Layout(complete, layout.name, layout.left_out, zeros=(f"{_EMBED}.bias",))


def _from_own(state: State) -> Layout:
    heads = [key for key in state if key.startswith("decode_head.")]
    if heads and "decode_head.conv_4.weight" not in state:
        return Layout(state, _OWN, unsupported=_HEADS)
    unused = {key for key in state if key.startswith("decode_head.conv_seg.")}  # the base class's
    renamed = {_renamed(key): value for key, value in state.items() if key not in unused}
    biases = {match[1]: value for key, value in renamed.items() if (match := _match(key))}
    official = {key: value for key, value in renamed.items() if not _match(key)}
    for place, bias in biases.items():
        mean = f"{place}bn.running_mean"
        if mean in official and official[mean].shape == bias.shape:
            official[mean] = official[mean].float() - bias.float()
    return Layout(official, _OWN if heads else "timm", tuple(sorted(unused)))


def _renamed(key: str) -> str:
    for pattern, name in _OWN_NAMES.items():
        key = re.sub(pattern, name, key)
    return key


def _match(key: str) -> re.Match[str] | None:
    return _CONV_BIAS.fullmatch(key)
