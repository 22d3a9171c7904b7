"""A bench on phones: both ways to reach one, and several side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.bench.fleet import BenchOrder, Fleet
from seaformer.bench.run import Bench
from seaformer.core.artifact import Artifact
from seaformer.core.errors import ManyDevices, NoDevice
from seaformer.core.measurement import EMULATED, document
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.report.renderers import markdown, terminal
from seaformer.report.table import table_of
from seaformer.runtime.build.bundle import Bundle
from seaformer.store.results import ResultStore
from tests.android_bench.benches import Workbench, left_behind, runs
from tests.android_bench.commands import wait_for
from tests.fakes.adb import PrivateAdb
from tests.fakes.phone import EMULATED as OWNS_UP
from tests.fakes.phone import FakePhone
from tests.fakes.reports import report_of
from tests.fakes.scripted import HELD, scripted_artifact

FAST = RunPlan(processes=1, warmup=Warmup(runs=1), stop=Stop(runs=3))


@pytest.fixture
def adb(monkeypatch: pytest.MonkeyPatch) -> Iterator[PrivateAdb]:
    """A real adb server of the test's own, which seaformer finds as adb would."""
    with PrivateAdb() as client:
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(client.port))
        yield client


def test_a_running_adb_server_is_used_and_named(
    workbench: Workbench, phone: FakePhone, artifact: Artifact, adb: PrivateAdb
) -> None:
    adb.connect(phone.address)
    trial = workbench.run(phone, artifact)
    assert trial.row.valid
    assert trial.target.bytes_pushed > 0
    assert workbench.run(phone, artifact).target.bytes_pushed == 0
    assert adb.state(phone.address) == "device"


def away_and_back(
    workbench: Workbench, phone: FakePhone, folder: Path, go: Callable[[], object],
    back: Callable[[], object],
) -> None:  # fmt: skip
    """A bench whose phone leaves its server until that is noticed: the run survives."""
    held = scripted_artifact(folder, "held", trouble=HELD)
    workbench.policy = replace(workbench.policy, total_s=120)
    messages: list[str] = []
    target = workbench.target(phone, messages)

    def trouble() -> None:
        wait_for(lambda: runs(phone))
        go()
        wait_for(lambda: any("Connecting again" in sentence for sentence in messages))
        back()
        (phone.root / "go").touch()

    troubled = threading.Thread(target=trouble)
    troubled.start()
    (row,) = Bench(target, FAST, workbench.store).run([held])
    troubled.join()
    target.close()
    assert row.valid, row.failure
    assert "reconnected" in {flag.name for flag in row.flags}
    assert runs(phone) == 1
    assert left_behind(phone) == []


def test_a_server_that_is_killed_and_started_again_costs_a_reconnect(
    workbench: Workbench, phone: FakePhone, tmp_path: Path, adb: PrivateAdb
) -> None:
    def start() -> None:
        adb.run("start-server")
        adb.connect(phone.address)

    adb.connect(phone.address)
    away_and_back(workbench, phone, tmp_path / "a", lambda: adb.run("kill-server"), start)


def test_a_phone_that_its_server_no_longer_lists_costs_a_reconnect(
    workbench: Workbench, phone: FakePhone, tmp_path: Path, adb: PrivateAdb
) -> None:
    adb.connect(phone.address)

    def unplug() -> None:
        adb.run("disconnect", phone.address)

    away_and_back(workbench, phone, tmp_path / "a", unplug, lambda: adb.connect(phone.address))


def test_a_server_elsewhere_is_used_with_adb_host(
    workbench: Workbench, phone: FakePhone, artifact: Artifact, adb: PrivateAdb,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    adb.connect(phone.address)
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "1")
    trial = workbench.run(phone, artifact, adb_host=f"127.0.0.1:{adb.port}")
    assert trial.row.valid


def test_one_of_several_phones_must_be_chosen_from_the_list(
    adb: PrivateAdb, phone: FakePhone, tmp_path: Path
) -> None:
    with FakePhone("mi10") as other:
        for each in (phone, other):
            adb.connect(each.address)
        order = BenchOrder(FAST, ResultStore(tmp_path))
        with pytest.raises(ManyDevices, match="2 devices are ready") as caught:
            Fleet(["phone"], order, lambda sentence: None)
        assert phone.address in caught.value.message
        assert other.address in caught.value.message
        assert "--device" in caught.value.hint
        with pytest.raises(NoDevice, match=r"No device nobody is attached\. Attached: "):
            Fleet(["nobody"], order, lambda sentence: None)


def test_phones_run_side_by_side_and_a_lost_one_stops_none(
    phone: FakePhone, artifact: Artifact, tmp_path: Path, bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(
        "seaformer.bench.targets.phone.build_arm64_bundle", lambda say, libraries=(): bundle
    )
    store = ResultStore(tmp_path / "results")
    messages: list[str] = []
    with FakePhone("two-core") as refused, FakePhone("two-core") as second:
        refused.set_fault("auth", mode="refuse")
        names = [phone.address, refused.address, second.address]
        outcomes = Fleet(names, BenchOrder(FAST, store), messages.append).run([artifact])
        assert left_behind(second) == []
    assert [outcome.device for outcome in outcomes] == names
    assert [len(outcome.measured) for outcome in outcomes] == [1, 0, 1]
    assert "has not accepted" in str(outcomes[1].error)
    assert all(row.valid for outcome in outcomes for row in outcome.measured)
    assert any(sentence.startswith(f"[{second.address}] ") for sentence in messages)
    assert left_behind(phone) == []


@pytest.mark.parametrize(
    "properties",
    [{"ro.boot.qemu": "1"}, {"ro.kernel.qemu": "1"}, {"ro.hardware": "ranchu"}],
    ids=["boot", "kernel", "hardware"],
)
def test_a_phone_that_is_emulated_itself_is_recognised_by_its_properties(
    workbench: Workbench, properties: dict[str, str]
) -> None:
    with FakePhone("two-core", properties=properties) as emulated:
        target = workbench.target(emulated)
        assert target.source == EMULATED
        target.close()


def test_what_an_emulated_phone_ran_has_an_answer_and_neither_counts_nor_a_latency(
    workbench: Workbench, artifact: Artifact
) -> None:
    with FakePhone("two-core", properties=OWNS_UP) as emulated:
        row = workbench.run(emulated, artifact).row
    run = row.methods["forward"]
    assert (row.source, row.valid, run.counts) == (EMULATED, True, ())
    assert "an Android emulator" in next(f.detail for f in row.flags if f.name == "emulated")
    assert workbench.store.path_of(row).name.endswith("__emulated.json")
    shown = terminal.text(table_of([row]))
    assert "Nothing was counted there, and it is not a latency." in " ".join(shown.split())
    values = document(row)
    assert "median_ms" not in values | values["methods"]["forward"]
    assert "instructions" not in values["methods"]["forward"]
    for text in (shown, markdown.document(report_of([row]))):
        assert "counted exactly" not in text
        assert "1.00" not in text  # the milliseconds that the runner reported


def test_an_interrupt_from_outside_ends_every_wait(
    phone: FakePhone, workbench: Workbench, slow: Artifact
) -> None:
    stop = threading.Event()

    def pause(seconds: float) -> None:
        if stop.wait(seconds):
            raise KeyboardInterrupt

    workbench.pause = pause
    target = workbench.target(phone)

    def stop_a_run() -> None:
        wait_for(lambda: runs(phone))
        stop.set()

    threading.Thread(target=stop_a_run).start()
    with pytest.raises(KeyboardInterrupt):
        Bench(target, FAST, workbench.store).run([slow])
    assert not (phone.root / "seaformer" / "lock").exists()
