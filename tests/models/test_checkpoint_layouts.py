"""SETR's layouts, and backbones alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from seaformer.core.errors import UsageError
from seaformer.models import create_model
from tests.models.checkpoints import State, official, refusal, save

EMBED_BIAS = "backbone.patch_embed.projection.bias"
IMAGE = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("decoder", ["naive", "pup", "mla"])
def test_a_setr_without_a_bias_of_its_patches_computes_the_same_as_with_zeros(
    tmp_path: Path, decoder: str
) -> None:
    name = f"setr_{decoder}_t"
    state = official(name)
    zeros = state | {EMBED_BIAS: torch.zeros_like(state[EMBED_BIAS])}
    without = {key: value for key, value in state.items() if key != EMBED_BIAS}
    first = create_model(name, checkpoint=save(tmp_path, zeros, "zeros.pth"))
    second = create_model(name, checkpoint=save(tmp_path, {"state_dict": without}))
    assert second.checkpoint is not None
    assert second.checkpoint.zeros == (EMBED_BIAS,)
    with torch.no_grad():
        assert torch.equal(first(IMAGE), second(IMAGE))


def in_fudan_names(state: State) -> State:
    """mmsegmentation's names as fudan-zvg/SETR has them, written without the reader's table."""
    names = {
        "patch_embed.projection": "patch_embed.proj",
        "layers.": "blocks.",
        "ffn.blocks.0.0": "mlp.fc1",
        "ffn.blocks.1": "mlp.fc2",
        "ln1": "norm1",
        "ln2": "norm2",
        "attn.attn.in_proj_": "attn.qkv.",
        "attn.attn.out_proj": "attn.proj",
        "decode_head.conv_seg": "decode_head.conv_4",
    }
    renamed: State = {}
    for key, value in state.items():
        name = key
        for mmseg, fudan in names.items():
            name = name.replace(mmseg, fudan)
        name = re.sub(r"up_convs\.(\d)\.0\.conv", r"conv_\1", name)
        renamed[re.sub(r"up_convs\.(\d)\.0\.bn", r"syncbn_fc_\1", name)] = value
    return renamed


def test_a_setr_pup_in_its_own_names_loads_with_the_biases_before_its_norms(
    tmp_path: Path,
) -> None:
    state = official("setr_pup_t")
    shifted = in_fudan_names(state)
    for j in range(4):  # a bias in front, and a mean that much higher: the same function
        bias = torch.linspace(-1, 1, 256)
        shifted[f"decode_head.conv_{j}.bias"] = bias
        mean = f"decode_head.syncbn_fc_{j}.running_mean"
        shifted[mean] = shifted[mean] + bias
    shifted["decode_head.conv_seg.weight"] = torch.ones(150, 256, 1, 1)  # the base class's, unused
    shifted["auxiliary_head.0.conv_0.weight"] = torch.ones(3)
    network = create_model("setr_pup_t", checkpoint=save(tmp_path, {"state_dict": shifted}))
    assert network.checkpoint is not None
    assert network.checkpoint.layout == "fudan-zvg/SETR"
    assert network.checkpoint.left_out == {"auxiliary_head": 1, "decode_head.conv_seg": 1}
    expected = create_model("setr_pup_t", checkpoint=save(tmp_path, state))
    for key, value in expected.state_dict().items():
        torch.testing.assert_close(network.state_dict()[key], value, rtol=0, atol=1e-6)


def test_a_setr_naive_in_its_own_names_is_refused_by_that_name(tmp_path: Path) -> None:
    state = {
        key.replace("conv_4", "conv_1"): value
        for key, value in in_fudan_names(official("setr_naive_t")).items()
    }
    reason = refusal(save(tmp_path, state), "setr_naive_t")
    assert "fudan-zvg/SETR names, which setr_naive_t.ade20k does not support" in reason
    assert "Naive head enlarges once" in reason


# Backbones alone ---------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "model."])
def test_a_classifier_fills_the_backbone_and_the_rest_is_listed(
    tmp_path: Path, prefix: str
) -> None:
    state = {f"{prefix}{k}": v for k, v in official("seaformer_t.imagenet").items()}
    path = save(tmp_path, {"state_dict_ema": state})
    network = create_model("seaformer_t", backbone_weights=path, seed=3)
    seeded = create_model("seaformer_t", seed=3).state_dict()
    trained = create_model("seaformer_t.imagenet", seed=1).state_dict()
    for key, value in network.state_dict().items():
        source = trained if key.startswith(("stem.", "context.")) else seeded
        if "num_batches_tracked" not in key:
            assert torch.equal(value, source[key]), key
    checkpoint = network.checkpoint
    assert checkpoint is not None
    assert checkpoint.backbone
    assert set(checkpoint.seeded) == {"spatial", "head"}
    assert list(checkpoint.left_out) == [f"{prefix}linear"]
    assert network.spec.weights == f"seeded:3+backbone-sha256:{checkpoint.sha256}"


def test_an_encoder_of_timm_fills_that_of_setr(tmp_path: Path) -> None:
    state = in_fudan_names(official("setr_naive_t"))
    encoder = {
        key.removeprefix("backbone."): value
        for key, value in state.items()
        if key.startswith("backbone.")
    }
    unused = {"norm.weight": torch.ones(192), "head.weight": torch.ones(1000, 192)}
    path = save(tmp_path, encoder | unused)
    network = create_model("setr_naive_t", backbone_weights=path)
    assert network.checkpoint is not None
    assert network.checkpoint.layout == "timm"
    assert list(network.checkpoint.seeded) == ["head"]
    assert set(network.checkpoint.left_out) == {"norm", "head"}
    assert torch.equal(network.state_dict()["encoder.embed.bias"], encoder["patch_embed.proj.bias"])


def test_a_backbone_of_another_model_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, torch.nn.Linear(3, 4).state_dict())
    reason = refusal(path, checkpoint=None, backbone_weights=path)
    assert "does not fit the backbone of seaformer_t.ade20k: 0 of its 2 keys" in reason


def test_a_checkpoint_and_a_backbone_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="do not go together"):
        create_model("seaformer_t", checkpoint=tmp_path, backbone_weights=tmp_path)
