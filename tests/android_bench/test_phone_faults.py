"""Faults of cable, network, keys and files: a bench ends well, and no measurement is lost.

``test_fault_table.py`` names which line of ``docs/phone.md`` is proved by which test.
"""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.core.artifact import Artifact
from seaformer.core.errors import (
    DeviceOffline,
    NoDevice,
    Unauthorized,
)
from tests.android_bench.benches import (
    Workbench,
    parts,
    runs,
    when_running,
    whole,
)
from tests.fakes.phone import FakePhone


def test_a_connection_that_drops_in_a_push_starts_that_push_again(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    phone.set_fault("drop", bytes=300_000)
    trial = workbench.run(phone, artifact)
    assert phone.fired == ["drop"]
    assert whole(trial.row)
    assert "1 time" in trial.flags()["reconnected"]
    assert parts(phone) == []


def test_a_cable_pulled_while_the_runner_runs_costs_a_reconnect(
    workbench: Workbench, phone: FakePhone, slow: Artifact
) -> None:
    pulled = threading.Timer(0, lambda: when_running(phone, phone.disconnect))
    pulled.start()
    trial = workbench.run(phone, slow)
    pulled.join()
    assert whole(trial.row)
    assert trial.flags()["reconnected"]
    assert runs(phone) == 1


def test_a_start_whose_answer_is_lost_does_not_start_twice(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    phone.set_fault("drop", command="setsid nohup", after_s=1.0)
    trial = workbench.run(phone, artifact)
    assert phone.fired == ["drop"]
    assert whole(trial.row)
    assert runs(phone) == 1
    assert len(trial.row.methods["forward"].processes) == 1


def test_a_phone_that_stalls_is_left_and_reached_again(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    workbench.policy = replace(workbench.policy, call_s=4.0)
    phone.set_fault("stall", seconds=8, command="claimed")
    trial = workbench.run(phone, artifact)
    assert phone.fired == ["stall"]
    assert whole(trial.row)
    assert trial.flags()["reconnected"]


def test_a_truncated_push_gets_no_name(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    phone.set_fault("truncate", at=100_000, path=r"\.part-", silent=True)
    trial = workbench.run(phone, artifact)
    assert phone.fired == ["truncate"]
    assert any("arrived damaged" in sentence for sentence in trial.messages)
    assert whole(trial.row)
    for cached in (phone.root / "seaformer" / "cache").iterdir():
        assert re.fullmatch(r"[0-9a-f]{64}", cached.name)


def test_a_push_that_arrives_damaged_again_and_again_is_an_error_and_no_file(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    phone.set_fault("truncate", at=100_000, path=r"\.part-", silent=True, times=0)
    trial = workbench.run(phone, artifact)
    assert trial.row.failure is not None
    assert "arrived damaged 3 times" in trial.row.failure
    assert trial.row.methods == {}
    assert phone.fired == ["truncate"] * 3
    assert parts(phone) == []
    phone.clear_fault("truncate")
    assert whole(workbench.run(phone, artifact, resume=True).row)


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


def test_a_key_that_is_not_accepted_in_time_is_unauthorized(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seaformer.android_bench.adb_direct._ALLOW_S", 1.0)
    messages: list[str] = []
    with (
        FakePhone("two-core", auth="pending") as phone,
        pytest.raises(Unauthorized, match="has not accepted this computer's key"),
    ):
        workbench.target(phone, messages)
    assert any("accept this computer's key on the phone's screen" in line for line in messages)


def test_a_key_that_is_accepted_is_kept(workbench: Workbench, artifact: Artifact) -> None:
    with FakePhone("two-core", auth="accept") as phone:
        assert whole(workbench.run(phone, artifact).row)
        key = (Path.home() / ".android" / "adbkey").read_bytes()
        workbench.target(phone).close()
        assert (Path.home() / ".android" / "adbkey").read_bytes() == key


def test_garbage_on_the_wire_is_a_lost_connection(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    phone.set_fault("garbage", count=64, command="claimed")
    trial = workbench.run(phone, artifact)
    assert phone.fired == ["garbage"]
    assert whole(trial.row)
    assert trial.flags()["reconnected"]


def test_a_result_that_arrives_damaged_is_pulled_again(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    phone.set_fault("corrupt", path=r"output_0\.bin")
    phone.set_fault("corrupt", path=r"stdout")
    trial = workbench.run(phone, artifact)
    assert phone.fired == ["corrupt", "corrupt"]
    assert whole(trial.row)
    assert sum("arrived damaged, pulled again" in sentence for sentence in trial.messages) == 2


def test_a_result_that_arrives_damaged_again_and_again_is_no_result(
    workbench: Workbench, phone: FakePhone, artifact: Artifact
) -> None:
    phone.set_fault("corrupt", path=r"output_0\.bin", times=0)
    trial = workbench.run(phone, artifact)
    assert trial.row.failure is not None
    assert "arrived damaged 3 times" in trial.row.failure
    assert trial.row.methods == {}


def test_a_phone_that_accepts_and_does_not_answer_is_offline(
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
