"""The command on a phone: both ways to reach it, several at once, interrupts, a killed harness."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from seaformer.bench.lanes import Lanes, Order
from seaformer.bench.run import Bench
from seaformer.core.artifact import Artifact
from seaformer.core.errors import ManyDevices, NoDevice
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.core.results import ResultStore
from seaformer.runtime._bundle import Bundle
from tests.android_bench.benches import Workbench, left_behind, runs
from tests.fakes.adb import ADB, PrivateAdb
from tests.fakes.phone import FakePhone
from tests.fakes.scripted import scripted_artifact

FAST = RunPlan(processes=1, warmup=Warmup(runs=1), stop=Stop(runs=3))
needs_adb = pytest.mark.skipif(ADB is None, reason="adb is not installed: apt-get install adb")

# The command line with the scripted runner in place of the one that is compiled.
_COMMAND = """
import sys
from pathlib import Path
from seaformer.bench.targets import phone
from seaformer.android_bench.link import Patience
from seaformer.runtime._bundle import open_bundle
from tests.fakes.scripted import scripted_bundle
bundle = scripted_bundle(Path(sys.argv.pop(1)))
phone.build_arm64_bundle = lambda progress: bundle
from seaformer.cli import main
main()
"""


@pytest.fixture
def adb(monkeypatch: pytest.MonkeyPatch) -> Iterator[PrivateAdb]:
    """A real adb server of the test's own, which seaformer finds as adb does."""
    with PrivateAdb() as client:
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(client.port))
        yield client


def command(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    """``seaformer bench ...`` as a process of its own."""
    argv = [sys.executable, "-c", _COMMAND, str(tmp_path / f"bundle{time.monotonic_ns()}")]
    argv += ["bench", "--runs", "3", "--warmup", "1", "--results", str(tmp_path / "results")]
    return subprocess.Popen(
        [*argv, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip


def wait_for(condition: object, within_s: float = 60) -> None:
    assert callable(condition)
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@needs_adb
def test_a_running_adb_server_is_used_and_named(
    workbench: Workbench, phone: FakePhone, artifact: Artifact, adb: PrivateAdb
) -> None:
    adb.connect(phone.address)
    tried = workbench.run(phone, artifact)
    assert tried.row.valid
    assert tried.target.bytes_pushed > 0
    assert workbench.run(phone, artifact).target.bytes_pushed == 0
    assert adb.state(phone.address) == "device"


@needs_adb
def test_a_server_elsewhere_is_used_with_adb_host(
    workbench: Workbench, phone: FakePhone, artifact: Artifact, adb: PrivateAdb,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    adb.connect(phone.address)
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "1")
    tried = workbench.run(phone, artifact, adb_host=f"127.0.0.1:{adb.port}")
    assert tried.row.valid


@needs_adb
def test_one_of_several_phones_must_be_chosen_and_the_list_says_which(
    adb: PrivateAdb, phone: FakePhone, tmp_path: Path
) -> None:
    with FakePhone("mi10") as other:
        for each in (phone, other):
            adb.connect(each.address)
        order = Order(FAST, ResultStore(tmp_path))
        with pytest.raises(ManyDevices, match="2 devices are ready") as caught:
            Lanes(["phone"], order, lambda sentence: None)
        assert phone.address in caught.value.message
        assert other.address in caught.value.message
        assert "--device" in caught.value.hint
        with pytest.raises(NoDevice, match=r"No device nobody is attached\. There are: "):
            Lanes(["nobody"], order, lambda sentence: None)


def test_phones_run_side_by_side_and_a_lost_one_stops_none(
    phone: FakePhone, artifact: Artifact, tmp_path: Path, bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("seaformer.bench.targets.phone.build_arm64_bundle", lambda say: bundle)
    store = ResultStore(tmp_path / "results")
    said: list[str] = []
    with FakePhone("two-core") as refused, FakePhone("two-core") as second:
        refused.set_fault("auth", mode="refuse")
        names = [phone.address, refused.address, second.address]
        outcomes = Lanes(names, Order(FAST, store), said.append).run([artifact])
        assert left_behind(second) == []
    assert [outcome.device for outcome in outcomes] == names
    assert [len(outcome.measured) for outcome in outcomes] == [1, 0, 1]
    assert "has not accepted" in str(outcomes[1].error)
    assert all(row.valid for outcome in outcomes for row in outcome.measured)
    assert any(sentence.startswith(f"[{second.address}] ") for sentence in said)
    assert left_behind(phone) == []


def test_ctrl_c_puts_everything_back_and_keeps_what_was_measured(
    phone: FakePhone, tmp_path: Path
) -> None:
    slow = scripted_artifact(tmp_path / "a", "slow", seconds=1.5)
    arguments = ["--device", phone.address, "--repeats", "4", str(slow.path)]
    bench = command(tmp_path, *arguments)
    wait_for(lambda: runs(phone) >= 2)
    bench.send_signal(signal.SIGINT)
    _, told = bench.communicate(timeout=60)
    assert bench.returncode == 130, told
    assert "kept on it for --resume" in told
    assert not (phone.root / "seaformer" / "lock").exists()
    assert not (phone.root / "seaformer" / "changed").exists()
    assert not [process for process in phone.processes() if "seaformer_runner" in process.line]
    (row,), _ = ResultStore(tmp_path / "results").load()
    assert not row.valid
    assert "interrupted" in {flag.name for flag in row.flags}
    ran = len(row.methods["forward"].processes)
    again = command(tmp_path, *arguments, "--resume", "--json")
    out, told = again.communicate(timeout=120)
    assert again.returncode in (0, 5), told
    (document,) = json.loads(out)
    assert len(document["methods"]["forward"]["processes"]) == 4
    assert runs(phone) <= 4 + 1
    assert ran >= 1
    assert left_behind(phone) == []


def test_a_harness_that_was_killed_is_taken_up_by_resume(phone: FakePhone, tmp_path: Path) -> None:
    slow = scripted_artifact(tmp_path / "a", "slow", seconds=1.5)
    arguments = ["--device", phone.address, "--repeats", "3", str(slow.path)]
    bench = command(tmp_path, *arguments)
    wait_for(lambda: runs(phone) >= 2)
    bench.kill()
    bench.communicate()
    assert (phone.root / "seaformer" / "changed").exists()
    assert ResultStore(tmp_path / "results").load() == ([], [])
    other = command(tmp_path, *arguments)
    _, told = other.communicate(timeout=60)
    assert other.returncode == 4
    assert "is in use by the same bench" in told
    assert "--resume" in told
    again = command(tmp_path, *arguments, "--resume", "--json")
    out, told = again.communicate(timeout=120)
    assert again.returncode in (0, 5), told
    assert "was left by a bench that died; put back" in told
    (document,) = json.loads(out)
    assert document["failure"] is None
    assert "resumed" in {flag["name"] for flag in document["flags"]}
    assert runs(phone) == 3
    assert left_behind(phone) == []


def test_an_interrupt_from_outside_ends_every_wait(
    phone: FakePhone, workbench: Workbench, slow: Artifact
) -> None:
    stop = threading.Event()

    def pause(seconds: float) -> None:
        if stop.wait(seconds):
            raise KeyboardInterrupt

    workbench.pause = pause
    target = workbench.target(phone)
    threading.Thread(target=lambda: (wait_for(lambda: runs(phone)), stop.set())).start()
    with pytest.raises(KeyboardInterrupt):
        Bench(target, FAST, workbench.store).run([slow])
    assert not (phone.root / "seaformer" / "lock").exists()
