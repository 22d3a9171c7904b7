"""Benches on a board behind a real ssh daemon: the scripted runner, and the real aarch64 one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seaformer.bench.fleet import BenchOrder, Fleet, Outcome
from seaformer.core.artifact import Artifact
from seaformer.core.cpu import find_emulated
from seaformer.core.errors import Throttled
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.runtime.build.bundle import Bundle
from seaformer.store.results import ResultStore
from tests import arm
from tests.commands.program import seaformer
from tests.exports import half, small
from tests.fakes.board import FakeBoard
from tests.fakes.scripted import scripted_artifact
from tests.requirements import require

PLAN = RunPlan(processes=1, warmup=Warmup(runs=1), stop=Stop(runs=3))


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBoard]:
    require((os.cpu_count() or 1) > 1, "fewer than 2 cores")
    emulator = arm.needed(arm.qemu).argv(find_emulated(arm.A76), ())
    with FakeBoard(tmp_path / "b", emulator) as double:
        monkeypatch.setenv("PATH", f"{double.client}:{os.environ['PATH']}")
        yield double


@pytest.fixture
def bench(
    board: FakeBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    """A bench of artifacts with a bundle on the board; nothing of it may stay there."""

    def run(bundle: Bundle, *artifacts: Artifact) -> Outcome:
        monkeypatch.setattr(
            "seaformer.bench.targets.ssh.build_arm64_bundle", lambda say, libraries=(): bundle
        )
        order = BenchOrder(PLAN, ResultStore(tmp_path / "results"))
        (outcome,) = Fleet(["ssh:board"], order, lambda sentence: None).run(artifacts)
        assert board.left_behind() == []
        for row in outcome.measured:
            assert row.failure is None
            run = row.methods["forward"]
            assert run.output is not None
            assert run.output.passed
            assert {cpu for process in run.processes for cpu in process.sample_cpus} == {1}
        return outcome

    return run


def test_a_bench_on_a_board_stores_a_row_of_its_own_and_cleans_up(
    board: FakeBoard, bench: Callable[..., Outcome], bundle: Bundle, artifact: Artifact
) -> None:
    (row,) = bench(bundle, artifact).measured
    assert row.valid
    assert (row.source, row.target) == ("measured", "board")
    assert row.device.id.startswith("board-raspberry-pi-5-model-b-rev-1-0-")
    assert row.device.properties is not None
    assert row.device.properties["page_bytes"] == "16384"
    assert (row.before.temperature_c, row.before.governor) == (48.2, "ondemand")
    assert row.after.max_freq_khz == 2400000
    assert "governor" in {flag.name for flag in row.flags}
    kept = sorted(path.name for path in board.root.iterdir())
    assert kept == ["bundle", "cache"]
    assert all(len(path.name) == 64 for path in (board.root / "cache").iterdir())


@pytest.mark.slow
def test_a_dropped_connection_costs_a_reconnect_and_no_run(
    board: FakeBoard, bench: Callable[..., Outcome], bundle: Bundle, tmp_path: Path
) -> None:
    slow = scripted_artifact(tmp_path / "a", "slow", seconds=3.0)
    dropped: list[int] = []

    def drop() -> None:
        deadline = time.monotonic() + 60
        while not list(board.root.glob("jobs/*/*/pid")) and time.monotonic() < deadline:
            time.sleep(0.05)
        dropped.append(board.drop())

    thread = threading.Thread(target=drop)
    thread.start()
    (row,) = bench(bundle, slow).measured
    thread.join()
    assert dropped == [1]
    assert "reconnected" in {flag.name for flag in row.flags}


def test_a_board_with_low_voltage_is_refused_until_it_is_forced(
    board: FakeBoard, bench: Callable[..., Outcome], bundle: Bundle, artifact: Artifact
) -> None:
    board.put("throttled", "0x50001")
    with pytest.raises(Throttled, match="the firmware reports: low voltage") as refused:
        bench(bundle, artifact)
    assert "power supply" in refused.value.hint
    assert "--force" in refused.value.hint


def test_devices_shows_a_board_and_the_reason_of_one_that_is_away(
    board: FakeBoard, tmp_path: Path
) -> None:
    both = "ssh:board,ssh:seaformer.invalid"
    done = seaformer("devices", "--device", both, cwd=tmp_path)
    assert done.code == 0, done.err
    assert "Raspberry Pi 5 Model B Rev 1.0, Debian GNU/Linux 12 (bookworm), Linux 6.6" in done.out
    assert "cpu1 (taskset 2)" in done.out
    assert "CPU 48.2 °C, not throttled" in done.out
    assert "the host is unknown" in done.out
    assert "seaformer bench --device ssh:board" in done.err + done.out


@pytest.mark.parametrize(
    ("make", "precision"),
    [
        pytest.param(small, "fp32", marks=pytest.mark.slow),
        pytest.param(half, "fp16", marks=pytest.mark.zoo),  # its exports take minutes
    ],
)
def test_both_engines_answer_rightly_on_an_emulated_board(
    bench: Callable[..., Outcome], make: Callable[[str], Artifact], precision: str
) -> None:
    real = arm.needed(arm.bundle)
    artifacts = [make("onnx"), make("executorch")]
    rows = bench(real, *artifacts).measured
    assert [(row.format, row.precision) for row in rows] == [
        ("onnx", precision),
        ("executorch", precision),
    ]
    assert {row.runner_build for row in rows} == {real.manifest.content_id}
