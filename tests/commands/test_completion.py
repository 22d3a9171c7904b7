"""Shells complete values: the protocol of bash and zsh, spoken by a real process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seaformer.models import list_models
from seaformer.store.results import ResultStore
from tests.commands.program import PROGRAM, seaformer
from tests.fakes.measurements import measurement


def completed(line: str, cwd: Path, shell: str = "bash") -> list[str]:
    """What the shell offers for the last word of ``line``."""
    words = line.split(" ")
    variables = {
        "_SEAFORMER_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "SEAFORMER_CACHE": str(cwd / "cache"),
    }
    finished = subprocess.run(
        PROGRAM, capture_output=True, text=True, timeout=60, check=True, cwd=cwd,
        env=os.environ | variables,
    )  # fmt: skip
    assert finished.stderr == ""
    return finished.stdout.splitlines()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("seaformer ben", ["bench"]),
        ("seaformer bench --model seaformer_l.city", list_models("seaformer_l.city*")),
        ("seaformer bench --model seaformer_s,topformer_t.coco_s", ["topformer_t.coco_stuff"]),
        ("seaformer models seaformerpp_l.im", ["seaformerpp_l.imagenet"]),
        ("seaformer bench --variant t++", ["t++", "t++kd"]),
        ("seaformer export --format onnx,e", ["executorch"]),
        ("seaformer export --precision fp1", ["fp16"]),
        ("seaformer export --scope a", ["argmax"]),
        ("seaformer bench --device emulator:cortex-a7", ["cortex-a76", "cortex-a72"]),
        ("seaformer reproduce figure", ["figure1", "figure10"]),
    ],
)
def test_bash_completes_names_and_the_last_of_a_list(
    tmp_path: Path, line: str, offered: list[str]
) -> None:
    before = line.rpartition(" ")[2].rpartition(",")
    kept = before[0] + before[1]
    tails = [
        word.removeprefix(kept).removeprefix("emulator:") for word in completed(line, tmp_path)
    ]
    assert tails == offered


def test_ids_of_the_store_that_the_line_names_are_completed_newest_first(tmp_path: Path) -> None:
    for number in (1, 2):
        ResultStore(tmp_path / "results").append(measurement(number))
    ResultStore(tmp_path / "other").append(measurement(3))
    newest_first = [measurement(2).id, measurement(1).id]
    assert completed("seaformer results show 2026", tmp_path) == newest_first
    line = "seaformer results show --results other 2026"
    assert completed(line, tmp_path) == [measurement(3).id]
    (described, _) = completed("seaformer results show 2026", tmp_path, "zsh")
    assert measurement(2).id in described
    assert "seaformer_t.ade20k 512x512" in described


def test_completion_imports_no_engine(tmp_path: Path) -> None:
    line = "seaformer bench --model sea"
    finished = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "seaformer"],
        capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path,
        env=os.environ | {
            "_SEAFORMER_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": "3",
        },
    )  # fmt: skip
    imported = {row.rpartition("|")[2].strip() for row in finished.stderr.splitlines()}
    assert imported.isdisjoint({"torch", "numpy", "pandas", "onnx", "onnxruntime"})


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_that_switches_completion_on_can_be_printed(tmp_path: Path, shell: str) -> None:
    shown = seaformer(
        "--show-completion", shell, cwd=tmp_path, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1"
    )
    assert shown.code == 0, shown.err
    assert "_SEAFORMER_COMPLETE" in shown.out
