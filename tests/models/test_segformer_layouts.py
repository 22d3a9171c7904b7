"""SegFormer's checkpoints in the layouts of Hugging Face and mmsegmentation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seaformer.models import FAMILIES, create_model
from seaformer.models.segformer import SegFormer
from tests import requirements

WIDE = {"hidden_sizes": [64, 128, 320, 512]}

HUGGING_FACE: dict[str, dict[str, Any]] = {  # what differs from the library's defaults
    "segformer_b0": {},
    "segformer_b1": WIDE,
    "segformer_b2": WIDE | {"depths": [3, 4, 6, 3], "decoder_hidden_size": 768},
}


def hugging_face(**config: Any) -> nn.Module:
    transformers = requirements.module("transformers", requirements.DEV)
    made = transformers.SegformerForSemanticSegmentation
    torch.manual_seed(0)
    network = made(made.config_class(num_labels=150, **config)).eval()
    for module in network.modules():  # the library's norms start at one and zero
        if isinstance(module, nn.LayerNorm | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.7, 1.3)
            nn.init.normal_(module.bias, std=0.1)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5)
    assert isinstance(network, nn.Module)
    return network


def on_the_hub(key: str) -> str:
    """What files on the hub call a module of transformers 5 in memory."""
    for stage in range(4):
        prefix = f"segformer.stages.{stage}."
        if not key.startswith(prefix):
            continue
        rest = key.removeprefix(prefix)
        if rest.startswith("patch_embeddings."):
            return f"segformer.encoder.patch_embeddings.{stage}.{rest.partition('.')[2]}"
        if rest.startswith("layer_norm."):
            return f"segformer.encoder.layer_norm.{stage}.{rest.partition('.')[2]}"
        rest = rest.removeprefix("blocks.")
        for memory, hub in {
            "layernorm_before": "layer_norm_1",
            "layernorm_after": "layer_norm_2",
            "attention.q_proj": "attention.self.query",
            "attention.k_proj": "attention.self.key",
            "attention.v_proj": "attention.self.value",
            "attention.o_proj": "attention.output.dense",
            "attention.sequence_reduction.sequence_reduction": "attention.self.sr",
            "attention.sequence_reduction.layer_norm": "attention.self.layer_norm",
            "mlp.fc1": "mlp.dense1",
            "mlp.fc2": "mlp.dense2",
        }.items():
            rest = rest.replace(memory, hub)
        return f"segformer.encoder.block.{stage}.{rest}"
    return key.replace("linear_projections", "linear_c")


@pytest.mark.parametrize("name", HUGGING_FACE)
@pytest.mark.parametrize("rename", [on_the_hub, str], ids=["names on the hub", "names in memory"])
def test_a_segformer_of_hugging_face_loads_and_computes_the_same(
    rename: Callable[[str], str], name: str, tmp_path: Path
) -> None:
    theirs = hugging_face(**HUGGING_FACE[name])
    state = {rename(key): value for key, value in theirs.state_dict().items()}
    torch.save(state, tmp_path / "w.pth")
    model = create_model(name, checkpoint=tmp_path / "w.pth")
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = 1e-5  # the library's, everywhere
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, seen = theirs(image).logits, model(image)
    assert float((seen - expected).abs().max() / expected.std()) < 1e-5


def in_mmsegmentation(network: SegFormer) -> dict[str, Tensor]:
    """The weights as mmsegmentation keeps them, written out here without the reader's tables."""
    found: dict[str, Tensor] = {}
    state = network.state_dict()
    for key in state:
        part = key.split(".")
        if part[0] == "head":
            where = {
                "fuse": "fusion_conv",
                "classify": "conv_seg",
                "project": f"convs.{part[2]}",
            }[part[1]]
            tail = part[3:] if part[1] == "project" else part[2:]
            found[".".join(["decode_head", where, *tail])] = state[key]
            continue
        stage, rest = f"backbone.layers.{part[2]}", part[3:]
        if rest[0] == "layers":
            layer, rest = f"{stage}.1.{rest[1]}", rest[2:]
            leaf = rest[-1]
            if rest[0] in ("norm1", "norm2"):
                found[f"{layer}.{rest[0]}.{leaf}"] = state[key]
            elif rest[1] == "to_q":
                kv = state[key.replace("to_q", "to_kv")]
                found[f"{layer}.attn.attn.in_proj_{leaf}"] = torch.cat([state[key], kv])
            elif rest[1] != "to_kv":
                name = {
                    "project": "attn.attn.out_proj",
                    "reduce": "attn.sr",
                    "norm": "attn.norm",
                    "fc1": "ffn.layers.0",
                    "depthwise": "ffn.layers.1",
                    "fc2": "ffn.layers.4",
                }[rest[1]]
                value = state[key]
                as_conv = rest[1] in ("fc1", "fc2") and leaf == "weight"
                found[f"{layer}.{name}.{leaf}"] = value[:, :, None, None] if as_conv else value
        else:
            name = {"embed": "0.projection", "embed_norm": "0.norm", "norm": "2"}[rest[0]]
            found[f"{stage}.{name}.{rest[-1]}"] = state[key]
    return found


def test_a_segformer_of_mmsegmentation_loads(tmp_path: Path) -> None:
    first = create_model("segformer_b0_mmseg", seed=1)
    assert isinstance(first, SegFormer)
    torch.save({"state_dict": in_mmsegmentation(first)}, tmp_path / "w.pth")
    again = create_model("segformer_b0_mmseg", checkpoint=tmp_path / "w.pth").state_dict()
    assert all(torch.equal(value, again[key]) for key, value in first.state_dict().items())


def test_what_official_segformers_hold_without_using_it_is_left_out(tmp_path: Path) -> None:
    first = create_model("segformer_b0", seed=1)
    names = FAMILIES.load("segformer").official_keys(first)
    state = {names[key]: value for key, value in first.state_dict().items()}
    state |= {"decode_head.conv_seg.weight": torch.zeros(150, 128, 1, 1)}
    torch.save(state, tmp_path / "w.pth")
    create_model("segformer_b0", checkpoint=tmp_path / "w.pth")
