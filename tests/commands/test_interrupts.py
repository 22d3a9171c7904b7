"""Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.program import PROGRAM, TINY, Done, stored
from tests.exports import CommandExport


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Path]:
    """Where the command keeps its scratch files; it must clean up after itself."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == []


def interrupted(arguments: tuple[object, ...], when: str, cwd: Path, temporary: Path) -> Done:
    """Run a command in a group of its own and press Ctrl-C when it prints a line with ``when``."""
    environment = os.environ | {"SEAFORMER_RESULTS": str(cwd / "results")}
    process = subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=environment | {"TMPDIR": str(temporary)},
        start_new_session=True,
    )
    with process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if when in line:
                os.killpg(process.pid, signal.SIGINT)
                break
        out, rest = process.communicate(timeout=60)
    return Done(process.returncode, out, "".join(lines) + rest)


def test_ctrl_c_of_a_bench_stores_what_was_measured(
    exported: CommandExport, tmp_path: Path, temporary: Path
) -> None:
    arguments = ("bench", exported.onnx, "--warmup", 1, "--runs", 2000, "--repeats", 2, "--json")
    told = interrupted(arguments, "process 2 of 2", tmp_path, temporary)
    assert told.code == 130, told.err
    assert "Traceback" not in told.err
    assert "Interrupted" in told.err
    (document,) = told.documents
    assert len(document["methods"]["forward"]["processes"]) == 1
    assert len(document["methods"]["forward"]["samples_ns"]) == 2000
    assert [f["name"] for f in document["flags"] if f["name"] == "interrupted"] == ["interrupted"]
    assert document["valid"] is False
    (path,) = stored(tmp_path / "results")
    assert json.loads(path.read_text()) == document


def test_ctrl_c_before_anything_was_measured_stores_nothing(
    exported: CommandExport, tmp_path: Path, temporary: Path
) -> None:
    arguments = ("bench", exported.onnx, "--warmup", 1, "--runs", 5000)
    told = interrupted(arguments, "process 1 of 3", tmp_path, temporary)
    assert told.code == 130, told.err
    assert "Traceback" not in told.err
    assert stored(tmp_path / "results") == []


@pytest.mark.slow
def test_ctrl_c_of_an_export_leaves_nothing_behind(tmp_path: Path, temporary: Path) -> None:
    told = interrupted((*TINY, "--out", "out"), "trace to ONNX", tmp_path, temporary)
    assert told.code == 130, told.err
    assert "Traceback" not in told.err
    assert not (tmp_path / "out").exists()
