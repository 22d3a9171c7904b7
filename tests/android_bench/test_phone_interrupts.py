"""The real command, interrupted and killed: what is put back, what is kept, who holds the lock."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from seaformer.android_bench import connection
from seaformer.android_bench import lock as lock_module
from seaformer.android_bench.lock import Lock
from seaformer.bench import schedule
from seaformer.core.artifact import Artifact
from seaformer.core.errors import DeviceBusy
from seaformer.core.runs import Runs
from seaformer.store.results import ResultStore
from tests.android_bench.benches import SETTING, Workbench, left_behind, parts, runs
from tests.android_bench.commands import command, wait_for
from tests.fakes.phone import FakePhone
from tests.fakes.scripted import HELD, scripted_artifact

LONG_S = 240  # a machine that does other things beside
Connections = tuple[connection.Phone, connection.Phone]


@pytest.fixture
def connections(phone: FakePhone, workbench: Workbench) -> Iterator[Connections]:
    """The phone as two benches see it."""
    first, second = (workbench.target(phone)._phone for _ in range(2))
    yield first, second
    for each in (first, second):
        each.close()


@pytest.mark.slow
def test_ctrl_c_puts_everything_back_and_keeps_what_was_measured(
    phone: FakePhone, tmp_path: Path
) -> None:
    slow = scripted_artifact(tmp_path / "a", "slow", seconds=1.5)
    arguments = ["--device", phone.address, "--repeats", "4", str(slow.path)]
    bench = command(tmp_path, *arguments)
    wait_for(lambda: runs(phone) >= 2)
    bench.send_signal(signal.SIGINT)
    _, stderr = bench.communicate(timeout=LONG_S)
    assert bench.returncode == 130, stderr
    assert "kept on it for --resume" in stderr
    assert not (phone.root / "seaformer" / "lock").exists()
    assert not (phone.root / "seaformer" / "changed").exists()
    assert not [process for process in phone.processes() if "seaformer_runner" in process.line]
    (row,) = ResultStore(tmp_path / "results").load().measurements
    assert not row.valid
    assert "interrupted" in {flag.name for flag in row.flags}
    ran = len(row.methods["forward"].processes)
    again = command(tmp_path, *arguments, "--resume", "--json")
    stdout, stderr = again.communicate(timeout=LONG_S)
    assert again.returncode in (0, 5), stderr
    (document,) = json.loads(stdout)
    assert len(document["methods"]["forward"]["processes"]) == 4
    assert runs(phone) <= 4 + 1
    assert ran >= 1
    assert left_behind(phone) == []


@pytest.mark.slow
def test_a_harness_that_was_killed_is_taken_up_by_resume(phone: FakePhone, tmp_path: Path) -> None:
    slow = scripted_artifact(tmp_path / "a", "slow", seconds=1.5)
    arguments = ["--device", phone.address, "--repeats", "3", str(slow.path)]
    bench = command(tmp_path, *arguments)
    wait_for(lambda: runs(phone) >= 2)
    bench.kill()
    bench.communicate()
    assert (phone.root / "seaformer" / "changed").exists()
    assert ResultStore(tmp_path / "results").load() == Runs()
    other = command(tmp_path, *arguments)
    _, stderr = other.communicate(timeout=LONG_S)
    assert other.returncode == 4
    assert "is in use by the same bench" in stderr
    assert "--resume" in stderr
    again = command(tmp_path, *arguments, "--resume", "--json")
    stdout, stderr = again.communicate(timeout=LONG_S)
    assert again.returncode in (0, 5), stderr
    assert "stay_on_while_plugged_in, changed by a killed bench, was put back" in stderr
    (document,) = json.loads(stdout)
    assert document["failure"] is None
    assert "resumed" in {flag["name"] for flag in document["flags"]}
    assert runs(phone) == 3
    assert left_behind(phone) == []


@dataclass(frozen=True)
class QuickAndHeld:
    """A model that runs at once and one that waits, in the order in which a bench takes them."""

    artifacts: list[str]

    @classmethod
    def make(cls, folder: Path) -> QuickAndHeld:
        quick = scripted_artifact(folder, "quick")
        held = scripted_artifact(folder, "held", trouble=HELD)
        (order,) = schedule.rounds(2, 1, 0)
        return cls([str([quick, held][at].path) for at in order])


def setting(phone: FakePhone, workbench: Workbench) -> str:
    target = workbench.target(phone)
    try:
        return target._phone.run(SETTING).stdout.strip()
    finally:
        target.close()


def runners(phone: FakePhone) -> list[str]:
    return [each.line for each in phone.processes() if "seaformer_runner" in each.line]


def test_ctrl_c_with_two_phones_puts_both_back_and_keeps_the_rows_that_were_done(
    phone: FakePhone, workbench: Workbench, tmp_path: Path
) -> None:
    models, scratch = QuickAndHeld.make(tmp_path / "a").artifacts, tmp_path / "scratch"
    scratch.mkdir()
    store = ResultStore(tmp_path / "results")
    with FakePhone("two-core") as other:
        phones = (phone, other)
        before = [setting(each, workbench) for each in phones]
        devices = ",".join(each.address for each in phones)
        arguments = ["--device", devices, "--repeats", "1", "--seed", "0", *models]
        bench = command(tmp_path, *arguments, scratch=scratch)
        wait_for(
            lambda: (
                [runs(each) for each in phones] == [2, 2] and len(store.load().measurements) == 2
            )
        )
        for each in phones:
            assert (each.root / "seaformer" / "lock" / "owner").exists()
            assert (each.root / "seaformer" / "changed").exists()
        bench.send_signal(signal.SIGINT)
        _, stderr = bench.communicate(timeout=LONG_S)
        assert bench.returncode == 130, stderr
        assert "Interrupted; what was measured has been stored." in stderr
        for each, was in zip(phones, before, strict=True):
            assert runners(each) == []
            assert parts(each) == []
            # One job: the run that ended, kept for --resume until the row it belongs to is whole.
            kept = {path.split("/")[0] for path in left_behind(each)}
            assert kept == {"jobs"}
            assert setting(each, workbench) == was
            assert f"{each.address}: 1 finished run is kept on it for --resume" in stderr
        assert list(scratch.iterdir()) == []
        stored = store.load()
        assert stored.damaged == ()
        rows = stored.measurements
        assert sorted(row.model for row in rows) == ["quick", "quick"]
        assert all(row.valid for row in rows)
        for each in phones:
            (each.root / "go").touch()
        again = command(tmp_path, *arguments, "--resume", "--json")
        stdout, stderr = again.communicate(timeout=LONG_S)
        assert again.returncode == 0, stderr
        assert sorted(row["model"] for row in json.loads(stdout)) == [
            "held",
            "held",
            "quick",
            "quick",
        ]
        assert [runs(each) for each in phones] == [3, 3]
        assert [left_behind(each) for each in phones] == [[], []]


def test_resume_never_takes_a_phone_from_a_bench_that_is_alive(
    phone: FakePhone, tmp_path: Path
) -> None:
    held = scripted_artifact(tmp_path / "a", "held", trouble=HELD)
    arguments = ["--device", phone.address, "--repeats", "1", str(held.path)]
    first = command(tmp_path, *arguments, "--json")
    wait_for(lambda: runs(phone) == 1)
    second = command(tmp_path, *arguments, "--resume")
    stdout, stderr = second.communicate(timeout=LONG_S)
    assert second.returncode == 4, stderr
    assert f"{phone.address} is in use by the same bench, which is alive" in stderr
    assert "Let it end, or stop it with Ctrl-C" in stderr
    assert "Traceback" not in stderr
    assert stdout == ""
    (phone.root / "go").touch()
    stdout, stderr = first.communicate(timeout=LONG_S)
    assert first.returncode == 0, stderr
    (row,) = json.loads(stdout)
    assert row["valid"]
    assert {flag["name"] for flag in row["flags"]}.isdisjoint({"reconnected", "resumed"})
    assert runs(phone) == 1
    assert left_behind(phone) == []


def test_a_lock_whose_beat_was_cut_is_taken_up_by_resume_when_it_stays_silent(
    phone: FakePhone, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_module, "_SILENT_SAME_S", 1.5)
    owner, other = connections
    dead = Lock(owner, "same")
    dead.take()
    (phone.root / "seaformer" / "lock" / "beat").write_text("")
    with pytest.raises(DeviceBusy, match="in use by the same bench"):
        Lock(other, "same").take()
    Lock(other, "same").take(resume=True)
    assert not dead.ours()


def test_the_last_poll_of_a_pulled_cable_is_not_taken_for_a_bench_that_is_alive(
    phone: FakePhone, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_module, "_SILENT_SAME_S", 4)
    owner, other = connections
    dead = Lock(owner, "same")
    dead.take()
    beat = phone.root / "seaformer" / "lock" / "beat"
    beat.write_text(f"{int(beat.read_text()) - 2}\n")
    waited: list[float] = []

    def pause(seconds: float) -> None:
        if not waited:  # it ends between two looks, with a beat of a later second
            beat.write_text(f"{int(beat.read_text()) + 1}\n")
        waited.append(seconds)
        time.sleep(0.05)

    monkeypatch.setattr(other, "pause", pause)
    Lock(other, "same").take(resume=True)
    assert len(waited) > 2
    assert not dead.ours()


def test_a_lock_that_is_being_made_is_not_taken_away(
    phone: FakePhone, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = phone.state.clock() + 100  # a phone that has run for longer than a lock may be silent
    monkeypatch.setattr(phone.state, "clock", lambda: later)
    phone.refresh()
    first, second = connections
    lock = phone.root / "seaformer" / "lock"
    Lock(first, "one").take()
    texts = {file.name: file.read_text() for file in lock.iterdir()}
    for name in texts:
        (lock / name).unlink()

    def pause(seconds: float) -> None:
        for name, text in texts.items():
            (lock / name).write_text(text)

    monkeypatch.setattr(second, "pause", pause)
    with pytest.raises(DeviceBusy, match="in use by another bench"):
        Lock(second, "two").take()
    assert {file.name: file.read_text() for file in lock.iterdir()} == texts


def test_an_owner_in_a_long_transfer_announces_it_and_is_not_taken_for_dead(
    phone: FakePhone, workbench: Workbench, artifact: Artifact, connections: Connections,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(connection, "_SHORT_S", 2.0)  # the bundle's half megabyte may take 2.1 s
    trial = workbench.run(phone, artifact)
    assert trial.row.valid
    (beat,) = [line for line in phone.commands if "+ $3" in line]
    assert beat.rstrip().rpartition(";")[0].endswith(" 2")
    owner, other = connections
    lock = Lock(owner, "same")
    lock.take()
    lock.beat(100)
    with pytest.raises(DeviceBusy, match="in use by the same bench") as caught:
        Lock(other, "same").take(resume=True)
    assert "free in 1" in caught.value.hint
    lock.leave()
