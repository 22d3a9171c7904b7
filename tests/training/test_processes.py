"""Runs in processes of their own: killed and continued, two together as one, and diverged."""

from __future__ import annotations

import csv
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from seaformer.core.errors import DataError, Diverged, SeaFormerError, UsageError
from seaformer.data.synth import synthesise
from seaformer.training import checkpoints, preflight
from seaformer.training.checkpoints import RunFolder
from seaformer.training.loop import TrainPlan, train

MODEL = "seaformer_t.synth"
# Standalone: a free port of this machine is where the processes meet.
TORCHRUN = ("-m", "torch.distributed.run", "--standalone")
# Two processes add in another order; AdamW's first steps, which have the size of the rate whatever
# the size of the gradient, let that grow.
FIRST, LATER = 1e-6, 5e-3


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(synthesise(tmp_path_factory.mktemp("a set"), 6, seed=1).folder)


def start(arguments: list[str], processes: int = 1) -> subprocess.Popen[bytes]:
    """``seaformer train`` alone, or by torchrun in several processes."""
    program = ["-m", "seaformer", "train", "--model", MODEL, *arguments]
    if processes > 1:
        program = [*TORCHRUN, "--nproc-per-node", str(processes), *program]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    return subprocess.Popen([sys.executable, *program], env=environment, stderr=subprocess.PIPE)


def finish(*processes: subprocess.Popen[bytes]) -> None:
    """Wait for all of them; where one fails the others are ended."""
    try:
        for process in reversed(processes):
            _, text = process.communicate(timeout=300)
            assert process.returncode == 0, text.decode()
    finally:
        for process in processes:
            process.kill()
            process.wait()


def losses(folder: Path) -> list[float]:
    return [
        float(row["loss"]) for row in csv.DictReader(RunFolder(folder).log.read_text().splitlines())
    ]


def children(pid: int) -> list[Path]:
    """The folders under /proc of what a process has started."""
    pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [Path("/proc") / each for each in pids]


def wait_for_the_end_of(processes: list[Path]) -> None:
    limit = time.monotonic() + 60
    while alive := [each for each in processes if is_alive(each)]:
        assert time.monotonic() < limit, alive
        time.sleep(0.1)


def is_alive(process: Path) -> bool:
    """Whether it runs; one that nobody has waited for yet is no longer alive."""
    try:
        return process.joinpath("stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_a_killed_run_continues_to_the_same_bits(shapes: str, tmp_path: Path) -> None:
    shared = ["--data", shapes, "--iters", "6", "--batch", "2", "--every", "2"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(start([*shared, "--out", str(whole)]))
    process = start([*shared, "--out", str(killed), "--workers", "2"])
    limit = time.monotonic() + 300
    while not (RunFolder(killed).log.exists() and len(losses(killed)) >= 3):
        assert process.poll() is None
        assert time.monotonic() < limit
        time.sleep(0.02)
    workers = children(process.pid)
    assert len(workers) >= 2
    process.send_signal(signal.SIGKILL)
    process.communicate()
    wait_for_the_end_of(workers)
    assert checkpoints.load(RunFolder(killed).state)["iteration"] in (2, 4)
    finish(start([*shared, "--out", str(killed), "--resume"]))
    assert RunFolder(killed).log.read_bytes() == RunFolder(whole).log.read_bytes()
    ours, theirs = (checkpoints.load(RunFolder(f).weights)["state_dict"] for f in (whole, killed))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[key]) for key, value in ours.items())


@pytest.mark.slow
def test_two_processes_of_torchrun_have_the_losses_of_one(shapes: str, tmp_path: Path) -> None:
    shared = ["--data", shapes, "--iters", "3", "--batch", "4", "--every", "3"]
    one, two = tmp_path / "one", tmp_path / "two"
    finish(start([*shared, "--out", str(one)]))
    finish(start([*shared, "--out", str(two)], processes=2))
    assert len(losses(two)) == 3
    assert losses(two)[0] == pytest.approx(losses(one)[0], rel=FIRST)
    assert losses(two) == pytest.approx(losses(one), rel=LATER)
    ours, theirs = (checkpoints.load(RunFolder(f).weights)["state_dict"] for f in (one, two))
    assert ours.keys() == theirs.keys()  # norms over both processes keep their names


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_checkpoint(
    shapes: str, tmp_path: Path
) -> None:
    plan = TrainPlan(MODEL, shapes, str(tmp_path / "run"), 3, batch=2, every=2)
    run = RunFolder(tmp_path / "run")

    def stop(done: int, of: int, loss: float) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(plan, progress=stop)
    kept, state = run.weights.read_bytes(), checkpoints.load(run.state)
    next(iter(state["network"].values())).fill_(torch.nan)
    checkpoints.save(run.state, state)
    with pytest.raises(Diverged, match="loss of iteration 3 is nan") as caught:
        train(plan, resume=True)
    assert str(run.weights) in caught.value.hint
    assert "--lr" in caught.value.hint
    assert run.weights.read_bytes() == kept
    assert len(losses(run.folder)) == 2


def test_a_rate_far_too_high_diverges_before_any_checkpoint(shapes: str, tmp_path: Path) -> None:
    plan = TrainPlan(MODEL, shapes, str(tmp_path / "run"), 3, batch=2, every=3, lr=1e30)
    with pytest.raises(Diverged) as caught:
        train(plan)
    assert "No checkpoint" in caught.value.hint
    assert not RunFolder(tmp_path / "run").weights.exists()


@pytest.mark.parametrize("lr", [-1.0, float("nan"), float("inf")])
def test_rates_out_of_range_are_refused(shapes: str, tmp_path: Path, lr: float) -> None:
    with pytest.raises(UsageError, match="--lr must be above 0"):
        train(TrainPlan(MODEL, shapes, str(tmp_path / "run"), 1, lr=lr))


@pytest.mark.slow
def test_a_worker_that_dies_ends_the_run_with_a_sentence_and_it_continues(
    shapes: str, tmp_path: Path
) -> None:
    plan = TrainPlan(MODEL, shapes, str(tmp_path / "run"), 4, batch=2, every=1, workers=1)

    def kill(done: int, of: int, loss: float) -> None:
        if done == 1:
            (worker,) = multiprocessing.active_children()
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGKILL)
            worker.join()

    with pytest.raises(SeaFormerError, match="reads images was ended from outside") as caught:
        train(plan, progress=kill)
    assert "--resume" in caught.value.hint
    assert train(plan, resume=True).iterations == 4
    assert len(losses(tmp_path / "run")) == 4


def test_a_broken_image_that_a_worker_reads_is_named_as_without_workers(
    shapes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = tmp_path / "a set"
    shutil.copytree(shapes, copied)
    for image in (copied / "images/training").iterdir():
        image.write_bytes(image.read_bytes()[:300])
    monkeypatch.setattr(preflight, "spaced", lambda *_: [])  # so that it is met later
    sentences = []
    for workers in (0, 1):
        out = str(tmp_path / f"run{workers}")
        with pytest.raises(DataError) as caught:
            train(TrainPlan(MODEL, str(copied), out, 2, batch=1, workers=workers))
        sentences.append(caught.value.message)
    assert sentences[0] == sentences[1]
    assert "Traceback" not in sentences[1]
