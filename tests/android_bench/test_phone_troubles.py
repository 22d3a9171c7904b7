"""Faults of the phone itself and of its lock: a bench ends well, and no partial row looks whole.

``test_fault_table.py`` names which line of ``docs/phone.md`` is proved by which test.
"""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.bench.run import Bench
from seaformer.core.artifact import Artifact
from seaformer.core.errors import (
    DeviceBusy,
    LowBattery,
    PinningBroken,
    TooHot,
)
from tests.android_bench.benches import (
    SAMPLES,
    Workbench,
    left_behind,
    parts,
    runs,
    stored,
    when_running,
    whole,
)
from tests.fakes.phone import FakePhone
from tests.fakes.scripted import scripted_artifact


def test_a_bench_leaves_nothing_on_the_phone_but_the_cache(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    trial = workbench.run(phone, artifact)
    assert whole(trial.row)
    assert left_behind(phone) == []
    assert stored(workbench) == trial.rows
    assert any("settings put global" in command for command in phone.commands)


def test_the_second_bench_pushes_nothing(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    first = workbench.run(phone, artifact).target.bytes_pushed
    size = sum(file.size_bytes for file in workbench.bundle.manifest.files)
    assert first > size
    pushes = len(phone.pushes)
    assert workbench.run(phone, artifact).target.bytes_pushed == 0
    assert len(phone.pushes) == pushes


def test_a_phone_without_space_reports_how_much_is_needed_before_anything_is_sent(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    phone.set_fault("enospc", free=200_000)
    trial = workbench.run(phone, artifact)
    assert trial.row.failure is not None
    assert "MB are needed" in trial.row.failure
    assert trial.row.methods == {}
    assert parts(phone) == []
    assert left_behind(phone) == []
    phone.clear_fault("enospc")
    assert whole(workbench.run(phone, artifact, resume=True).row)


def test_a_result_that_finds_no_space_is_no_result(
    workbench: Workbench, phone: FakePhone, tmp_path: Path
) -> None:
    # What the runner writes goes to a device that is full, as the kernel itself says.
    full = scripted_artifact(tmp_path / "a", trouble='ln -s /dev/full "$out/output_0.bin"')
    trial = workbench.run(phone, full)
    assert trial.row.failure is not None
    assert "no space left in /data/local/tmp" in trial.row.failure
    assert trial.row.methods == {}
    assert left_behind(phone) == []


def test_a_runner_that_is_killed_is_a_row_with_the_signal_and_other_rows_continue(
    workbench: Workbench, phone: FakePhone, artifact: Artifact, tmp_path: Path
) -> None:
    killed = scripted_artifact(tmp_path / "a", trouble="kill -9 $$")
    failed, good = workbench.run(phone, killed, artifact).rows
    assert str(failed.failure).startswith("The runner was killed by SIGKILL")
    assert failed.methods == {}
    assert whole(good)


def test_a_job_that_is_killed_as_a_whole_is_a_row_and_other_rows_continue(
    workbench: Workbench, phone: FakePhone, artifact: Artifact, slow: Artifact
) -> None:
    phone.set_fault("kill", match="seaformer_runner.*[0-9a-f]{64}", file="seaformer/lock/job")
    trial = workbench.run(phone, slow, artifact)
    assert phone.fired == ["kill"]
    failures = [row.failure for row in trial.rows if row.failure]
    assert len(failures) == 1
    assert re.search("killed", failures[0])
    good = [row for row in trial.rows if row.failure is None]
    assert len(good) == 1
    assert whole(good[0])


@pytest.mark.parametrize("files", ["keep", pytest.param("lost", marks=pytest.mark.slow)])
def test_a_reboot_loses_the_one_run_that_ran_and_resume_completes_it(
    workbench: Workbench, phone: FakePhone, slow: Artifact, artifact: Artifact, files: str
) -> None:
    rebooted = threading.Timer(
        0, lambda: when_running(phone, lambda: phone.reboot(files=files, down_s=0.5, boot_s=0.5))
    )
    rebooted.start()
    trial = workbench.run(phone, slow, artifact)
    rebooted.join()
    lost, other = trial.rows
    assert lost.failure is not None
    assert "was restarted" in lost.failure
    assert not lost.valid
    assert whole(other)
    again = workbench.run(phone, slow, artifact, resume=True)
    assert whole(again.rows[0])
    assert again.rows[1] == other
    assert left_behind(phone) == []


def test_a_hot_phone_is_refused_and_force_is_noted_in_the_row(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    phone.heat(47.0)
    with pytest.raises(TooHot, match="thermal status is") as caught:
        workbench.run(phone, artifact)
    assert "--force" in caught.value.hint
    assert stored(workbench) == []
    assert left_behind(phone) == []
    trial = workbench.run(phone, artifact, force=True)
    assert "thermal status" in trial.flags()["forced"]


@pytest.mark.slow
def test_a_block_that_heat_throttled_is_discarded_cooled_and_redone(
    workbench: Workbench, phone: FakePhone, slow: Artifact
) -> None:
    def heat() -> None:
        when_running(phone, lambda: phone.heat(47.0))
        time.sleep(3.0)
        phone.heat(30.0)

    heater = threading.Thread(target=heat)
    heater.start()
    trial = workbench.run(phone, slow)
    heater.join()
    assert whole(trial.row)
    assert "discarded and redone" in trial.flags()["redone"]
    assert any("cool down" in sentence for sentence in trial.messages)


def test_a_block_that_was_discarded_is_not_found_by_resume(
    workbench: Workbench, phone: FakePhone, slow: Artifact
) -> None:
    def leave_when_hot(seconds: float) -> None:
        if any("cool down" in sentence for sentence in messages):
            raise KeyboardInterrupt
        time.sleep(seconds / 4)

    messages: list[str] = []
    patient = workbench.pause
    workbench.pause = leave_when_hot
    heater = threading.Thread(target=lambda: when_running(phone, lambda: phone.heat(47.0)))
    heater.start()
    target = workbench.target(phone, messages)
    with pytest.raises(KeyboardInterrupt):
        Bench(target, workbench.plan, workbench.store).run([slow])
    heater.join()
    assert runs(phone) == 1
    assert left_behind(phone) == []
    phone.heat(30.0)
    workbench.pause = patient
    assert whole(workbench.run(phone, slow, resume=True).row)
    assert runs(phone) == 2


def test_a_core_that_is_offline_is_refused(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    phone.core(1, online=False)
    with pytest.raises(PinningBroken, match="core 1 is offline"):
        workbench.run(phone, artifact)


def test_a_core_that_goes_offline_in_a_bench_ends_the_row_and_nothing_runs_elsewhere(
    workbench: Workbench, phone: FakePhone, slow: Artifact
) -> None:
    workbench.processes = 2
    away = threading.Thread(target=lambda: when_running(phone, lambda: phone.core(1, online=False)))
    away.start()
    trial = workbench.run(phone, slow)
    away.join()
    assert trial.row.failure is not None
    assert "core 1 is offline" in trial.row.failure
    assert not trial.row.valid
    assert runs(phone) == 1
    assert left_behind(phone) == []
    phone.core(1, online=True)
    assert whole(workbench.run(phone, slow, resume=True).row, 2)
    assert runs(phone) == 3  # the run whose core went away was not taken up


def test_two_benches_cannot_share_a_phone(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    first = workbench.target(phone)
    with first.session("one"), pytest.raises(DeviceBusy, match="in use by another bench"):
        workbench.run(phone, artifact)
    assert whole(workbench.run(phone, artifact).row)


def test_a_lock_from_before_a_reboot_is_stale(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    lock = phone.root / "seaformer" / "lock"
    lock.mkdir(parents=True)
    (lock / "owner").write_text("token bench 00000000-0000-0000-0000-000000000000\n")
    (lock / "beat").write_text("99999999\n")
    assert whole(workbench.run(phone, artifact).row)


def test_a_bench_whose_phone_was_taken_over_touches_nothing_any_more(
    workbench: Workbench, phone: FakePhone, slow: Artifact
) -> None:
    def take_over() -> None:
        (phone.root / "seaformer" / "lock" / "owner").write_text("another bench now\n")

    thief = threading.Thread(target=lambda: when_running(phone, take_over))
    thief.start()
    trial = workbench.run(phone, slow)
    thief.join()
    assert trial.row.failure is not None
    assert "another bench has taken the phone over" in trial.row.failure
    assert (phone.root / "seaformer" / "lock" / "owner").read_text() == "another bench now\n"
    assert any("nothing was touched" in sentence for sentence in trial.messages)


@pytest.mark.slow
def test_a_phone_that_does_not_come_back_is_a_row_and_resume_takes_up_what_it_holds(
    workbench: Workbench, phone: FakePhone, slow: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seaformer.android_bench.adb_direct._CONNECT_S", 1.0)
    workbench.policy = replace(workbench.policy, total_s=1.0, longest_s=0.3)
    workbench.processes = 3

    def unplug() -> None:
        while runs(phone) < 2:
            time.sleep(0.02)
        phone.set_fault("offline")
        phone.disconnect()

    cable = threading.Thread(target=unplug)
    cable.start()
    trial = workbench.run(phone, slow)
    cable.join()
    assert trial.row.failure is not None
    assert "was lost and did not come back" in trial.row.failure
    assert not trial.row.valid
    assert any("could not be put back" in sentence for sentence in trial.messages)
    kept = [process.count for process in trial.row.methods["forward"].processes]
    assert kept == [SAMPLES]
    phone.clear_fault("offline")
    time.sleep(1.5)
    before = runs(phone)
    again = workbench.run(phone, slow, resume=True)
    assert whole(again.row, 3)
    assert runs(phone) == before + 1
    assert again.flags()["resumed"]
    assert left_behind(phone) == []


def test_resume_measures_nothing_that_is_stored_whole(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    first = workbench.run(phone, artifact)
    before = runs(phone)
    again = workbench.run(phone, artifact, resume=True)
    assert again.rows == first.rows
    assert runs(phone) == before
    assert len(stored(workbench)) == 1


def test_a_battery_that_is_low_is_refused(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    phone.battery(level=12)
    with pytest.raises(LowBattery, match=r"must be at 30 % or more \(got 12 %\)"):
        workbench.run(phone, artifact)
