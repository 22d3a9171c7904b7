"""The tail as a method of its own: a row more, every pixel judged, refused where none is."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seaformer.bench import tails
from seaformer.bench.answer import merge_answer
from seaformer.bench.inputs import prepare, request_of
from seaformer.bench.pack import write_pack
from seaformer.bench.run import Bench
from seaformer.bench.targets.host import HostTarget
from seaformer.core.artifact import Artifact, TensorInfo
from seaformer.core.errors import ParityError, UsageError
from seaformer.core.measurement import Measurement, document
from seaformer.core.plan import RunPlan, Stop, Tail, Warmup, tail_method
from seaformer.report.components import components
from seaformer.report.renderers.terminal import run_page
from seaformer.report.table import rows, standing_alone, table_of
from seaformer.report.terminal import plain
from seaformer.runtime import tail as exact
from seaformer.store.results import ResultStore
from tests.bench import emulated
from tests.exports import half, small
from tests.fakes.board import FakeBoard
from tests.fakes.scripted import scripted_artifact, scripted_bundle
from tests.requirements import require

TAIL = tail_method("argmax")
PLAN = RunPlan(core="0", processes=1, tail="argmax", warmup=Warmup(runs=1), stop=Stop(runs=3))


def whole(row: Measurement) -> None:
    """Both methods ran, and every pixel has the class of the resized logits."""
    assert row.failure is None
    assert list(row.methods) == ["forward", TAIL]
    output = row.methods[TAIL].output
    assert output is not None
    assert (output.passed, output.argmax_agreement, output.max_abs) == (True, 1.0, 0.0)


def test_the_tail_is_a_row_beside_the_network(tmp_path: Path) -> None:
    threads = min(2, os.cpu_count() or 1)
    plan = replace(PLAN, threads=threads, core="0" if threads == 1 else "0,1")
    (row,) = Bench(HostTarget(), plan, ResultStore(tmp_path)).run([small("onnx")])
    whole(row)
    assert {process.threads for process in row.methods[TAIL].processes} == {1}
    assert not any(flag.name in ("threads", "wrong output") for flag in row.flags)
    assert document(row)["methods"][TAIL]["median_ms"] > 0
    assert [one.method for one in standing_alone(table_of([row])).rows] == ["forward", TAIL]
    assert components(rows(row)) == ()  # it is not a part of the network
    page = plain(run_page([replace(row, flags=())]))  # valid, however busy this machine is
    assert "seaformer_t.ade20k:tail:argmax" in page
    assert "upsampling and argmax take" in page


@pytest.mark.slow
def test_an_emulated_core_counts_the_tail_in_both_precisions(tmp_path: Path) -> None:
    plan = replace(emulated.ONE, tail="argmax")
    for row in emulated.bench([small("onnx"), half("onnx")], tmp_path, plan):
        whole(row)
        network, tail = (row.methods[name].counts[0] for name in ("forward", TAIL))
        assert 0 < tail.instructions < network.instructions
        assert tail.fma_fp32 == tail.fma_fp16 == 0  # no fused multiply-add: classes are exact
    assert "upsampling and argmax execute" in plain(run_page([row]))


def test_a_request_of_a_tail_runs_the_network_on_one_thread(tmp_path: Path) -> None:
    artifact = small("executorch")
    prepared = prepare(artifact, tmp_path, TAIL)
    request = request_of(artifact, TAIL, replace(PLAN, threads=4), prepared)
    assert (request.method, request.threads) == ("forward", 1)
    assert request.tail == Tail("argmax", 64, 96)
    assert request.argv()[-4:] == ["--tail", "argmax", "--tail-size", "64,96"]
    assert [path.name for path in prepared.inputs] == ["input.bin"]


def test_a_class_that_is_wrong_in_one_pixel_does_not_pass() -> None:
    logits = np.random.default_rng(0).standard_normal((1, 5, 4, 6)).astype(np.float32)
    right = exact.argmax(logits, (32, 48), library=False).classes[None]
    assert tails.check_classes([right, logits], (32, 48)).passed
    wrong = right.copy()
    wrong[0, 7, 9] = (wrong[0, 7, 9] + 1) % 5
    check = tails.check_classes([wrong, logits], (32, 48))
    assert not check.passed
    assert check.argmax_agreement == 1 - 1 / right.size
    for outputs in (
        [right],
        [right[:, 1:], logits],
        [right, logits[0, 0]],
        [right, logits * np.nan],
    ):
        with pytest.raises(ParityError):
            tails.check_classes(outputs, (32, 48))


def outputs(artifact: Artifact, *shapes: tuple[int, ...]) -> Artifact:
    method = artifact.methods[0]
    each = tuple(TensorInfo(f"o{i}", "float32", shape) for i, shape in enumerate(shapes))
    return replace(artifact, methods=(replace(method, outputs=each),))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: replace(a, scope="argmax"), "ends with argmax already"),
        (lambda a: replace(a, scope="upsample"), "ends with upsample already"),
        (lambda a: replace(a, spec=replace(a.spec, task="classification")), "no classes for each"),
        (lambda a: replace(a, spec=replace(a.spec, task="detection")), "no classes for each pixel"),
        (lambda a: outputs(a, (1, 1000)), "gives 1x1000"),
        (lambda a: outputs(a, (1, 1, 8, 8)), "at least 2 classes"),
        (lambda a: outputs(a, (1, 9, 8, 8), (1, 4, 8)), "gives 1x9x8x8, 1x4x8"),
    ],
)
def test_what_has_no_tail_is_refused_before_anything_runs(
    change: object, words: str, tmp_path: Path
) -> None:
    assert callable(change)
    bench = Bench(HostTarget(), PLAN, ResultStore(tmp_path))
    with pytest.raises(UsageError) as error:
        bench.run([change(small("onnx"))])
    assert words in error.value.message
    assert bench.finished == ()


def test_a_board_that_is_run_by_hand_times_the_tail_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require((os.cpu_count() or 1) > 1, "fewer than 2 cores")
    monkeypatch.setenv("SEAFORMER_CACHE", str(tmp_path / "cache"))
    plan = replace(PLAN, core="prime")
    model, bundle = scripted_artifact(tmp_path / "a"), scripted_bundle(tmp_path)
    write_pack(tmp_path / "p.tar", [model], plan, bundle, "seaformer runner pack --tail argmax")
    answer = FakeBoard(tmp_path / "b").run_by_hand(tmp_path / "p.tar")
    (row,) = merge_answer(answer, ResultStore(tmp_path / "results")).measured
    whole(row)
