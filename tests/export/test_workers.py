"""Several exports of a command: in processes side by side, and what becomes of those that fail."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seaformer.core import memory
from seaformer.core.errors import ExportError, ModelError, UsageError
from seaformer.core.request import ExportRequest
from seaformer.export import Outcome, export_all, export_request, failure
from seaformer.export._workers import _Pool, groups

pytest.importorskip("onnxruntime")

T = ExportRequest("seaformer_t", "onnx", size=(64, 64))
S = replace(T, model="seaformer_s")
BAD = ExportRequest("bad", "onnx", module="tests.export.deaths:raises", shape=(1, 3, 8, 8))
DEAD = replace(BAD, model="dead", module="tests.export.deaths:dies")
GIGABYTE = 10**9


@pytest.mark.slow
def test_processes_make_the_files_of_one_and_lose_only_what_fails(tmp_path: Path) -> None:
    steps: dict[int, list[str]] = defaultdict(list)
    requests = [DEAD, replace(DEAD, precision="fp16"), BAD, T]
    outcomes = export_all(requests, tmp_path / "1", 2, lambda n, step: steps[n].append(step))
    ended = {each.number: each for each in outcomes}
    assert sorted(ended) == [0, 1, 2, 3]
    for number in (0, 1):
        error = ended[number].error
        assert isinstance(error, ExportError)
        assert "killed by signal 9 at the step 'build the model'" in error.message
    assert isinstance(ended[2].error, ModelError)
    assert "no weights today" in ended[2].error.message
    artifact = ended[3].artifact
    assert artifact is not None
    assert artifact.sha256 == export_request(T, tmp_path / "2").sha256
    assert [each.step for each in artifact.steps] == steps[3]


def test_one_after_the_other_an_export_that_fails_loses_no_other(tmp_path: Path) -> None:
    steps: list[tuple[int, str]] = []
    ended = list(export_all([BAD, T], tmp_path, 1, lambda n, step: steps.append((n, step))))
    assert isinstance(ended[0].error, ModelError)
    assert ended[1].artifact is not None
    assert (1, "verify against the PyTorch model") in steps


def test_requests_of_a_network_share_a_process_unless_there_are_more_processes() -> None:
    requests = [T, replace(T, format="ncnn"), S, replace(T, precision="fp16")]
    assert groups(requests, 2) == [[0, 1, 3], [2]]
    assert groups(requests, 3) == [[0, 3], [1], [2]]


def test_a_process_waits_until_memory_holds_the_peaks_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = _Pool([T, S], tmp_path, 4, lambda number, step: None, tmp_path)
    free: list[int | None] = [0]
    monkeypatch.setattr(memory, "available_bytes", lambda: free[0])
    monkeypatch.setattr(memory, "resident_bytes", lambda pid: GIGABYTE // 2)
    assert pool._has_room()  # the first runs whatever there is
    other: Any = SimpleNamespace(process=SimpleNamespace(pid=1))
    pool.running.append(other)
    assert not pool._has_room()
    free[0] = 2 * GIGABYTE
    assert pool._has_room()
    pool.need_bytes = 2 * GIGABYTE  # as the file of a larger network has shown
    assert not pool._has_room()
    free[0] = None  # a system that does not report it
    assert pool._has_room()
    pool.running += [other] * 3
    assert not pool._has_room()


def test_a_command_ends_with_its_own_error_or_with_the_names_of_what_failed() -> None:
    usage = UsageError("--scope must be logits")
    assert failure([Outcome(0, T, error=usage)]) is usage
    assert failure([]) is None
    both = [Outcome(0, T, error=usage), Outcome(1, replace(T, format="ncnn"), error=usage), S_MADE]
    error = failure(both)
    assert isinstance(error, UsageError)
    assert error.message == ("2 of 3 exports failed: seaformer_t onnx fp32, seaformer_t ncnn fp32.")


S_MADE = Outcome(2, S)
