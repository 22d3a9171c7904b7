"""A command over many files on real worker processes, one of which is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from seaformer.core.errors import CorruptArtifact, UsageError
from seaformer.data.synth import synthesise
from seaformer.store.accuracy import load
from seaformer.sweep.cluster import Ended, cluster
from seaformer.sweep.division import Task, divide
from seaformer.sweep.run import SWEEPS, _kept, read
from seaformer.sweep.task import TaskAnswer, TaskOrder, perform
from tests.evaluation.test_devices import convolution
from tests.requirements import module

INSTALL = "pip install 'seaformer[sweep]'"
PROGRAM = [sys.executable, "-m", "seaformer", "sweep", "--workers", "2"]


def lines(*argv: str) -> list[str]:
    """The tasks of a command line, of a zoo with two models."""
    models = {"sea*": ["sea_t", "sea_s"]}
    formats = {"all": ["onnx", "executorch"]}
    tasks = divide(
        argv, lambda text: models.get(text, [text]), lambda text: formats.get(text, [text])
    )
    return [str(task) for task in tasks]


def test_a_line_is_divided_by_model_format_and_precision() -> None:
    assert lines("export", "--model", "sea*", "--format=all", "--opset", "17") == [
        "export --model sea_t --format onnx --opset 17",
        "export --model sea_t --format executorch --opset 17",
        "export --model sea_s --format onnx --opset 17",
        "export --model sea_s --format executorch --opset 17",
    ]
    assert lines("eval", "a.onnx", "b c.pte", "--data", "set") == [
        "eval a.onnx --data set",
        "eval b c.pte --data set",
    ]
    one = lines("bench", "--model", "sea_t", "--precision", "fp32,fp16", "--device", "emulator")
    assert len(one) == 2


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("train --model x", "A sweep is of export, bench or eval"),
        ("", "got 'nothing'"),
        ("bench --model x", "A sweep counts on an emulated core"),
        ("bench --model x --device host", "A sweep counts on an emulated core"),
        ("bench --model x --device emulator,host", "A sweep counts on an emulated core"),
        ("bench --model x --device emulator:a53,phone", "A sweep counts on an emulated core"),
        ("bench a.onnx --device emulator --profile=ops", "--profile is not for the commands"),
        ("eval a.onnx --results r", "--results is not for the commands of a sweep"),
        ("eval a.onnx --format onnx", "--format is not an option of eval"),
        ("export --model", "--model requires a value"),
    ],
)
def test_what_cannot_be_divided_is_refused(line: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        lines(*line.split())


def test_a_worker_of_another_version_does_nothing() -> None:
    answer = perform(TaskOrder(("-c", "raise SystemExit(0)"), "/", version="0.0.1"))
    assert (answer.code, answer.records) == (2, ())
    assert "the sweep 0.0.1" in answer.message


def test_a_task_that_a_signal_ended_is_reported_with_it() -> None:
    answer = perform(TaskOrder(("-c", "import os; os.kill(os.getpid(), 9)"), "/"))
    assert (answer.code, answer.message) == (-9, "Error: the command was killed by signal 9.")


def test_more_results_than_are_handed_back_are_a_failed_task_and_none_is_lost_silently(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = (
        "import pathlib, sys\nfor name in 'ab':\n    path = pathlib.Path(sys.argv[2], 'runs', name)"
        "\n    path.mkdir(parents=True)\n    (path / 'x.json').write_text('x' * 60)"
    )
    order = TaskOrder(("-c", program), "/", keeps=True)
    assert len(perform(order).records) == 2
    monkeypatch.setattr("seaformer.sweep.task._MOST_BYTES", 100)
    answer = perform(order)
    assert (answer.code, answer.records) == (1, ())
    assert "more than 100 bytes" in answer.message


@pytest.mark.parametrize("name", ["../x.json", "/etc/x", "runs/../../x.json", "other/a/b.json"])
def test_results_leave_their_folder_under_no_name(tmp_path: Path, name: str) -> None:
    task = Task(("eval", "a.onnx"))
    record = _kept(tmp_path / "store", task, Ended(task.key, TaskAnswer(0, ((name, b"{}"),))))
    assert record.code == 1
    assert "A worker gave a result of the name" in record.error
    kept = [path.parent.name for path in tmp_path.rglob("*") if path.is_file()]
    assert kept == [SWEEPS]


def test_a_failed_command_is_kept_with_its_sentence_alone(tmp_path: Path) -> None:
    task = Task(("eval", "a.onnx"))
    text = "0:00 image 1 of 2\nError: a.onnx does not exist.\nExport it first."
    record = _kept(tmp_path, task, Ended(task.key, TaskAnswer(3, message=text)))
    assert (record.code, record.error) == (3, "a.onnx does not exist. Export it first.")


def test_a_damaged_result_is_refused_and_named(tmp_path: Path) -> None:
    task = Task(("eval", "a.onnx"))
    content = (("accuracy/set/a.json", b'{"schema": 1}'),)
    record = _kept(tmp_path / "store", task, Ended(task.key, TaskAnswer(0, content)))
    assert "is refused" in record.error
    assert not (tmp_path / "store" / "accuracy").exists()
    path = tmp_path / "store" / SWEEPS / f"{task.key}.json"
    assert read(path) == record
    path.write_text("{}")
    with pytest.raises(CorruptArtifact):
        read(path)


def worker_at_work(sweep: int) -> int:
    """The process of the cluster that has a command running: its parent, below the sweep."""
    limit = time.monotonic() + 120
    while time.monotonic() < limit:
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal() and b"eval\0" in content(folder / "cmdline"):
                parent = parent_of(int(folder.name))
                if parent not in (sweep, 0, 1) and sweep in ancestors(parent):
                    return parent
        time.sleep(0.05)
    raise AssertionError("no worker began within 2 minutes")


def content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def parent_of(pid: int) -> int:
    words = content(Path(f"/proc/{pid}/stat")).rpartition(b")")[2].split()
    return int(words[1]) if words else 0


def ancestors(pid: int) -> list[int]:
    found = []
    while pid > 1:
        pid = parent_of(pid)
        found.append(pid)
    return found


@pytest.mark.slow
def test_a_killed_worker_loses_no_result_and_gives_none_twice(tmp_path: Path) -> None:
    module("distributed", INSTALL)
    folder, results = synthesise(tmp_path / "a set", 10, 5).folder, tmp_path / "results"
    original = convolution(tmp_path)
    names = [f"{letter}.onnx" for letter in "abcde"]
    for name in names:
        shutil.copy(original, tmp_path / name)
    line = ["--results", str(results), "eval", *names, "--data", str(folder), "--split", "train"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen([*PROGRAM, *line], cwd=tmp_path, env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # fmt: skip
        os.kill(worker_at_work(process.pid), signal.SIGKILL)
        out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "5 of 5 tasks succeeded" in out
    records, damaged = load(results)
    assert damaged == ()
    assert sorted(one.artifact_file for one in records) == names
    assert {one.images for one in records} == {8}
    assert len({one.miou for one in records}) == 1
    again = subprocess.run(
        [*PROGRAM, *line], cwd=tmp_path, env=environment, text=True, capture_output=True, check=True
    )
    assert "5 of 5 tasks succeeded before" in again.stderr
    assert len(load(results)[0]) == 5


@pytest.mark.slow
def test_two_clusters_side_by_side_warn_of_no_port() -> None:
    module("distributed", INSTALL)
    with warnings.catch_warnings(record=True) as raised, cluster("", 1), cluster("", 1):
        pass
    assert not [one for one in raised if "Port" in str(one.message)]


@pytest.mark.slow
def test_an_address_without_a_scheduler_is_reported(tmp_path: Path) -> None:
    module("distributed", INSTALL)
    argv = [*PROGRAM[:4], "--scheduler", "tcp://127.0.0.1:1", "eval", "a.onnx", "--data", "x"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "No scheduler answers at tcp://127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr
