"""Checkpoints on the command line: what is printed and kept of one, and what is refused."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from tests.commands.program import TINY, seaformer


class Hostile:
    """Unpickled by a reader that runs code, this makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    from seaformer.models import create_model

    folder = tmp_path_factory.mktemp("checkpoints")
    torch.save(create_model("seaformer_s").state_dict(), folder / "small.pth")
    torch.save(create_model("seaformer_t.imagenet").state_dict(), folder / "task.pth")
    torch.save(create_model("seaformer_t", classes=7).state_dict(), folder / "classes.pth")
    whole = (folder / "small.pth").read_bytes()
    (folder / "truncated.pth").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.pth").touch()
    torch.save({"state_dict": Hostile(folder / "ran")}, folder / "hostile.pth")
    (folder / "pickle.pth").write_bytes(pickle.dumps(Hostile(folder / "ran")))
    return folder


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("small.pth", ("does not fit seaformer_t.ade20k", "--variant s")),
        ("hostile.pth", ("holds more than tensors", "never run")),
        *(
            pytest.param(name, words, marks=pytest.mark.slow)
            for name, words in (
                ("task.pth", ("does not fit seaformer_t.ade20k", "--model seaformer_t.imagenet")),
                ("classes.pth", ("expected 150x96x1x1, got 7x96x1x1", "add --classes 7")),
                ("truncated.pth", ("truncated.pth is cut short",)),
                ("empty.pth", ("empty.pth is empty",)),
                ("pickle.pth", ("pickle.pth",)),
            )
        ),
    ],
)
def test_a_checkpoint_that_is_none_is_refused_and_its_code_does_not_run(
    checkpoints: Path, tmp_path: Path, name: str, words: tuple[str, ...]
) -> None:
    told = seaformer(*TINY, "--checkpoint", checkpoints / name, "--out", "out", cwd=tmp_path)
    assert (told.code, told.out) == (3, "")
    assert all(word in told.complaint for word in words), told.err
    assert not (checkpoints / "ran").exists()
    assert not (tmp_path / "out").exists()


def test_the_hostile_checkpoint_is_hostile(checkpoints: Path) -> None:
    pickle.loads((checkpoints / "pickle.pth").read_bytes())
    assert (checkpoints / "ran").is_dir()
    (checkpoints / "ran").rmdir()


@pytest.mark.slow
def test_two_checkpoints_into_one_folder_are_two_files_that_say_what_they_were_read_as(
    tmp_path: Path,
) -> None:
    import torch

    from seaformer.core.artifact import load_artifact
    from seaformer.core.files import sha256_file
    from seaformer.models import create_model

    for seed, name in enumerate(("a.ckpt", "b.ckpt")):
        state = create_model("seaformer_t", classes=7, seed=seed).state_dict()
        content = {f"net.{key}": value for key, value in state.items()}
        torch.save({"state_dict": content | {"loss.weight": torch.ones(7)}}, tmp_path / name)
    names = []
    for name in ("a.ckpt", "b.ckpt"):
        options = ("--checkpoint", f"~/{name}", "--classes", 7, "--out", "out")
        done = seaformer(*TINY, *options, cwd=tmp_path, HOME=str(tmp_path))
        assert done.code == 0, done.err
        assert (
            f"weights: {name} (seaformer names, under state_dict, prefix net. removed)" in done.out
        )
        assert "left out: loss" in done.out
        digest = sha256_file(tmp_path / name)
        names.append(f"seaformer_t.ade20k__64x64__fp32__7classes__w{digest[:8]}.onnx")
        checkpoint = load_artifact(tmp_path / "out" / names[-1]).checkpoint
        assert checkpoint is not None
        assert (checkpoint.file, checkpoint.sha256, checkpoint.prefix) == (name, digest, "net.")
    assert sorted(path.name for path in (tmp_path / "out").glob("*.onnx")) == sorted(names)
