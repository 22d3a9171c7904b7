"""Files that options name and that do not exist: refused before torch, which takes seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.program import seaformer

PHOTOGRAPH = Path(__file__).parents[2] / "seaformer" / "agreement" / "photographs" / "china.jpg"
INT8 = "--precision int8 --format onnx"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ("export --variant t --checkpoint no.pth", 3, "The checkpoint no.pth does not exist."),
        ("export --variant t --backbone no.pth", 3, "The checkpoint no.pth does not exist."),
        (f"export --variant t {INT8} --calibration no", 2, "--calibration no does not exist."),
        (f"bench --variant t {INT8} --calibration no", 2, "--calibration no does not exist."),
        ("eval --model t --checkpoint no.pth --data no", 3, "The checkpoint no.pth does not exist"),
        ("train --model t --checkpoint no.pth --data no --out run", 3, "The checkpoint no.pth"),
        (f"predict {PHOTOGRAPH} --model t --checkpoint no.pth", 3, "The checkpoint no.pth"),
        ("estimate --variant t --calibration no.json", 3, "no.json does not exist"),
    ],
)
def test_a_file_that_does_not_exist_is_refused_at_once(
    tmp_path: Path, arguments: str, code: int, sentence: str
) -> None:
    stand_in = tmp_path / "torch"
    stand_in.mkdir()
    (stand_in / "__init__.py").write_text('raise SystemExit("torch was imported")\n')
    refused = seaformer(*arguments.split(), cwd=tmp_path, **first(tmp_path))
    assert (refused.code, sentence in refused.complaint) == (code, True), refused.err


@pytest.mark.parametrize(
    ("images", "masks"), [("images/training", "annotations"), ("leftImg8bit", "gtFine")]
)
def test_masks_calibrate_nothing(tmp_path: Path, images: str, masks: str) -> None:
    for name in (images, masks):
        (tmp_path / "a set" / name).mkdir(parents=True)
    line = ("export", "--variant", "t", *INT8.split(), "--calibration", "a set")
    refused = seaformer(*line, cwd=tmp_path)
    assert refused.code == 2
    assert f"its masks ({masks}) are not photographs" in refused.complaint
    assert f"--calibration 'a set/{images}'" in refused.complaint


def first(folder: Path) -> dict[str, str]:
    root = Path(__file__).parents[2]
    return {"PYTHONPATH": f"{folder}:{root}"}
