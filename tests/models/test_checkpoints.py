"""Official checkpoints in every layout, and everything that is not one."""

from __future__ import annotations

import argparse
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seaformer.models import create_model
from tests import requirements
from tests.models.checkpoints import State, assert_loads, official, refusal, save


@pytest.fixture(scope="module")
def tiny() -> State:
    return official("seaformer_t.ade20k")


@pytest.fixture(scope="module")
def tiny_cls() -> State:
    return official("seaformer_t.imagenet")


LAYOUTS: dict[str, Callable[[State], object]] = {
    "bare": lambda state: state,
    "mmsegmentation": lambda state: {
        "meta": {"CLASSES": ("wall",), "PALETTE": np.zeros((1, 3), np.uint8), "epoch": 1},
        "state_dict": state,
        "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]},
    },
    "timm": lambda state: {
        "epoch": 3,
        "state_dict": {key: torch.zeros_like(value) for key, value in state.items()},
        "state_dict_ema": state,
        "args": argparse.Namespace(lr=0.064),
        "metric": np.float64(67.9),
    },
    "model": lambda state: {"model": state},
    "parallel": lambda state: {"state_dict": {f"module.{k}": v for k, v in state.items()}},
    "nested": lambda state: {"model": {"state_dict": state}},
    "auxiliary heads": lambda state: (
        state
        | {
            "auxiliary_head.0.conv_seg.bias": torch.zeros(150),
            "decode_head.auxiliary.w": torch.ones(2),
        }
    ),
    "without counters": lambda state: {
        key: value for key, value in state.items() if "num_batches_tracked" not in key
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_official_checkpoint_loads_in_any_layout(
    tmp_path: Path, tiny: State, layout: str
) -> None:
    assert_loads(save(tmp_path, LAYOUTS[layout](tiny)))


def test_a_classification_checkpoint_loads(tmp_path: Path, tiny_cls: State) -> None:
    path = save(tmp_path, {"state_dict_ema": tiny_cls})
    assert_loads(path, "seaformer_t.imagenet")


def test_the_old_file_format_of_torch_loads(tmp_path: Path, tiny: State) -> None:
    assert_loads(save(tmp_path, tiny, _use_new_zipfile_serialization=False))


def test_a_state_dict_of_our_own_model_loads(tmp_path: Path) -> None:
    assert_loads(save(tmp_path, create_model("seaformer_t", seed=1).state_dict()))


def test_safetensors_load(tmp_path: Path, tiny: State) -> None:
    safetensors = requirements.module("safetensors.torch", requirements.ZOO)
    safetensors.save_file(tiny, tmp_path / "w.safetensors")
    assert_loads(tmp_path / "w.safetensors")


def test_a_checkpoint_in_half_precision_loads_as_float32(tmp_path: Path, tiny: State) -> None:
    halves = {key: v.half() if v.is_floating_point() else v for key, v in tiny.items()}
    model = create_model("seaformer_t", checkpoint=save(tmp_path, halves))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_the_counters_of_batchnorm_do_not_matter(tmp_path: Path, tiny: State) -> None:
    counted = {k: torch.tensor(160_000) if "num_batches" in k else v for k, v in tiny.items()}
    assert_loads(save(tmp_path, counted))


def test_a_saved_model_gives_the_same_output_after_loading(tmp_path: Path, tiny: State) -> None:
    image = torch.rand(1, 3, 96, 64)
    model = create_model("seaformer_t", checkpoint=save(tmp_path, tiny))
    assert torch.equal(model(image), create_model("seaformer_t", seed=1)(image))


# What does not fit -----------------------------------------------------------------------------


KEY = "backbone.trans1.transformer_blocks.0.attn.pos_emb_rowq.pos_embed"


def test_a_missing_key_is_named(tmp_path: Path, tiny: State) -> None:
    said = refusal(save(tmp_path, {k: v for k, v in tiny.items() if k != KEY}))
    assert f"1 key is missing ({KEY})" in said
    assert "a checkpoint of seaformer_t that was changed or is incomplete" in said


def test_extra_keys_are_counted_and_the_first_few_named(tmp_path: Path, tiny: State) -> None:
    said = refusal(save(tmp_path, tiny | {f"extra{i}": torch.ones(1) for i in range(5)}))
    assert "5 keys are unexpected (extra0, extra1, extra2, ...)" in said


def test_a_misshapen_key_is_named_with_both_shapes(tmp_path: Path, tiny: State) -> None:
    said = refusal(save(tmp_path, tiny | {KEY: torch.zeros(1, 64, 8)}))
    assert f"1 key is of another shape ({KEY}: expected 1x64x16, got 1x64x8)" in said


def test_numbers_that_are_not_finite_are_named(tmp_path: Path, tiny: State) -> None:
    said = refusal(save(tmp_path, tiny | {KEY: tiny[KEY] * float("nan")}))
    assert KEY in said
    assert "not finite" in said


@pytest.mark.parametrize(
    ("of", "asked", "advice"),
    [
        ("seaformer_s.ade20k", "seaformer_t.ade20k", "seaformer_s: use --variant s."),
        ("seaformer_t.ade20k", "seaformer_l.ade20k", "seaformer_t: use --variant t."),
        ("seaformer_t.imagenet", "seaformer_t.ade20k", "use --model seaformer_t.imagenet."),
        ("seaformer_s.cityscapes", "seaformer_t.cityscapes", "--model seaformer_s.cityscapes."),
        ("seaformer_s.cityscapes", "seaformer_t.ade20k", "--model seaformer_s.cityscapes."),
    ],
)
def test_a_checkpoint_of_another_model_says_which(
    tmp_path: Path, of: str, asked: str, advice: str
) -> None:
    assert advice in refusal(save(tmp_path, official(of)), asked)


def test_a_checkpoint_of_another_model_with_classes_of_its_own_says_both(tmp_path: Path) -> None:
    said = refusal(save(tmp_path, official("seaformer_s", classes=7)))
    assert "seaformer_s: use --variant s --classes 7." in said


def test_another_number_of_classes_says_the_option(tmp_path: Path, tiny: State) -> None:
    said = refusal(save(tmp_path, official("seaformer_t", classes=19)))
    assert "decode_head.conv_seg.weight: expected 150x96x1x1, got 19x96x1x1" in said
    assert "add --classes 19." in said
    assert "add --classes 150." in refusal(save(tmp_path, tiny), classes=4)


def test_a_checkpoint_of_some_other_network_says_that_nothing_fits(tmp_path: Path) -> None:
    said = refusal(save(tmp_path, torch.nn.Linear(3, 4).state_dict()))
    assert "2 keys are unexpected (weight, bias)" in said
    assert "fits no model" in said


# What is not a checkpoint -------------------------------------------------------------------------


class Hostile:
    """A pickle that would run a command when read without care."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


def test_a_file_that_is_missing_or_a_folder_or_empty_is_said_to_be(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none.pth")
    assert "is a folder" in refusal(tmp_path)
    (tmp_path / "empty.pth").touch()
    assert "empty.pth is empty." in refusal(tmp_path / "empty.pth")


@pytest.mark.parametrize("kept", [0.001, 0.5, 0.999])
def test_a_truncated_file_is_said_to_be_cut_short(tmp_path: Path, tiny: State, kept: float) -> None:
    path = save(tmp_path, tiny)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    assert "is cut short" in refusal(path)


@pytest.mark.parametrize("kept", [0.001, 0.5, 0.999])
def test_a_truncated_file_of_the_old_format_is_refused(
    tmp_path: Path, tiny: State, kept: float
) -> None:
    path = save(tmp_path, tiny, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    assert "not a checkpoint" in refusal(path)


def test_code_in_a_checkpoint_is_refused_and_not_run(tmp_path: Path, tiny: State) -> None:
    trace = tmp_path / "ran"
    said = refusal(save(tmp_path, {"state_dict": tiny, "x": Hostile(trace)}))
    assert "never run" in said
    assert "mkdir" in said
    assert not trace.exists()


@pytest.mark.parametrize("protocol", range(6))
def test_a_bare_pickle_with_code_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    trace = tmp_path / "ran"
    path = tmp_path / "w.pth"
    path.write_bytes(pickle.dumps(Hostile(trace), protocol=protocol))
    refusal(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    "content", [b"hello", b"<html>404</html>", b"{}", bytes(range(256)) * 9, b"PK\x03\x04", b"\x80"]
)
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    refusal(tmp_path / "w.pth")


def test_an_archive_of_arrays_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", a=np.ones(3))
    assert "not a checkpoint" in refusal(tmp_path / "w.npz")


@pytest.mark.parametrize("content", [[1, 2], torch.ones(3), {}, {"state_dict": {}}, {"epoch": 3}])
def test_a_file_of_torch_that_holds_no_weights_is_refused(tmp_path: Path, content: object) -> None:
    assert "expected tensors by name" in refusal(save(tmp_path, content))


def test_a_damaged_safetensors_file_is_refused(tmp_path: Path) -> None:
    requirements.module("safetensors", requirements.ZOO)
    (tmp_path / "w.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0broken")
    refusal(tmp_path / "w.safetensors")
