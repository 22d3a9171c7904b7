"""Rivals: checkpoints of another model, and sizes they do not take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from seaformer.core.errors import WeightsMismatch
from seaformer.models import FAMILIES, create_model, model_spec


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
    ("name", "size", "output"),
    [
        ("topformer_t", (80, 64), (1, 150, 10, 8)),
        ("segformer_b0", (67, 101), (1, 150, 17, 26)),
        ("mobilevit_xxs.imagenet_256", (96, 67), (1, 1000)),
        ("mobilevitv2_050.imagenet_256", (96, 67), (1, 1000)),
    ],
)
def test_a_rival_takes_sizes_that_are_not_multiples_of_its_stride(
    name: str, size: tuple[int, int], output: tuple[int, ...]
) -> None:
    network = create_model(name, size=size)
    assert network.spec.output_shape == output
    with torch.no_grad():
        assert network(torch.zeros(1, 3, *size)).shape == output


def test_setr_answers_for_the_image_it_pads() -> None:
    assert model_spec("setr_naive_t", size=(80, 48)).output_shape == (1, 150, 20, 12)
    assert model_spec("setr_naive_t", size=(67, 101)).output_shape == (1, 150, 20, 28)
    network = create_model("setr_naive_t", size=(67, 101))
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 67, 101)).shape == (1, 150, 20, 28)
