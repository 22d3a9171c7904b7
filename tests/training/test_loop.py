"""A tiny run: it is logged, continues exactly, and its checkpoint loads."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from seaformer.commands._training import export_line
from seaformer.core.errors import CorruptArtifact, UsageError, UserError
from seaformer.data.synth import synthesise
from seaformer.models import create_model
from seaformer.training.checkpoints import RunFolder, load, load_state, save
from seaformer.training.distillation import Distillation
from seaformer.training.loop import TrainPlan, TrainResult, open_run, train
from seaformer.training.parallel import enough_values
from seaformer.training.recipes import recipe_of


class StoppedError(Exception):
    """What a killed process leaves is what this leaves: nothing is saved on the way out."""


@pytest.mark.slow
def test_a_run_that_was_stopped_continues_to_the_same_losses(tmp_path: Path) -> None:
    synthesise(tmp_path / "set", 6, seed=1)
    plan = TrainPlan(
        "seaformer_t.synth", str(tmp_path / "set"), str(tmp_path / "a"), 4, batch=2, every=2
    )
    notices: list[str] = []
    result = train(plan, resume=True, notice=notices.append)  # there is none to continue
    assert f"{plan.out} has no run to continue: a new one begins." in notices
    other = replace(plan, out=str(tmp_path / "b"))

    def stop(done: int, of: int, loss: float) -> None:
        if done == 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(other, progress=stop)
    with pytest.raises(UsageError, match="has a run already"):
        train(other)
    train(other, resume=True)
    logs = [(tmp_path / name / "log.csv").read_text() for name in "ab"]
    assert logs[0] == logs[1]
    assert len(logs[0].splitlines()) == 5
    network = create_model("seaformer_t.synth", result.checkpoint)
    assert network.checkpoint is not None

    (tmp_path / "b" / "log.csv").write_bytes(logs[1].encode()[:40] + b"\xff")  # a disk's fault
    assert train(other, resume=True) == replace(result, checkpoint=tmp_path / "b" / "last.pth")


@pytest.mark.parametrize(("classes", "options"), [(12, ""), (2, " --classes 2")])
def test_the_next_command_exports_for_the_classes_of_the_data(
    tmp_path: Path, classes: int, options: str
) -> None:
    path = tmp_path / "a run" / "last.pth"
    line = export_line("seaformer_t.synth", TrainResult(1, 0.5, path, classes))
    assert line == f"seaformer export --model seaformer_t.synth --checkpoint '{path}'{options}"


def test_weights_without_the_state_they_came_from_are_not_overwritten(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    plan = TrainPlan("seaformer_t.synth", "set", str(run.folder), 4)
    open_run(run, plan, resume=False)
    run.log.write_text("iteration,loss,lr\n")
    open_run(run, plan, resume=True)  # ended before its first checkpoint: begins again
    run.weights.write_bytes(b"weights")
    with pytest.raises(UsageError, match=r"has last.pth, but not the state.pth"):
        open_run(run, plan, resume=True)
    run.state.write_bytes(b"state")
    open_run(run, plan, resume=True)


def test_a_second_process_does_not_write_into_a_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    with (
        run.alone(),
        pytest.raises(UsageError, match="Another process trains in"),
        RunFolder(run.folder).alone(),
    ):
        raise AssertionError("two at once")
    with RunFolder(run.folder).alone():
        assert list(run.folder.iterdir()) == []


def test_a_folder_of_another_run_is_refused_by_what_differs(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    plan = TrainPlan("seaformer_t.synth", "set", str(folder.folder), 4)
    open_run(folder, replace(plan, seed=7), resume=False)  # a start that failed at once
    open_run(folder, plan, resume=False)
    folder.log.write_text("iteration,loss,lr\n")
    before = folder.plan.read_bytes()
    changed = replace(plan, iterations=5, lr=0.1)
    with pytest.raises(UsageError, match=r"options: iterations 4 \(got 5\), lr 0.0 \(got 0.1\)\."):
        open_run(folder, changed, resume=True)
    longer = replace(plan, iterations=5)
    with pytest.raises(UsageError, match=r"a run of 4 iterations \(got --iters 5\)") as refused:
        open_run(folder, longer, resume=True)
    assert "--iters 4 --resume" in refused.value.hint
    assert f"--checkpoint {folder.weights}" in refused.value.hint
    student = replace(plan, distillation=Distillation("seaformer_t.synth"))
    with pytest.raises(UsageError, match=r"distillation teacher None \(got seaformer_t.synth\)"):
        open_run(folder, student, resume=True)
    assert folder.plan.read_bytes() == before
    folder.plan.unlink()
    folder.log.unlink()
    folder.weights.write_bytes(b"of another tool")
    with pytest.raises(CorruptArtifact, match="is not the state of a run, or it was cut short"):
        load(folder.weights)
    save(folder.weights, {"state_dict": {}})
    with pytest.raises(CorruptArtifact, match="is not the state of a run"):
        load_state(folder.weights)
    folder.weights.write_bytes(b"of another tool")
    with pytest.raises(UsageError, match="nothing is overwritten"):
        open_run(folder, plan, resume=True)
    assert folder.weights.read_bytes() == b"of another tool"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [({"iterations": -2}, "--iters must be from 1 to"), ({"every": -1}, "--every must be from 1"),
     ({"batch": 99999999}, "--batch must be from 1 to 65,536 (got 99999999)."),
     ({"lr": float("nan")}, "--lr must be above 0")],
)  # fmt: skip
def test_an_impossible_number_is_named(
    tmp_path: Path, options: dict[str, Any], sentence: str
) -> None:
    synthesise(tmp_path / "set", 2, seed=1)
    plan = TrainPlan("seaformer_t.synth", str(tmp_path / "set"), str(tmp_path / "run"))
    with pytest.raises(UsageError, match=re.escape(sentence)):
        train(replace(plan, **options))
    assert not (tmp_path / "run").exists()


def test_a_batch_of_one_value_for_a_norm_is_refused() -> None:
    norm = torch.nn.BatchNorm2d(3)
    sentence = r"--batch must be larger for this model \(got 1\)"
    with pytest.raises(UsageError, match=sentence), enough_values(1):
        norm(torch.zeros(1, 3, 1, 1))
    with pytest.raises(ValueError, match="expected 4D"), enough_values(1):
        norm(torch.zeros(3))


def test_recipes_are_the_official_rows() -> None:
    assert recipe_of("seaformer_t.ade20k").lr == 3e-4
    assert recipe_of("seaformerpp_b.ade20k").lr == 2.5e-4
    assert recipe_of("setr_mla_l.cityscapes_768").lr == 0.002


def test_half_precision_trains_near_float_and_resumes_exactly(tmp_path: Path) -> None:
    synthesise(tmp_path / "set", 6, seed=1)
    plan = TrainPlan(
        "seaformer_t.synth", str(tmp_path / "set"), str(tmp_path / "a"), 2, batch=2, every=1,
        mixed="bfloat16",
    )  # fmt: skip

    def stop(done: int, of: int, loss: float) -> None:
        if done == 1:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(plan, progress=stop)
    train(plan, resume=True)
    train(replace(plan, out=str(tmp_path / "b")))
    assert (tmp_path / "a/log.csv").read_text() == (tmp_path / "b/log.csv").read_text()
    train(replace(plan, out=str(tmp_path / "c"), mixed=""))
    half, whole = (csv_losses(tmp_path / name) for name in "ac")
    assert half != whole
    assert half[0] == pytest.approx(whole[0], rel=0.02)
    assert (
        load(tmp_path / "a/last.pth")["state_dict"]["stem.conv.conv.weight"].dtype is torch.float32
    )


def csv_losses(folder: Path) -> list[float]:
    rows = csv.DictReader((folder / "log.csv").read_text().splitlines())
    return [float(row["loss"]) for row in rows]


@pytest.mark.skipif(torch.accelerator.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize(
    ("mixed", "sentence"), [("float16", "requires a GPU"), ("float8", "kind of mixed precision")]
)
def test_mixed_precision_that_is_not_here_is_refused(
    tmp_path: Path, mixed: str, sentence: str
) -> None:
    synthesise(tmp_path / "set", 6, seed=1)
    plan = TrainPlan("seaformer_t.synth", str(tmp_path / "set"), str(tmp_path / "run"), mixed=mixed)
    with pytest.raises(UserError, match=sentence):
        train(plan)
