"""Everything that goes wrong with a phone: what the user sees, and that nothing measured is lost.

``docs/phone.md`` has the table; each line of it is a test here.
"""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.core.artifact import Artifact
from seaformer.core.errors import (
    DeviceBusy,
    DeviceOffline,
    LowBattery,
    NoDevice,
    PinningBroken,
    TooHot,
    Unauthorized,
)
from seaformer.core.measurement import Measurement
from tests.android_bench.benches import Workbench, left_behind, parts, runs
from tests.fakes.phone import FakePhone
from tests.fakes.scripted import scripted_artifact

SAMPLES = 3


def whole(row: Measurement, processes: int = 1) -> bool:
    """A row with every process and every sample, right and on its core."""
    run = row.methods["forward"]
    assert row.failure is None, row.failure
    assert [process.count for process in run.processes] == [SAMPLES] * processes
    assert {cpu for process in run.processes for cpu in process.sample_cpus} == {1}
    assert run.output is not None
    assert run.output.passed
    return row.valid


def stored(workbench: Workbench) -> list[Measurement]:
    found, damaged = workbench.store.load()
    assert not damaged
    return found


def test_a_bench_leaves_nothing_on_the_phone_but_the_cache(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    tried = workbench.run(phone, artifact)
    assert whole(tried.row)
    assert left_behind(phone) == []
    assert stored(workbench) == tried.rows
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


def test_a_connection_that_drops_in_a_push_starts_that_push_again(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    phone.set_fault("drop", bytes=300_000)
    tried = workbench.run(phone, artifact)
    assert phone.fired == ["drop"]
    assert whole(tried.row)
    assert "1 time" in tried.flags()["reconnected"]
    assert parts(phone) == []


def test_a_cable_pulled_while_the_runner_runs_costs_a_reconnect(
    workbench: Workbench, phone: FakePhone, slow: Artifact
) -> None:
    pulled = threading.Timer(0, lambda: _when_running(phone, phone.disconnect))
    pulled.start()
    tried = workbench.run(phone, slow)
    pulled.join()
    assert whole(tried.row)
    assert tried.flags()["reconnected"]
    assert runs(phone) == 1


def test_a_start_whose_answer_is_lost_does_not_start_twice(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    phone.set_fault("drop", command="setsid nohup", after_s=1.0)
    tried = workbench.run(phone, artifact)
    assert phone.fired == ["drop"]
    assert whole(tried.row)
    assert runs(phone) == 1
    assert len(tried.row.methods["forward"].processes) == 1


def test_a_phone_that_stalls_is_left_and_reached_again(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    workbench.patience = replace(workbench.patience, call_s=4.0)
    phone.set_fault("stall", seconds=8, command="claimed")
    tried = workbench.run(phone, artifact)
    assert phone.fired == ["stall"]
    assert whole(tried.row)
    assert tried.flags()["reconnected"]


def test_a_truncated_push_gets_no_name(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    phone.set_fault("truncate", at=100_000, path=r"\.part-", silent=True)
    tried = workbench.run(phone, artifact)
    assert phone.fired == ["truncate"]
    assert any("arrived damaged" in sentence for sentence in tried.said)
    assert whole(tried.row)
    for cached in (phone.root / "seaformer" / "cache").iterdir():
        assert re.fullmatch(r"[0-9a-f]{64}", cached.name)


def test_a_file_that_was_damaged_on_the_phone_is_sent_again(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    workbench.run(phone, artifact)
    cache = phone.root / "seaformer" / "cache" / artifact.sha256
    cache.write_bytes(cache.read_bytes()[:-1] + b"X")
    assert whole(workbench.run(phone, artifact).row)
    assert phone.pushes[-1][1] == artifact.size_bytes


def test_a_phone_that_refuses_the_key_is_unauthorized_and_made_its_key_with_0600(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    phone.set_fault("auth", mode="refuse")
    with pytest.raises(Unauthorized, match="has not accepted this computer's key") as caught:
        workbench.run(phone, artifact)
    assert "Allow" in caught.value.hint
    assert (Path.home() / ".android" / "adbkey").stat().st_mode & 0o777 == 0o600


def test_a_key_that_nobody_accepts_in_time_is_unauthorized(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seaformer.android_bench.adb_direct._ALLOW_S", 1.0)
    said: list[str] = []
    with (
        FakePhone("two-core", auth="pending") as phone,
        pytest.raises(Unauthorized, match="has not accepted this computer's key"),
    ):
        workbench.target(phone, said)
    assert any("accept this computer's key on the phone's screen" in line for line in said)


def test_a_key_that_is_accepted_is_kept(workbench: Workbench, artifact: Artifact) -> None:
    with FakePhone("two-core", auth="accept") as phone:
        assert whole(workbench.run(phone, artifact).row)
        key = (Path.home() / ".android" / "adbkey").read_bytes()
        workbench.target(phone).close()
        assert (Path.home() / ".android" / "adbkey").read_bytes() == key


def test_a_phone_without_space_says_how_much_is_needed_before_anything_is_sent(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    phone.set_fault("enospc", free=200_000)
    tried = workbench.run(phone, artifact)
    assert tried.row.failure is not None
    assert "MB are needed" in tried.row.failure
    assert tried.row.methods == {}
    assert parts(phone) == []
    assert left_behind(phone) == []
    phone.clear_fault("enospc")
    assert whole(workbench.run(phone, artifact, resume=True).row)


def test_a_result_that_finds_no_space_is_no_result(
    workbench: Workbench, phone: FakePhone, tmp_path: Path
) -> None:
    full = scripted_artifact(
        tmp_path / "a", trouble="echo 'write: No space left on device' >&2; exit 5"
    )
    tried = workbench.run(phone, full)
    assert tried.row.failure is not None
    assert "no space left in /data/local/tmp" in tried.row.failure
    assert tried.row.methods == {}


def test_a_runner_that_is_killed_is_a_row_that_names_the_signal(
    workbench: Workbench, phone: FakePhone, tmp_path: Path
) -> None:
    killed = scripted_artifact(tmp_path / "a", trouble="kill -9 $$")
    tried = workbench.run(phone, killed)
    assert str(tried.row.failure).startswith("The runner was killed by SIGKILL")
    assert tried.row.methods == {}


def test_a_job_that_is_killed_as_a_whole_is_a_row_and_the_others_go_on(
    workbench: Workbench, phone: FakePhone, artifact: Artifact, slow: Artifact
) -> None:
    phone.set_fault("kill", match="seaformer_runner.*[0-9a-f]{64}", file="seaformer/lock/job")
    tried = workbench.run(phone, slow, artifact)
    assert phone.fired == ["kill"]
    failures = [row.failure for row in tried.rows if row.failure]
    assert len(failures) == 1
    assert re.search("killed", failures[0])
    good = [row for row in tried.rows if row.failure is None]
    assert len(good) == 1
    assert whole(good[0])


@pytest.mark.parametrize("files", ["keep", "lost"])
def test_a_reboot_loses_the_one_run_that_ran_and_resume_completes_it(
    workbench: Workbench, phone: FakePhone, slow: Artifact, files: str
) -> None:
    rebooted = threading.Timer(
        0, lambda: _when_running(phone, lambda: phone.reboot(files=files, down_s=0.5, boot_s=0.5))
    )
    rebooted.start()
    tried = workbench.run(phone, slow)
    rebooted.join()
    assert tried.row.failure is not None
    assert "was restarted" in tried.row.failure
    assert not tried.row.valid
    again = workbench.run(phone, slow, resume=True)
    assert whole(again.row)
    assert left_behind(phone) == []


def test_a_hot_phone_is_refused_and_force_says_so_in_the_row(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    phone.heat(47.0)
    with pytest.raises(TooHot, match="thermal status is") as caught:
        workbench.run(phone, artifact)
    assert "--force" in caught.value.hint
    assert stored(workbench) == []
    assert left_behind(phone) == []
    tried = workbench.run(phone, artifact, force=True)
    assert "thermal status" in tried.flags()["forced"]


def test_a_block_that_heat_throttled_is_discarded_cooled_and_redone(
    workbench: Workbench, phone: FakePhone, slow: Artifact
) -> None:
    def heat() -> None:
        _when_running(phone, lambda: phone.heat(47.0))
        time.sleep(3.0)
        phone.heat(30.0)

    heater = threading.Thread(target=heat)
    heater.start()
    tried = workbench.run(phone, slow)
    heater.join()
    assert whole(tried.row)
    assert "discarded and redone" in tried.flags()["redone"]
    assert any("cool down" in sentence for sentence in tried.said)


def test_a_core_that_is_offline_is_refused(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    phone.core(1, online=False)
    with pytest.raises(PinningBroken, match="core 1 is offline"):
        workbench.run(phone, artifact)


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


def test_garbage_on_the_wire_is_a_lost_connection(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    phone.set_fault("garbage", count=64, command="claimed")
    tried = workbench.run(phone, artifact)
    assert phone.fired == ["garbage"]
    assert whole(tried.row)
    assert tried.flags()["reconnected"]


def test_a_result_that_arrives_damaged_is_pulled_again(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    phone.set_fault("corrupt", path=r"output_0\.bin")
    phone.set_fault("corrupt", path=r"stdout")
    tried = workbench.run(phone, artifact)
    assert phone.fired == ["corrupt", "corrupt"]
    assert whole(tried.row)
    assert sum("arrived damaged, pulled again" in sentence for sentence in tried.said) == 2


def test_a_result_that_arrives_damaged_again_and_again_is_no_result(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    phone.set_fault("corrupt", path=r"output_0\.bin", times=0)
    tried = workbench.run(phone, artifact)
    assert tried.row.failure is not None
    assert "arrived damaged 3 times" in tried.row.failure
    assert tried.row.methods == {}


def test_a_bench_whose_phone_was_taken_over_touches_nothing_any_more(
    workbench: Workbench, phone: FakePhone, slow: Artifact
) -> None:
    def take_over() -> None:
        (phone.root / "seaformer" / "lock" / "owner").write_text("another bench now\n")

    thief = threading.Thread(target=lambda: _when_running(phone, take_over))
    thief.start()
    tried = workbench.run(phone, slow)
    thief.join()
    assert tried.row.failure is not None
    assert "another bench has taken the phone over" in tried.row.failure
    assert (phone.root / "seaformer" / "lock" / "owner").read_text() == "another bench now\n"
    assert any("nothing was touched" in sentence for sentence in tried.said)


def test_a_phone_that_does_not_come_back_is_a_row_and_resume_takes_up_what_it_holds(
    workbench: Workbench, phone: FakePhone, slow: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seaformer.android_bench.adb_direct._CONNECT_S", 1.0)
    workbench.patience = replace(workbench.patience, total_s=1.0, longest_s=0.3)
    workbench.processes = 3

    def unplug() -> None:
        while runs(phone) < 2:
            time.sleep(0.02)
        phone.set_fault("offline")
        phone.disconnect()

    cable = threading.Thread(target=unplug)
    cable.start()
    tried = workbench.run(phone, slow)
    cable.join()
    assert tried.row.failure is not None
    assert "was lost and did not come back" in tried.row.failure
    assert not tried.row.valid
    assert any("could not be put back" in sentence for sentence in tried.said)
    kept = [process.count for process in tried.row.methods["forward"].processes]
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
    with pytest.raises(LowBattery, match="12 %, expected at least 30 %"):
        workbench.run(phone, artifact)


def test_a_phone_that_accepts_and_says_nothing_is_offline(
    workbench: Workbench, phone: FakePhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seaformer.android_bench.adb_direct._CONNECT_S", 1.0)
    phone.set_fault("offline")
    with pytest.raises(DeviceOffline, match="does not answer"):
        workbench.target(phone)


def test_an_address_where_nothing_listens_is_no_device(workbench: Workbench) -> None:
    with FakePhone("two-core") as gone:
        pass
    with pytest.raises(NoDevice, match="Nothing listens at"):
        workbench.target(gone)


def _when_running(phone: FakePhone, act: object) -> None:
    deadline = time.monotonic() + 30
    while not runs(phone):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert callable(act)
    act()
