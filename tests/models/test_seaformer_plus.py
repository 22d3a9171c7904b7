"""SeaFormer++, its students and the ablations: cost beside the paper's, and what each part does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seaformer.core.errors import UsageError, WeightsMismatch
from seaformer.models import create_model, from_variant, list_models, zoo_entry
from seaformer.models._complexity import parameters
from seaformer.models._plus_networks import SeaFormerPlus, SeaFormerStudent
from seaformer.models._squeeze import AdaptiveExpand, AdaptiveSqueeze, PooledSqueeze
from tests.models.test_networks import photograph

# Per cent off the paper's parameters, which are rounded to 0.1M; where it is more than rounding,
# the family's files say why.
PARAMS = {
    **{f"seaformerpp_{s}.ade20k": p for s, p in zip("tsbl", (6.5, 1.5, 0.6, 0.4), strict=True)},
    **{f"seaformerpp_{s}.imagenet": p for s, p in zip("tsbl", (5.5, 1.1, 0.8, 0.8), strict=True)},
    **{f"seaformerpp_{s}_kd.ade20k": p for s, p in zip("tsbl", (2.2, 1.3, 0.5, 0.3), strict=True)},
}
CHANNELS_NOT_SAID = {"conv": 12.5, "local": 7.5, "acmix": 9.5, "mixformer": 11.0}  # table 9
SMALL = ("seaformerpp_t.ade20k", "seaformerpp_t.imagenet", "seaformerpp_t_kd.ade20k")


def run(model: nn.Module, image: Tensor) -> Tensor:
    with torch.no_grad():
        out: Tensor = model(image)
    return out


@pytest.mark.parametrize("name", PARAMS)
def test_parameters_are_the_papers(name: str) -> None:
    entry = zoo_entry(name)
    assert entry.spec.paper is not None
    assert entry.spec.paper.params_m is not None
    assert entry.params / 1e6 == pytest.approx(entry.spec.paper.params_m, rel=PARAMS[name] / 100)


@pytest.mark.parametrize("name", [name for name in PARAMS if "ade20k" in name])
def test_flops_are_the_papers_to_its_rounding(name: str) -> None:
    entry = zoo_entry(name)
    assert entry.spec.paper is not None
    assert entry.paper_flops / 1e9 == pytest.approx(entry.spec.paper.flops_g, abs=0.05)


def test_table_17_counts_are_the_papers() -> None:
    for upsampling, params_m in (("interpolation", 1.7), ("mobilenet", 2.3), ("convolution", 2.7)):
        model = create_model("seaformerpp_t_kd", upsampling=upsampling)
        assert parameters(model) / 1e6 == pytest.approx(params_m, abs=0.05)


@pytest.mark.parametrize("name", list_models("seaformer_*_*.ade20k"))
def test_an_ablation_costs_what_its_line_says(name: str) -> None:
    entry = zoo_entry(name)
    assert entry.spec.paper is not None
    assert entry.spec.paper.metric_value is not None
    if entry.spec.paper.params_m is not None:  # table 11 has accuracies alone
        kind = name.removeprefix("seaformer_t_attention_").removesuffix(".ade20k")
        allowed = CHANNELS_NOT_SAID.get(kind, 5.0) / 100
        assert entry.params / 1e6 == pytest.approx(entry.spec.paper.params_m, rel=allowed)
        assert entry.paper_flops / 1e9 == pytest.approx(entry.spec.paper.flops_g, abs=0.055)


def test_every_table_of_ablations_has_its_rows() -> None:
    tables = [zoo_entry(n).spec.paper for n in list_models("seaformer_*_*.ade20k")]
    counted = [row.table.split("_")[0] for row in tables if row is not None]
    expected = {"table06": 5, "table07": 1, "table09": 6, "table11": 3, "table12": 3, "table13": 3}
    assert {name: counted.count(name) for name in expected} == expected
    assert len(counted) == sum(expected.values())


def test_the_variants_of_the_command_line_are_these() -> None:
    assert from_variant("t++") == "seaformerpp_t.ade20k"
    assert from_variant("L++kd") == "seaformerpp_l_kd.ade20k"
    assert from_variant("s++", "imagenet") == "seaformerpp_s.imagenet"


# What adaptive squeeze and expand are ------------------------------------------------------------


def test_adaptive_squeeze_is_equation_4() -> None:
    heads, width, height, columns = 2, 3, 4, 5
    squeeze = AdaptiveSqueeze(7, heads).eval()
    x = torch.randn(1, 7, height, columns)
    q, k, v = (torch.randn(1, heads * c, height, columns) for c in (width, width, 2 * width))
    (row_q, _, row_v), (column_q, column_k, _) = squeeze(x, q, k, v)
    masks = squeeze.masks(x)[0]  # 6*heads H W
    for head in range(heads):
        own = slice(head * width, (head + 1) * width)
        # q as (H, C, W) times A as (H, W, 1), over W
        expected = q[0, own].permute(1, 0, 2) @ masks[head][:, :, None] / columns
        torch.testing.assert_close(row_q[0, own].T, expected[:, :, 0])
        mask = masks[5 * heads - heads + head]  # columns' k: the fifth of six
        expected = k[0, own].permute(2, 0, 1) @ mask.T[:, :, None] / height
        torch.testing.assert_close(column_k[0, own].T, expected[:, :, 0])
    assert row_v.shape == (1, 4 * width, height)
    assert column_q.shape == (1, 2 * width, columns)


def test_adaptive_expand_weighs_a_row_and_a_column_at_every_place() -> None:
    expand = AdaptiveExpand(7, 2).eval()
    x, rows, columns = torch.randn(1, 7, 4, 5), torch.randn(1, 6, 4, 1), torch.randn(1, 6, 1, 5)
    with torch.no_grad():
        y, masks = expand(x, rows, columns), expand.masks(x)
    assert y.shape == (1, 6, 4, 5)
    expected = rows[0, 4, 2, 0] * masks[0, 1, 2, 3] + columns[0, 4, 0, 3] * masks[0, 3, 2, 3]
    assert float(y[0, 4, 2, 3]) == pytest.approx(float(expected), abs=1e-6)


def test_max_squeeze_takes_the_largest_and_mean_squeeze_the_average() -> None:
    q = torch.randn(1, 4, 3, 5)
    (row, _, _), (column, _, _) = PooledSqueeze("max")(q, q, q, q)
    assert torch.equal(row, q.max(3).values)
    assert torch.equal(column, q.max(2).values)
    (row, _, _), (column, _, _) = PooledSqueeze("mean")(q, q, q, q)
    torch.testing.assert_close(row, q.mean(3))
    torch.testing.assert_close(column, q.mean(2))


def test_with_mean_and_broadcast_it_is_seaformer_weight_for_weight() -> None:
    plain = create_model("seaformer_t", seed=2)
    same = create_model("seaformerpp_t", squeeze="mean", expand="broadcast")
    same.load_state_dict(plain.state_dict(), strict=True)
    image = photograph(128, 160)
    torch.testing.assert_close(run(same, image), run(plain, image))


@pytest.mark.parametrize("mask", ["head", "one"])
def test_masks_of_ones_are_the_mean_and_the_broadcast(mask: str) -> None:
    plain = create_model("seaformer_t", seed=2)
    adaptive = create_model("seaformerpp_t", mask=mask)
    missing, unexpected = adaptive.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected
    assert all(".squeeze." in key or ".expand." in key for key in missing)
    for module in adaptive.modules():
        if isinstance(module, AdaptiveSqueeze | AdaptiveExpand):
            nn.init.zeros_(module.masks.bn.weight)
            nn.init.ones_(module.masks.bn.bias)
    image = photograph(128, 160)
    torch.testing.assert_close(run(adaptive, image), run(plain, image), rtol=1e-4, atol=1e-4)


# Alive branches ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *SMALL,
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in [*PARAMS, *list_models("seaformer_*_*.ade20k")]
            if name not in SMALL
        ),
    ],
)
def test_every_parameter_has_an_effect(name: str) -> None:
    model = create_model(name)
    model(photograph(256, 256)).square().sum().backward()
    dead = [
        key
        for key, parameter in model.named_parameters()
        if parameter.grad is None or not bool(parameter.grad.abs().max() > 0)
    ]
    assert not dead


@pytest.mark.parametrize("branch", ["squeeze.masks.bn", "expand.masks.bn", "rows.encode.bn"])
def test_switching_off_one_branch_of_any_layer_changes_the_output(branch: str) -> None:
    model = create_model("seaformerpp_t")
    image = photograph(256, 256)
    before = run(model, image)
    norms = [m for key, m in model.named_modules() if key.endswith(branch)]
    assert len(norms) == 4
    for norm in norms:
        kept = [p.detach().clone() for p in norm.parameters()]
        for parameter in norm.parameters():
            nn.init.zeros_(parameter)
        assert float((run(model, image) - before).abs().max() / before.std()) > 1e-3
        with torch.no_grad():
            for parameter, value in zip(norm.parameters(), kept, strict=True):
                parameter.copy_(value)


CHOICES: list[dict[str, Any]] = [
    {"mask": "one"},
    {"squeeze": "mean"},
    {"squeeze": "max", "expand": "broadcast"},
    {"branches": "axial"},
    {"branches": "detail"},
    {"enhance_input": "conv"},
    {"enhance_mode": "add"},
    {"position_bias": False},
    {"fusion": "add"},
    {"head": "simple"},
    {"attention": "local"},
    {"attention": "global"},
    {"attention": "acmix"},
]


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_every_choice_is_another_function_of_any_size(choice: dict[str, Any]) -> None:
    image = photograph(96, 160)
    model = create_model("seaformerpp_t", **choice)
    assert model.spec.paper is None
    out = run(model, image)
    assert out.shape == (1, 150, 12, 20)
    other = run(create_model("seaformerpp_t"), image)
    assert float((out - other).abs().max()) > 1e-3


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        ({"squeeze": "median"}, "squeeze cannot be 'median'. Known: adaptive, mean, max"),
        ({"attention": "swin"}, "mixformer"),
        ({"fusion": "concat"}, "sigmoid_multiply"),
        ({"position_bias": 1}, "position_bias cannot be 1"),
        ({"squeezes": "max"}, "squeeze"),
    ],
)
def test_a_choice_that_is_not_there_is_named(wrong: dict[str, Any], part: str) -> None:
    with pytest.raises(UsageError) as caught:
        create_model("seaformerpp_t", **wrong)
    assert part in f"{caught.value} {caught.value.hint}"


# Students ----------------------------------------------------------------------------------------


def test_a_student_sees_half_the_image_and_answers_at_its_teachers_resolution() -> None:
    teacher, student = create_model("seaformerpp_t"), create_model("seaformerpp_t_kd")
    assert isinstance(teacher, SeaFormerPlus)
    assert isinstance(student, SeaFormerStudent)
    image = photograph(128, 192)
    with torch.no_grad():
        x8, x16 = student.stem(image)
        stages = student.context(x16)
        aligned = student.upsampling(x8, x16, *stages)
        local = teacher.stem(image)
        wanted = (local, *teacher.context(local))
    assert [tuple(s.shape[2:]) for s in stages] == [(4, 6), (2, 3), (1, 2)]
    assert [a.shape for a in aligned] == [w.shape for w in wanted]
    assert run(student, image).shape == run(teacher, image).shape


def test_an_image_averaged_over_squares_is_the_same_to_a_student() -> None:
    student = create_model("seaformerpp_t_kd")
    image = photograph(64, 96)
    blurred = nn.functional.avg_pool2d(image, 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(run(student, blurred), run(student, image))


@pytest.mark.parametrize("upsampling", ["mobilenet", "convolution", "interpolation"])
def test_a_student_takes_any_size_and_rounds_up(upsampling: str) -> None:
    student = create_model("seaformerpp_t_kd", upsampling=upsampling)
    for height, width in ((65, 97), (33, 200), (32, 32)):
        out = run(student, torch.zeros(2, 3, height, width))
        assert out.shape == (2, 150, -(-height // 8), -(-width // 8))


# Checkpoints -------------------------------------------------------------------------------------


def saved(folder: Path, name: str, **overrides: Any) -> Path:
    torch.save(create_model(name, seed=1, **overrides).state_dict(), folder / "w.pth")
    return folder / "w.pth"


@pytest.mark.parametrize("name", [*SMALL, "seaformer_t_attention_acmix.ade20k"])
def test_a_checkpoint_with_our_names_loads(tmp_path: Path, name: str) -> None:
    loaded = create_model(name, checkpoint=saved(tmp_path, name)).state_dict()
    expected = create_model(name, seed=1).state_dict()
    assert all(torch.equal(loaded[key], expected[key]) for key in expected)


@pytest.mark.parametrize(
    ("given", "wanted", "advice"),
    [
        ("seaformerpp_s.ade20k", "seaformerpp_t.ade20k", "--variant s++"),
        ("seaformerpp_t_kd.ade20k", "seaformerpp_t.ade20k", "--variant t++kd"),
        ("seaformer_t.ade20k", "seaformerpp_t.ade20k", "--variant t."),
        ("seaformerpp_t.imagenet", "seaformerpp_t.ade20k", "seaformerpp_t.imagenet"),
    ],
)
def test_a_neighbours_checkpoint_is_recognised(
    tmp_path: Path, given: str, wanted: str, advice: str
) -> None:
    with pytest.raises(WeightsMismatch) as caught:
        create_model(wanted, checkpoint=saved(tmp_path, given))
    assert advice in caught.value.hint


def test_another_number_of_classes_is_recognised(tmp_path: Path) -> None:
    path = saved(tmp_path, "seaformerpp_t_kd", classes=7)
    with pytest.raises(WeightsMismatch) as caught:
        create_model("seaformerpp_t_kd", checkpoint=path)
    assert "--classes 7" in caught.value.hint
