"""``seaformer devices``: the attached phones, one by one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from seaformer.android_bench.devices import list_phones, prime_cpu, read_probe
from seaformer.android_bench.states import state_error
from seaformer.android_bench.transport import AttachedDevice, ShellResult, Transport
from seaformer.bench.target import choose_cores
from seaformer.core import codec
from seaformer.core.errors import DeviceError, DeviceLost, NoDevice
from seaformer.core.phone import PhoneReport
from seaformer.report.phones import phone_page
from seaformer.report.terminal import plain
from tests.android_bench.test_parse import PHONES, text
from tests.fakes.adb import PrivateAdb
from tests.fakes.phone import FakePhone


def answer(phone: str, **parts: str) -> str:
    """The output of the probe's script on a phone of the fixtures."""
    sections = {
        "properties": text(phone, "getprop"),
        "processors": text(phone, "cpuinfo"),
        "memory": text(phone, "meminfo"),
        "present": text(phone, "cpu_lists").partition("present:")[2].partition("\n")[0],
        "frequencies": text(phone, "cpufreq"),
        "battery": text(phone, "battery"),
        "thermal": text(phone, "thermalservice"),
        "space": text(phone, "df"),
        "end": "",
    } | parts
    return "".join(f"\n@@seaformer {name}\n{part}" for name, part in sections.items())


@dataclass
class CannedTransport:
    """A phone with one output for every command, or an error."""

    serial: str
    output: str | DeviceError
    way: str = "tcp"
    why: str = ""
    bytes_pushed: int = 0
    closed: bool = False

    def shell(self, argv: object, timeout_s: float) -> ShellResult:
        if isinstance(self.output, DeviceError):
            raise self.output
        return ShellResult(self.output, "", 0)

    def close(self) -> None:
        self.closed = True


@dataclass
class CannedFinder:
    """Phones by serial: an output, an error of the connection, or a state that is not ready."""

    phones: dict[str, tuple[str, str | DeviceError]]
    opened: list[CannedTransport] = field(default_factory=list)

    def choose(self, names: str) -> tuple[AttachedDevice, ...]:
        return tuple(
            AttachedDevice(serial, state, "usb", "adb server", "it runs", {"model": "Mi_10"})
            for serial, (state, _) in self.phones.items()
        )

    def open(self, device: AttachedDevice) -> Transport:
        if not device.ready:
            raise state_error(device.serial, device.state)
        self.opened.append(CannedTransport(device.serial, self.phones[device.serial][1]))
        return self.opened[-1]  # type: ignore[return-value]


def probed(phone: str, **parts: str) -> object:
    return read_probe(lambda script, *more: ShellResult(answer(phone, **parts), "", 0), "S")


def reported(finder: CannedFinder) -> dict[str, PhoneReport]:
    return {report.serial: report for report in list_phones(finder)}


@pytest.mark.parametrize("phone", PHONES)
def test_every_phone_of_the_fixtures_is_reported_whole(phone: str) -> None:
    finder = CannedFinder({"S": ("device", answer(phone))})
    report = reported(finder)["S"]
    assert not report.error
    assert report.cpu is not None
    assert report.mask == f"{1 << report.cpu:x}"
    assert report.free_bytes is not None
    assert report.battery_percent is not None
    assert all(transport.closed for transport in finder.opened)
    assert codec.from_json(PhoneReport, json.loads(json.dumps(codec.to_json(report)))) == report


@pytest.mark.parametrize("phone", PHONES)
def test_the_core_shown_is_the_one_a_bench_pins_to(phone: str) -> None:
    info = probed(phone).info  # type: ignore[attr-defined]
    assert (prime_cpu(info.clusters),) == choose_cores(info, "prime", 1).cpus


def test_a_mi_10_is_a_snapdragon_865_with_its_prime_core_free_of_surprises() -> None:
    report = reported(CannedFinder({"S": ("device", answer("mi10_android11"))}))["S"]
    assert plain(phone_page(report)) == (
        "S  Xiaomi Mi 10, Android 11, Snapdragon 865 (SM8250, kona)\n"
        "  state    device, usb\n"
        "  through  adb server (it runs)\n"
        "  cores    0-3 Kryo 4xx Silver (Cortex-A55) 1.80 GHz, 4-6 Cortex-A77 2.42 GHz, "
        "7 Cortex-A77 2.84 GHz\n"
        "  pinned   cpu7 (taskset 80), unless --core is given\n"
        "  free     69.8 GB in /data/local/tmp\n"
        "  battery  87 %, 29.1 °C, charging\n"
        "  heat     thermal status 0 (none), skin 31.2 °C\n"
    )


def test_a_hot_phone_without_its_prime_core_is_shown_with_both() -> None:
    report = reported(CannedFinder({"S": ("device", answer("mi10_android12"))}))["S"]
    lines = plain(phone_page(report))
    assert "offline  cpu7" in lines
    assert "pinned   cpu6 (taskset 40)" in lines
    assert "thermal status 2 (moderate), skin 43.6 °C" in lines
    assert "note     Snapdragon 865 has" in lines


def test_a_phone_that_is_lost_or_refused_leaves_the_others_whole() -> None:
    reports = reported(
        CannedFinder(
            {
                "lost": ("device", DeviceLost("lost: gone.", hint="Plug it in.")),
                "stranger": ("unauthorized", ""),
                "good": ("device", answer("pixel6_android14")),
                "torn": ("device", answer("mi10_android11")[:3000]),
            }
        )
    )
    assert list(reports) == ["lost", "stranger", "good", "torn"]
    assert (reports["lost"].error, reports["lost"].hint) == ("lost: gone.", "Plug it in.")
    assert "Allow" in reports["stranger"].hint
    assert reports["good"].model == "Google Pixel 6"
    assert "Incomplete reply from torn: got " in reports["torn"].error
    assert "error    lost: gone.\n  do       Plug it in." in plain(phone_page(reports["lost"]))


def test_a_field_that_cannot_be_read_is_a_note_and_the_rest_stays() -> None:
    output = answer("mi10_android11", battery="  level: \x00\n", space="df: not permitted\n")
    report = reported(CannedFinder({"S": ("device", output)}))["S"]
    assert report.battery_percent is None
    assert report.free_bytes is None
    assert any("dumpsys battery" in note for note in report.notes)
    assert report.cpu == 7


def test_an_id_hides_the_serial_number_and_is_the_same_by_every_way() -> None:
    def named(serial: str) -> str:
        result = ShellResult(answer("mi10_android11"), "", 0)
        return read_probe(lambda script, *more: result, serial).info.id

    assert named("4f3a2c1b") == named("192.168.0.7:5555")
    assert named("4f3a2c1b").startswith("mi-10-")
    assert "4f3a2c1b" not in named("4f3a2c1b")


def test_nothing_attached_is_an_error_of_its_own() -> None:
    class Empty:
        def choose(self, names: str) -> tuple[AttachedDevice, ...]:
            raise NoDevice("No phone is attached.")

        def open(self, device: AttachedDevice) -> Transport:
            raise AssertionError

    with pytest.raises(NoDevice):
        list_phones(Empty())


@pytest.fixture(scope="module")
def adb() -> Iterator[PrivateAdb]:
    with PrivateAdb() as client:
        yield client


def seaformer(home: Path, *arguments: str, port: int = 1) -> subprocess.CompletedProcess[str]:
    """The command as a user types it; port 1 is one without a server."""
    environment = {
        **os.environ,
        "HOME": str(home),
        "ANDROID_ADB_SERVER_PORT": str(port),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    environment.pop("ANDROID_SERIAL", None)
    return subprocess.run(
        [sys.executable, "-m", "seaformer", "devices", *arguments],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_command_shows_every_phone_of_an_adb_server(adb: PrivateAdb, tmp_path: Path) -> None:
    with FakePhone("mi10") as one, FakePhone("two-core") as two, FakePhone(auth="pending") as shy:
        adb.connect(one.address)
        adb.connect(two.address)
        adb.connect(shy.address, "unauthorized")
        done = seaformer(tmp_path, "--json", port=adb.port)
        assert done.returncode == 0, done.stderr
        rows = {row["serial"]: row for row in json.loads(done.stdout)}
        assert rows[one.address]["cpu"] == 7
        assert rows[two.address]["clusters"][1]["part"] == "Cortex-A77"
        assert "has not accepted" in rows[shy.address]["error"]
        assert "adb server" in rows[one.address]["way"]


@pytest.mark.parametrize("profile", ["mi10", "old"])
def test_the_command_connects_directly_to_an_address(profile: str, tmp_path: Path) -> None:
    with FakePhone(profile) as phone:
        phone.heat(44)
        done = seaformer(tmp_path, "--device", phone.address)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(phone.address)
        assert f"Next: seaformer bench --device {phone.address}" in done.stderr
        assert ("thermal status 2" in done.stdout) == (profile == "mi10")


def test_the_command_ends_with_the_device_code_when_no_phone_can_be_used(tmp_path: Path) -> None:
    with FakePhone(faults=[("drop", {"command": "getprop", "times": 0})]) as phone:
        done = seaformer(tmp_path, "--device", phone.address)
    assert done.returncode == 4
    assert "error" in done.stdout
    assert "Traceback" not in done.stderr
