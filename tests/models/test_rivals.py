"""The rivals: their costs, their checkpoints in every layout, what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.agreement import images
from seaformer.core.errors import ShapeError, UsageError, WeightsMismatch
from seaformer.core.spec import ModelSpec
from seaformer.models import FAMILIES, _complexity, create_model, model_spec
from seaformer.models.segformer import SegFormer
from seaformer.models.setr import PositionedTokens
from seaformer.models.topformer import TopFormer
from tests import requirements

State = dict[str, Tensor]
# Parameters and multiply-accumulates (G) of the official implementations, counted with them.
OFFICIAL = {
    "topformer_t.ade20k": (1_389_654, 0.534),
    "topformer_t.ade20k_448": (1_389_654, 0.408),
    "topformer_s.ade20k": (3_034_662, 1.112),
    "topformer_b.ade20k": (5_062_646, 1.752),
    "segformer_b0.ade20k": (3_752_694, 8.388),
    "segformer_b1.ade20k": (13_715_798, 15.878),
    "segformer_b2.ade20k": (27_461_974, 62.338),
    "segformer_b3.ade20k": (47_337_814, 78.963),
    "segformer_b4.ade20k": (64_108_374, 95.568),
    "segformer_b5.ade20k_640": (84_708_694, 183.141),
    "setr_naive_l.ade20k": (304_450_710, 362.9),
    "setr_pup_l.ade20k": (308_318_870, 425.2),
}
TORCHVISION = {  # as its documentation prints them
    ("mobilenetv3_l.imagenet", 1000): 5_483_032,
    ("mobilenetv3_s.imagenet", 1000): 2_542_856,
    ("mobilenetv3_l.ade20k", 21): 3_221_538,
}


def on_meta(name: str, **changes: Any) -> tuple[nn.Module, ModelSpec]:
    spec = model_spec(name, **changes)
    with torch.device("meta"):
        return FAMILIES.load(spec.family).build(spec).eval(), spec


@pytest.mark.parametrize("name", OFFICIAL)
def test_parameters_and_macs_are_the_official_models(name: str) -> None:
    network, spec = on_meta(name)
    params, macs_g = OFFICIAL[name]
    assert _complexity.parameters(network) == params
    assert _complexity.macs(network, spec.input_shape) / 1e9 == pytest.approx(macs_g, rel=1e-3)


@pytest.mark.parametrize(("name", "classes"), TORCHVISION)
def test_mobilenetv3_has_the_parameters_of_torchvisions(name: str, classes: int) -> None:
    network, _ = on_meta(name, classes=classes)
    assert _complexity.parameters(network) == TORCHVISION[name, classes]


def test_lr_aspp_computes_what_torchvisions_head_computes() -> None:
    """Its layers one after the other; the backbone's norms have 1e-3, the head's PyTorch's 1e-5."""
    head = create_model("mobilenetv3_s", classes=21).get_submodule("head")
    low, high = torch.randn(1, 24, 8, 12), torch.randn(1, 576, 4, 6)
    w = head.state_dict()
    with torch.no_grad():
        w["project.bn.running_var"].fill_(0.01)  # where an epsilon is seen
        x = F.conv2d(high, w["project.conv.weight"])
        norm = (w[f"project.bn.{end}"] for end in ("running_mean", "running_var", "weight", "bias"))
        x = F.relu(F.batch_norm(x, *norm))
        x = x * torch.sigmoid(F.conv2d(F.adaptive_avg_pool2d(high, 1), w["gate.weight"]))
        x = F.interpolate(x, size=(8, 12), mode="bilinear", align_corners=False)
        expected = F.conv2d(low, w["classify.low.weight"], w["classify.low.bias"])
        expected = expected + F.conv2d(x, w["classify.high.weight"], w["classify.high.bias"])
        torch.testing.assert_close(head(low, high), expected)
    backbone = create_model("mobilenetv3_s").get_submodule("backbone")
    assert {m.eps for m in backbone.modules() if isinstance(m, nn.BatchNorm2d)} == {1e-3}


# How near table 13 the light head comes: 0.626 G for 0.64, 1.194 for 1.19, 1.858 for 1.85.
LIGHT = {"t": 0.025, "s": 0.005, "b": 0.005}


@pytest.mark.parametrize("size", LIGHT)
def test_the_light_head_on_topformer_costs_what_table_13_prints_and_the_simple_one_does_not(
    size: str,
) -> None:
    network, spec = on_meta(f"topformer_{size}_light.ade20k")
    simple, _ = on_meta(f"topformer_{size}.ade20k")
    assert spec.paper is not None
    assert spec.paper.flops_g is not None
    near = pytest.approx(spec.paper.flops_g, rel=LIGHT[size])
    assert _complexity.paper_flops(network, spec.input_shape) / 1e9 == near
    assert _complexity.paper_flops(simple, spec.input_shape) / 1e9 != near
    assert round(_complexity.parameters(network) / 1e6, 1) == spec.paper.params_m


FAMILY_NAMES = [
    *("topformer_t.ade20k", "topformer_t_light.ade20k", "segformer_b0.ade20k"),
    *("segformer_b0_mmseg.ade20k", "setr_naive_t.ade20k", "setr_pup_t.ade20k"),
    *("setr_mla_t.ade20k", "mobilenetv3_s.ade20k", "mobilenetv3_s.imagenet"),
    *("mobilenetv2_100.imagenet", "mobilenetv2_laspp.ade20k", "mobilenetv2_lraspp.ade20k"),
    *("mobilenetv2_deeplabv3plus.ade20k", "mobilevit_xxs.imagenet_256"),
    *("mobilevitv2_050.imagenet_256", "efficientnet_b1.imagenet_240"),
]


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_a_seeded_rival_gives_ordinary_numbers_of_the_shape_its_spec_says(name: str) -> None:
    model = create_model(name, size=(64, 128))
    with torch.no_grad():
        out = model(torch.from_numpy(images.photograph("china", 64, 128)))
    assert out.shape == model.spec.output_shape
    assert 0.05 < float(out.std()) < 50
    assert tuple(n for n, _ in model.named_children()) == model.COMPONENTS


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_a_rivals_weights_load_back_under_their_official_names(name: str, tmp_path: Path) -> None:
    first = create_model(name, seed=1)
    names = FAMILIES.load(first.spec.family).official_keys(first)
    assert len(set(names.values())) == len(names)
    state = {names[key]: value for key, value in first.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "w.pth")
    again = create_model(name, checkpoint=tmp_path / "w.pth").state_dict()
    assert all(torch.equal(value, again[key]) for key, value in first.state_dict().items())


# SegFormer's three layouts ---------------------------------------------------------------------


WIDE = {"hidden_sizes": [64, 128, 320, 512]}
HUGGING_FACE: dict[str, dict[str, Any]] = {  # what differs from the library's defaults
    "segformer_b0": {},
    "segformer_b1": WIDE,
    "segformer_b2": WIDE | {"depths": [3, 4, 6, 3], "decoder_hidden_size": 768},
}


def hugging_face(**config: Any) -> nn.Module:
    transformers = requirements.module("transformers", requirements.ZOO)
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


def in_mmsegmentation(network: SegFormer) -> State:
    """The weights as mmsegmentation keeps them, written out here without the reader's tables."""
    found: State = {}
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


# What is refused -------------------------------------------------------------------------------


def refusal(folder: Path, of: str, asked: str, **changes: Any) -> str:
    """What is said to a checkpoint of one model when another is asked for."""
    made = create_model(of, seed=1, **changes)
    names = FAMILIES.load(made.spec.family).official_keys(made)
    torch.save({names[k]: v for k, v in made.state_dict().items()}, folder / "w.pth")
    with pytest.raises(WeightsMismatch) as caught:
        create_model(asked, checkpoint=folder / "w.pth")
    return f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("of", "changes", "asked", "advice"),
    [
        ("topformer_s", {}, "topformer_t", "use --model topformer_s.ade20k."),
        ("topformer_t_light", {}, "topformer_t", "use --model topformer_t_light.ade20k."),
        ("topformer_t", {}, "seaformer_t", "use --model topformer_t.ade20k."),
        ("topformer_t", {"classes": 7}, "topformer_t", "add --classes 7."),
        ("topformer_b.cityscapes", {}, "topformer_b", "--model topformer_b.cityscapes."),
        ("segformer_b1", {}, "segformer_b0", "use --model segformer_b1.ade20k."),
        ("segformer_b0", {"classes": 19}, "segformer_b0", "add --classes 19."),
        ("setr_naive_t", {}, "setr_pup_t", "use --model setr_naive_t.ade20k."),
        ("setr_mla_t", {"classes": 3}, "setr_mla_t", "add --classes 3."),
        ("mobilenetv3_s.imagenet", {}, "mobilenetv3_s", "--model mobilenetv3_s.imagenet."),
        ("mobilenetv3_l", {"classes": 21}, "mobilenetv3_l", "add --classes 21."),
        ("mobilevit_xxs.imagenet_256", {}, "mobilevit_xs.imagenet_256", "mobilevit_xxs.imagenet"),
    ],
)
def test_a_checkpoint_of_another_model_or_task_or_class_count_says_what_to_use(
    of: str, changes: dict[str, Any], asked: str, advice: str, tmp_path: Path
) -> None:
    assert advice in refusal(tmp_path, of, asked, **changes)


@pytest.mark.parametrize(
    ("name", "size", "part"),
    [
        ("topformer_t", (80, 64), "multiples of 32, not 80x64"),
        ("segformer_b0", (48, 64), "multiples of 32, not 48x64"),
        ("setr_naive_t", (72, 64), "multiples of 16, not 72x64"),
        ("mobilevit_xxs.imagenet_256", (96, 64), "multiples of 64, not 96x64"),
        ("mobilevit_xxs.imagenet_256", (32, 32), "64 to 4096"),
    ],
)
def test_a_size_a_family_cannot_take_is_refused_with_its_own_step(
    name: str, size: tuple[int, int], part: str
) -> None:
    with pytest.raises(ShapeError) as caught:
        model_spec(name, size=size)
    assert part in caught.value.message
    assert caught.value.hint


def test_setr_takes_sizes_that_seaformer_does_not() -> None:
    assert model_spec("setr_naive_t", size=(80, 48)).output_shape == (1, 150, 20, 12)


def test_a_library_model_has_no_fields_to_override() -> None:
    with pytest.raises(UsageError, match="no override 'width'"):
        create_model("mobilenetv2_100.imagenet", width=2)


# What is particular to one of them --------------------------------------------------------------


def test_setrs_positions_are_resized_and_the_class_token_keeps_its_own() -> None:
    tokens = PositionedTokens(2, (4, 4), class_token=True)
    ramp = torch.arange(16.0).reshape(4, 4)
    with torch.no_grad():
        tokens.table[0, 0] = 100.0
        tokens.table[0, 1:] = ramp.reshape(16, 1)
        out = tokens(torch.zeros(1, 2, 8, 4))
        same = tokens(torch.zeros(1, 2, 4, 4))
    assert out.shape == (1, 33, 2)
    assert float(out[0, 0, 0]) == 100.0
    assert torch.equal(same[0, 1:, 0], ramp.flatten())
    rows = out[0, 1:, 0].reshape(8, 4)[:, 0]
    torch.testing.assert_close(rows, torch.tensor([0.0, 1, 3, 5, 7, 9, 11, 12]))


def test_setr_of_another_tag_has_a_table_of_that_tags_grid_and_keeps_it_at_another_size() -> None:
    network, _ = on_meta("setr_naive_l.pascal_context", size=(64, 64))
    assert network.get_parameter("encoder.tokens.table").shape == (1, 1 + 30 * 30, 1024)


def test_topformer_pools_to_half_of_the_last_map_rounded_up() -> None:
    model = create_model("topformer_t")
    assert isinstance(model, TopFormer)
    with torch.no_grad():
        maps = model.pyramid(torch.zeros(1, 3, 160, 96))
        assert model.context.pool(*maps).shape == (1, 208, 3, 2)


def test_deeplabv3plus_on_mobilenetv2_costs_what_the_paper_prints() -> None:
    network, spec = on_meta("mobilenetv2_deeplabv3plus.ade20k")
    assert spec.paper is not None
    assert _complexity.parameters(network) / 1e6 == pytest.approx(spec.paper.params_m, rel=0.03)
    macs_g = _complexity.macs(network, spec.input_shape) / 1e9
    assert macs_g == pytest.approx(spec.paper.flops_g, rel=0.02)
