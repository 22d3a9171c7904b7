"""What a model file that does not exist is answered with."""

from __future__ import annotations

from pathlib import Path

import pytest

from seaformer.core.absent import absent
from seaformer.core.artifact import load_artifact, model_path
from seaformer.core.errors import CorruptArtifact, UsageError


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("seaformer_b.ade20k__512x512__fp32.onnx", "--model seaformer_b.ade20k --format onnx"),
        (
            "segformer_b0.ade20k__64x96__fp16.pte",
            "--model segformer_b0.ade20k --format executorch --precision fp16 --size 64x96",
        ),
    ],
)
def test_the_command_makes_the_file_that_was_named(tmp_path: Path, name: str, options: str) -> None:
    with pytest.raises(CorruptArtifact, match="does not exist") as refused:
        load_artifact(tmp_path / name)
    assert refused.value.hint == f"Export it first: seaformer export {options} --out {tmp_path}"


def test_options_that_only_the_name_has_are_listed(tmp_path: Path) -> None:
    hint = absent(tmp_path / "seaformer_t.ade20k__512x512__fp32__9classes__argmax.onnx").hint
    assert hint.endswith(f"--out {tmp_path}, and the options for 9classes, argmax")


@pytest.mark.parametrize("name", ["own.onnx", "net__64x64__fp32.onnx", "photo.png"])
def test_a_name_that_is_of_no_model_gets_no_model_of_another(tmp_path: Path, name: str) -> None:
    assert absent(tmp_path / name).hint.startswith("Check the path")


def test_a_typo_gets_the_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "seaformer_t.ade20k__512x512__fp32.onnx").touch()
    hint = absent(tmp_path / "seaformer_t.adeK20__512x512__fp32.onnx").hint
    assert hint == f"Did you mean {tmp_path}/seaformer_t.ade20k__512x512__fp32.onnx?"
    other = absent(tmp_path / "seaformer_t.ade20k__512x512__fp16.onnx").hint
    assert "--precision fp16" in other


@pytest.mark.parametrize("end", [".operators.json", ".reference.npz"])
def test_a_file_beside_a_model_names_the_model(tmp_path: Path, end: str) -> None:
    with pytest.raises(UsageError, match="it belongs to") as refused:
        model_path(tmp_path / f"net.onnx{end}")
    assert refused.value.hint == f"Name {tmp_path}/net.onnx"
