"""Phones that share a serial number, and devices that are not phones as one expects them."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.android_bench import condition
from seaformer.android_bench.adb_server import AdbServer
from seaformer.android_bench.connection import Phone
from seaformer.android_bench.devices import list_phones, read_probe
from seaformer.android_bench.finder import Finder
from seaformer.android_bench.parse import SKIN, parse_battery, parse_thermal
from seaformer.bench.fleet import BenchOrder, Fleet
from seaformer.bench.targets import phone as phone_target
from seaformer.core.artifact import Artifact
from seaformer.core.errors import DeviceError, ManyDevices, MeasurementRefused
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.runtime.build.bundle import Bundle
from seaformer.store.results import ResultStore
from tests.android_bench.test_devices import answer
from tests.android_bench.test_phone_names import renaming
from tests.fakes.adb import PrivateAdb
from tests.fakes.phone import FakePhone

PLAN = RunPlan(processes=1, warmup=Warmup(runs=1), stop=Stop(runs=3))
ALIKE = "0123456789ABCDEF"
BOARD = "Current Battery Service state:\n  AC powered: true\n  present: false\n  level: 0\n"


def fleet(phones: list[FakePhone], folder: Path) -> Fleet:
    order = BenchOrder(PLAN, ResultStore(folder))
    return Fleet([phone.address for phone in phones], order, lambda sentence: None)


@pytest.fixture
def built(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phone_target, "build_arm64_bundle", lambda progress, libraries=(): bundle)


@pytest.mark.usefixtures("built")
def test_phones_with_one_serial_number_are_devices_of_their_own(
    phone: FakePhone, artifact: Artifact, tmp_path: Path
) -> None:
    with FakePhone("two-core") as other:
        assert phone.profile.properties["ro.serialno"] == other.profile.properties["ro.serialno"]
        outcomes = fleet([phone, other], tmp_path).run([artifact])
    rows = [row for outcome in outcomes for row in outcome.measured]
    assert [row.valid for row in rows] == [True, True]
    assert len({row.device.id for row in rows}) == 2


@pytest.mark.usefixtures("built")
def test_phones_that_nothing_distinguishes_never_share_a_row(
    artifact: Artifact, tmp_path: Path
) -> None:
    with FakePhone("two-core", android_id="") as one, FakePhone("two-core", android_id="") as two:
        measured, refused = fleet([one, two], tmp_path).run([artifact])
    assert [row.valid for row in measured.measured] == [True]
    assert isinstance(refused.error, MeasurementRefused)
    assert f"{two.address} and {one.address} have one identity" in refused.error.message
    assert len(ResultStore(tmp_path).load().measurements) == 1


def test_phones_of_one_serial_at_one_server_are_named_by_their_connection(
    phone: FakePhone, tmp_path: Path
) -> None:
    """Debian's adb lists two phones; the relay gives both one serial, as two USB boards have."""
    with PrivateAdb() as adb, FakePhone("mi10") as other:
        for each in (phone, other):
            adb.connect(each.address)
        with (
            renaming(adb.port, phone.address, ALIKE) as first,
            renaming(first, other.address, ALIKE) as both,
        ):
            finder = Finder(f"127.0.0.1:{both}")
            found = finder.devices()
            assert all(device.serial.startswith("transport:") for device in found)
            assert len({device.serial for device in found}) == 2
            with pytest.raises(ManyDevices, match=f"2 devices have the serial number {ALIKE}"):
                finder.choose(ALIKE)
            models = []
            for device in found:
                (chosen,) = finder.choose(device.serial)
                transport = finder.open(chosen)
                models.append(transport.shell(["getprop", "ro.product.model"], 10).stdout.strip())
            assert sorted(models) == sorted(
                each.profile.properties["ro.product.model"] for each in (phone, other)
            )


def test_one_phone_of_a_serial_keeps_it() -> None:
    with PrivateAdb() as adb, FakePhone("two-core") as phone:
        adb.connect(phone.address)
        (device,) = AdbServer("127.0.0.1", adb.port).devices() or ()
        assert device.serial == phone.address


def test_a_device_without_a_battery_is_not_refused_for_it(phone: FakePhone) -> None:
    battery = parse_battery(BOARD)
    assert (battery.present, battery.level_percent, battery.charging) == (False, None, None)
    finder = Finder()
    (device,) = finder.choose(phone.address)
    connection = Phone(finder, device)
    state = condition.read_state(connection, 1)
    connection.close()
    board = replace(state, battery=battery, mains=True)  # on a charger for ever
    assert condition.refusals(board, (1,), "S") == []
    assert "no battery" in {flag.name for flag in condition.notes(board)}


@pytest.mark.parametrize("text", ["present: true\n  level: -1\n", "present: False\n  level: 0\n"])
def test_a_level_that_is_none_is_not_a_low_battery(text: str) -> None:
    assert parse_battery(f"Current Battery Service state:\n  {text}").level_percent is None


def test_a_sensor_that_reports_nan_is_passed_over() -> None:
    text = "".join(
        f"Temperature{{mValue={value}, mType=3, mName={name}, mStatus=0}}\n"
        for name, value in (
            ("broken", "NaN"),
            ("skin", "36.0"),
            ("other", "-inf"),
            ("absurd", "1.0E10"),
            ("absent", "-273.15"),
        )
    )
    thermal = parse_thermal(f"Thermal Status: 0\n{text}")
    assert thermal.hottest_c(SKIN) == 36.0


@pytest.mark.parametrize(
    ("abi", "kind"),
    [("armeabi-v7a", "armeabi-v7a, 32-bit ARM"), ("x86_64", "x86_64, x86"), ("mips", "mips")],
)
def test_a_device_that_cannot_run_the_bundle_says_so(abi: str, kind: str) -> None:
    with FakePhone("two-core", properties={"ro.product.cpu.abi": abi}) as phone:
        (report,) = list_phones(Finder(), phone.address)
        assert f"must be arm64-v8a (got {kind})" in report.error
        assert report.hint
        with pytest.raises(DeviceError, match=r"must be arm64-v8a"):
            phone_target.open_target(lambda sentence: None, phone.address)


def test_the_identity_follows_the_android_id_and_nothing_else() -> None:
    def identity(**parts: str) -> str:
        output = answer("galaxys20_android12", **parts)
        from seaformer.android_bench.transport import ShellResult

        return read_probe(lambda text, *more: ShellResult(output, "", 0), "SERIAL").info.id

    assert identity(android_id="8c1f0e21aa3b4c5d\n") != identity(android_id="1111111122222222\n")
    assert identity(android_id="null\n") == identity(android_id="cmd: not found\n") == identity()


def test_an_adb_server_is_not_needed_for_a_name_like_transport() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(DeviceError):
        Finder(f"127.0.0.1:{port}").choose("transport:1")
