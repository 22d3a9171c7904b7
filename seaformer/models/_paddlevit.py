"""PaddleViT's checkpoints (BR-IDL/PaddleViT) of SegFormer and SETR: names, and how to read them.

Paddle keeps linear weights as inputs x outputs and calls a norm's statistics ``_mean`` and
``_variance``. PaddleViT's networks compute other functions than mmsegmentation's, so they are rows
of their own, and these names fit no other row.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from seaformer.models._checkpoints.layout import Layout

State = Mapping[str, Tensor]

NAME = "PaddleViT"
_SEGFORMER_LAYER = {
    "norm1": "norm1",
    "attention.to_q": "attn.q",
    "attention.to_kv": "attn.kv",
    "attention.project": "attn.proj",
    "attention.reduce": "attn.sr",
    "attention.norm": "attn.norm",
    "norm2": "norm2",
    "mlp.fc1": "ffn.fc1",
    "mlp.depthwise": "ffn.pe_conv",
    "mlp.fc2": "ffn.fc2",
}
_SETR_LAYER = {
    "norm1": "attn_norm",
    "attention.to_qkv": "attn.qkv",
    "attention.project": "attn.out",
    "norm2": "mlp_norm",
    "fc1": "mlp.fc1",
    "fc2": "mlp.fc2",
}
_SETR = "encoder.transformer."
_UNUSED = ("aux_decoder", f"{_SETR}embeddings.cls_token")
_BIASED = re.compile(r"(decoder\.)conv_(\d)\.bias")
_MLA_CLASSES = "decoder.cls.weight"
_LEVELS = 4


def is_segformer(state: State) -> bool:
    return any(".ffn.pe_conv." in key for key in state)


def is_setr(state: State) -> bool:
    return any(key.startswith(_SETR) for key in state)


def segformer_state(state: State) -> Layout:
    """As torch keeps them: linear layers of the feed-forward network are 1x1 convolutions there."""
    turned = torch_layout(state)
    flat = {k: v.flatten(1) if ".ffn.fc" in k and v.dim() == 4 else v for k, v in turned.items()}
    return Layout(flat, NAME)


def setr_state(state: State) -> Layout:
    """As torch keeps them, without auxiliary heads and the class token, which has no effect.

    Naive and PUP have a bias in front of a norm, which the norm's mean takes up. MLA's classifier
    reads the shallowest level first, ours the deepest.
    """
    unused = tuple(key for key in state if key.startswith(_UNUSED))
    turned = torch_layout({key: value for key, value in state.items() if key not in unused})
    for key in [key for key in turned if _BIASED.fullmatch(key)]:
        mean = _BIASED.sub(r"\1syncbn_fc_\2.running_mean", key)
        if mean in turned and turned[mean].shape == turned[key].shape:
            turned[mean] = turned[mean].float() - turned.pop(key).float()
    classes = turned.get(_MLA_CLASSES)
    if classes is not None and classes.dim() == 4 and classes.shape[1] % _LEVELS == 0:
        turned[_MLA_CLASSES] = torch.cat(classes.chunk(_LEVELS, dim=1)[::-1], dim=1)
    return Layout(turned, NAME, unused)


def torch_layout(state: State) -> dict[str, Tensor]:
    """Linear weights as outputs x inputs, statistics by torch's names."""
    turned = {}
    for key, value in state.items():
        name = key.replace("._mean", ".running_mean").replace("._variance", ".running_var")
        linear = value.dim() == 2 and key.endswith(".weight")
        turned[name] = value.t().contiguous() if linear else value
    return turned


def segformer_prefixes(depths: tuple[int, ...]) -> Iterator[tuple[str, str]]:
    """Prefixes of our keys and PaddleViT's, for the encoder; ``depths`` are layers per stage."""
    for s, depth in enumerate(depths):
        ours, theirs = f"encoder.stages.{s}", f"backbone.layers.{s}"
        yield f"{ours}.embed", f"{theirs}.0.projection"
        yield f"{ours}.embed_norm", f"{theirs}.0.norm"
        yield f"{ours}.norm", f"{theirs}.2"
        for i, (part, name) in itertools.product(range(depth), _SEGFORMER_LAYER.items()):
            yield f"{ours}.layers.{i}.{part}", f"{theirs}.1.{i}.{name}"


def setr_prefixes(depth: int) -> Iterator[tuple[str, str]]:
    """The same for SETR's encoder."""
    yield "encoder.tokens.table", f"{_SETR}embeddings.position_embeddings"
    yield "encoder.embed", f"{_SETR}embeddings.patch_embeddings"
    for i, (part, name) in itertools.product(range(depth), _SETR_LAYER.items()):
        yield f"encoder.layers.{i}.{part}", f"{_SETR}encoder.layers.{i}.{name}"


def up_prefixes(rounds: int) -> Iterator[tuple[str, str]]:
    """The same for the heads of Naive and PUP."""
    yield "head.norm", "decoder.norm"
    for j in range(rounds):
        yield f"head.up.{j}.conv", f"decoder.conv_{j}"
        yield f"head.up.{j}.bn", f"decoder.syncbn_fc_{j}"
    yield "head.classify", f"decoder.conv_{rounds}"


def mla_prefixes() -> Iterator[tuple[str, str]]:
    """The same for MLA's head, whose first half is in PaddleViT's encoder."""
    for i in range(_LEVELS):
        shallow, deep = i + 2, _LEVELS + 1 - i
        yield f"head.norms.{i}", f"encoder.norm_{i}"
        yield from _conv_bn(f"head.project.{i}", f"encoder.mla.mla_p{shallow}_1x1", 0)
        yield from _conv_bn(f"head.extract.{i}", f"encoder.mla.mla_p{deep}", 0)
        yield from _conv_bn(f"head.first.{i}", f"decoder.head{deep}", 0)
        yield from _conv_bn(f"head.second.{i}", f"decoder.head{deep}", 3)
    yield "head.classify", "decoder.cls"


def _conv_bn(ours: str, theirs: str, first: int) -> Iterator[tuple[str, str]]:
    yield f"{ours}.conv", f"{theirs}.{first}"
    yield f"{ours}.bn", f"{theirs}.{first + 1}"
