"""Folders and disks that do not take what is written."""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from seaformer.data.synth import synthesise
from seaformer.store.accuracy import load
from tests.commands.program import PROGRAM, QUICK, TINY, Done, done, seaformer, stored
from tests.evaluation.test_devices import convolution
from tests.exports import CommandExport


@pytest.mark.parametrize("out", ["file", "file/below", "/proc/nowhere"])
def test_an_output_folder_that_cannot_be_written_is_a_usage_error(tmp_path: Path, out: str) -> None:
    (tmp_path / "file").write_text("in the way")
    told = seaformer(*TINY, "--out", out, cwd=tmp_path)
    assert (told.code, told.out) == (2, "")
    assert "Name a folder you may write to." in told.complaint
    assert "build the model" not in told.err  # it is refused before any work
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize(
    ("results", "state"), [("file", "is a file"), ("/proc/nowhere", "does not exist")]
)
def test_results_that_cannot_be_written_are_told_before_anything_runs(
    exported: CommandExport, tmp_path: Path, results: str, state: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    told = seaformer("bench", exported.onnx, *QUICK, "--results", results, cwd=tmp_path)
    assert told.code == 2
    assert "Name a folder you may write to." in told.complaint
    assert "process 1" not in told.err
    told = seaformer("report", "--results", results, cwd=tmp_path)
    assert (told.code, told.out) == (2, "")
    assert f"The results folder {results} {state}." in told.complaint


# What is mounted behind this is gone when the command ends, and nobody else sees it.
PRIVATE = ("unshare", "--user", "--map-root-user", "--mount")


@dataclass(frozen=True)
class SmallDisk:
    """A file system of a few kilobytes that exists for one command."""

    folder: Path

    def seaformer(self, kilobytes: int, *arguments: object) -> tuple[Done, list[str]]:
        """Run a command in it; what it printed, and the files left on the disk."""
        return self.run(kilobytes, *PROGRAM, *arguments)

    def run(self, kilobytes: int, *command: object) -> tuple[Done, list[str]]:
        """As ``seaformer``, of any program."""
        script = (
            f'mount -t tmpfs -o size={kilobytes}k tmpfs "$0" && cd "$0" || exit 99\n'
            'left=$1; shift; "$@"; code=$?; find . -type f > "$left"; exit $code\n'
        )
        left = self.folder.with_suffix(".left")
        places = (str(self.folder), str(left))
        argv = [*PRIVATE, "sh", "-c", script, *places, *map(str, command)]
        finished = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
        return done(finished), left.read_text().split()


@pytest.fixture
def small_disk(tmp_path: Path) -> SmallDisk:
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        argv = [*PRIVATE, "mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(folder)]
        tried = subprocess.run(argv, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if tried.returncode != 0:
        pytest.skip(f"no file system may be mounted here: {tried.stderr.decode()}")
    return SmallDisk(folder)


def test_a_full_disk_is_told_and_leaves_nothing_behind(small_disk: SmallDisk) -> None:
    told, left = small_disk.seaformer(3000, *TINY, "--out", "out")
    assert (told.code, told.out) == (1, "")
    assert "The disk is full" in told.complaint
    assert left == []


def test_a_full_disk_at_the_end_of_a_bench_leaves_no_half_result(
    small_disk: SmallDisk, exported: CommandExport, tmp_path: Path
) -> None:
    told, left = small_disk.seaformer(4, "bench", exported.onnx, *QUICK, "--results", ".")
    assert told.code == 1
    assert "The disk is full" in told.err
    assert "bug in seaformer" not in told.err
    assert "seaformer_t.ade20k" in told.out  # what was measured is shown, and kept elsewhere
    assert "Next:" not in told.err  # a report would be without it
    (line,) = [line for line in told.err.splitlines() if line.startswith("Not stored, but kept")]
    kept = Path(shlex.split(line)[-1])
    assert seaformer("results", "merge", kept, cwd=tmp_path).code == 0
    assert len(stored(tmp_path / "results")) == 1
    kept.unlink()
    assert {Path(name).parts[0] for name in left} <= {"devices"}  # whole or absent, like all files


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_an_evaluation_that_finds_a_full_disk_is_printed_and_kept_elsewhere(
    small_disk: SmallDisk, tmp_path: Path, options: tuple[str, ...]
) -> None:
    synthesise(tmp_path / "my shapes", 5, 5)
    file = convolution(tmp_path)
    line = ("eval", file, file, "--data", tmp_path / "my shapes", *options)
    told, left = small_disk.seaformer(4, *line, "--results", ".")
    assert (told.code, len(left)) == (1, 1)  # there is room for the first
    assert "The disk is full" in told.err
    if options:
        assert [one["images"] for one in told.documents] == [1, 1]
    else:
        assert "mIoU" in told.out
    (line_left,) = [line for line in told.err.splitlines() if line.startswith("Not stored, but")]
    kept = Path(shlex.split(line_left)[-1])
    assert seaformer("results", "merge", kept, cwd=tmp_path).code == 0
    kept.unlink()
    (record,), damaged = load(tmp_path / "results")
    assert (record.images, damaged) == (1, ())


_TWO_CHECKPOINTS = """
import torch
from pathlib import Path
from seaformer.core.errors import SeaFormerError
from seaformer.training.checkpoints import load, save

path = Path("run/state.pth")
save(path, {"iteration": 1, "network": torch.ones(100_000)})  # 0.4 MB
try:
    save(path, {"iteration": 2, "network": torch.ones(200_000)})
except SeaFormerError as error:
    print(error.message)
before = load(path)
print(before["iteration"], int(before["network"].sum()))
"""


def test_a_disk_that_is_full_at_a_checkpoint_keeps_the_one_before(small_disk: SmallDisk) -> None:
    result, left = small_disk.run(1000, sys.executable, "-c", _TWO_CHECKPOINTS)
    assert result.code == 0, result.err
    full, kept = result.out.splitlines()
    assert full == "The disk is full: run/state.pth could not be written."
    assert kept == "1 100000"
    assert left == ["./run/state.pth"]


_TRAINING = """
import sys
from seaformer.core.errors import SeaFormerError
from seaformer.training.loop import TrainPlan, train

data, whole = sys.argv[1:]
plan = TrainPlan("seaformer_t.synth", data, "run", 2, batch=2, every=1)
rest = open("rest", "wb", buffering=0)

def fill(done, of, loss):
    if done == 1:
        try:
            while True:
                rest.write(bytes(4096))
        except OSError:
            pass

try:
    train(plan, progress=fill)
except SeaFormerError as error:
    print(error.message)
rest.truncate(0)
print(train(plan, resume=True).loss)
print(train(TrainPlan("seaformer_t.synth", data, whole, 2, batch=2, every=1)).loss)
"""


@pytest.mark.slow
def test_a_training_that_filled_the_disk_continues_from_its_checkpoint(
    small_disk: SmallDisk, tmp_path: Path
) -> None:
    data = synthesise(tmp_path / "a set", 6, seed=1).folder
    command = (sys.executable, "-c", _TRAINING, data, tmp_path / "whole")
    result, left = small_disk.run(100_000, *command)
    assert result.code == 0, result.err
    full, continued, whole = result.out.splitlines()
    assert full.startswith("The disk is full: run/")
    assert continued == whole
    assert sorted(left) == [
        "./rest",
        *(f"./run/{x}" for x in ("last.pth", "log.csv", "run.json", "state.pth")),
    ]
