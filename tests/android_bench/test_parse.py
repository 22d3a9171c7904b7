"""The text output of phones as records: every fixture, and every quirk by its name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seaformer.android_bench import parse, topology
from seaformer.core.errors import DeviceError

FIXTURES = Path(__file__).parents[1] / "fixtures" / "adb"
PHONES = sorted(path.name for path in FIXTURES.iterdir() if (path / "getprop.txt").exists())


def text(phone: str, name: str) -> str:
    with (FIXTURES / phone / f"{name}.txt").open(encoding="utf-8", newline="") as file:
        return file.read()


def without_eol(output: str) -> str:
    return output.rstrip("\r\n")


def with_cr(output: str) -> str:
    return output.replace("\r\n", "\n").replace("\n", "\r\n")


@pytest.mark.parametrize("phone", PHONES)
def test_every_fixture_names_its_sources_and_that_it_was_not_recorded(phone: str) -> None:
    sources = (FIXTURES / phone / "SOURCES.md").read_text(encoding="utf-8")
    assert "not recorded" in sources
    for path in (FIXTURES / phone).glob("*.txt"):
        assert path.stem in sources, path.name


@pytest.mark.parametrize(
    ("phone", "model", "android"),
    [
        ("mi10_android11", "Mi 10", "11"),
        ("mi10_android12", "Mi 10", "12"),
        ("pixel6_android14", "Pixel 6", "14"),
        ("galaxys20_android12", "SM-G981B", "12"),
        ("nexus5x_android8", "Nexus 5X", "8.1.0"),
    ],
)
def test_properties_hold_model_and_android(phone: str, model: str, android: str) -> None:
    properties = parse.parse_getprop(text(phone, "getprop"))
    assert properties["ro.product.model"] == model
    assert properties["ro.build.version.release"] == android
    assert properties["sys.boot_completed"] == "1"


def test_a_property_of_several_lines_keeps_them_all() -> None:
    properties = parse.parse_getprop(text("pixel6_android14", "getprop"))
    assert properties["ro.note.of.two.lines"] == "first]: [\nsecond"
    assert properties["ro.secure"] == "1"


@pytest.mark.parametrize("change", [with_cr, without_eol], ids=["cr", "without_eol"])
@pytest.mark.parametrize("phone", PHONES)
def test_line_ends_change_nothing(phone: str, change: Callable[[str], str]) -> None:
    def same(read: Callable[[str], object], name: str) -> bool:
        output = text(phone, name)
        return read(output) == read(change(output))

    assert same(parse.parse_getprop, "getprop")
    assert same(parse.parse_battery, "battery")
    assert same(parse.parse_thermal, "thermalservice")
    assert same(parse.parse_df, "df")
    assert same(parse.parse_values, "cpufreq")
    assert same(parse.parse_uptime, "uptime")
    assert same(parse.parse_boot_id, "boot_id")
    assert same(parse.parse_meminfo, "meminfo")
    assert same(topology.parse_cpuinfo, "cpuinfo")


def test_a_property_corrupted_is_left_out_and_its_neighbours_stay() -> None:
    properties = parse.parse_getprop("[a]: [1]\n\x00\xff]garbage\n[b: 2]\n[c]: [3]\n")
    assert properties == {"a": "1", "c": "3"}


def test_a_battery_has_level_temperature_and_whether_it_charges() -> None:
    hot = parse.parse_battery(text("mi10_android12", "battery"))
    assert hot == parse.Battery(62, 40.2, 3.911, charging=False, plugged=False, frozen=False)
    full = parse.parse_battery(text("pixel6_android14", "battery"))
    assert (full.plugged, full.charging) == (True, False)
    assert parse.parse_battery(text("nexus5x_android8", "battery")).charging is True


def test_a_battery_that_was_set_by_hand_is_frozen() -> None:
    output = text("mi10_android11", "battery").replace(
        "state:\n", "state:\n  (UPDATES STOPPED -- use 'reset' to restart)\n"
    )
    assert parse.parse_battery(output).frozen


def test_a_battery_below_zero_degrees_is_read() -> None:
    assert parse.parse_battery("  temperature: -35\n").temperature_c == -3.5


def test_a_battery_without_a_level_has_none() -> None:
    battery = parse.parse_battery("Can't find service: battery\n")
    assert (battery.level_percent, battery.charging, battery.plugged) == (None, None, None)


def test_a_battery_corrupted_is_an_error_that_shows_the_field() -> None:
    with pytest.raises(DeviceError, match=r"level.*'8x'"):
        parse.parse_battery("  level: 8x\n")


@pytest.mark.parametrize(
    ("phone", "status", "skin", "limit", "cooling"),
    [
        ("mi10_android11", 0, 31.2, 40.0, 3),
        ("mi10_android12", 2, 43.6, 40.0, 3),
        ("pixel6_android14", 0, 28.1, 39.0, 3),
        ("galaxys20_android12", 0, 31.2, None, 0),
        ("nexus5x_android8", None, None, None, 0),
    ],
)
def test_a_thermal_service_has_status_skin_and_its_limit(
    phone: str, status: int | None, skin: float | None, limit: float | None, cooling: int
) -> None:
    thermal = parse.parse_thermal(text(phone, "thermalservice"))
    assert thermal.status == status
    assert thermal.hottest_c(parse.SKIN) == skin
    assert thermal.skin_limit_c == limit
    assert len(thermal.cooling) == cooling


def test_the_sensors_of_now_win_over_the_cached_ones() -> None:
    output = text("mi10_android11", "thermalservice").replace(
        "\tTemperature{mValue=31.2, mType=3, mName=skin, mStatus=0}\nHAL",
        "\tTemperature{mValue=99.0, mType=3, mName=skin, mStatus=0}\nHAL",
    )
    assert "99.0" in output
    assert parse.parse_thermal(output).hottest_c(parse.SKIN) == 31.2
    cached = output.partition("Current temperatures")[0]
    assert parse.parse_thermal(cached).hottest_c(parse.SKIN) == 99.0


@pytest.mark.parametrize("nothing", ["null", "", "NaN", "Infinity"])
def test_a_sensor_that_measures_nothing_is_passed_over(nothing: str) -> None:
    output = text("mi10_android11", "thermalservice")
    silent = output.replace("mValue=31.2, mType=3", f"mValue={nothing}, mType=3")
    assert silent != output
    assert parse.parse_thermal(silent).hottest_c(parse.SKIN) is None
    line = f"\tTemperature{{mValue={nothing}, mType=3"
    spare = "\tTemperature{mValue=30.5, mType=3, mName=back, mStatus=0}\n"
    assert parse.parse_thermal(silent.replace(line, spare + line)).hottest_c(parse.SKIN) == 30.5


def test_a_thermal_status_corrupted_is_an_error() -> None:
    with pytest.raises(DeviceError, match=r"Thermal Status.*'hot'"):
        parse.parse_thermal("Thermal Status: hot\n")


@pytest.mark.parametrize("phone", PHONES)
def test_the_space_left_is_the_available_column_in_bytes(phone: str) -> None:
    output = text(phone, "df")
    space = parse.parse_df(output)
    assert space is not None
    numbers = re.findall(r" (\d{5,})", output)
    assert (space.total_bytes, space.free_bytes) == (
        int(numbers[0]) * 1024,
        int(numbers[2]) * 1024,
    )
    assert space.mount.startswith("/data")


def test_a_df_that_failed_has_no_space() -> None:
    assert parse.parse_df("df: /data/local/tmp: Permission denied\n") is None
    assert parse.parse_df("") is None


def test_adb_devices_has_serials_states_and_remarks() -> None:
    entries = parse.parse_devices(text("hosts", "adb29_devices"))
    assert [(item.serial, item.state) for item in entries] == [
        ("4f3a2c1b", "device"),
        ("R5CN30ABCDE", "unauthorized"),
        ("127.0.0.1:5600", "offline"),
        ("00a1b2c3d4e5f678", "no permissions"),
        ("1A2B3C4D5E6F7G", "recovery"),
    ]
    assert entries[0].properties["model"] == "Mi_10"
    assert "udev" in entries[3].detail
    assert entries[3].properties["transport_id"] == "6"


def test_adb_devices_of_other_versions_and_without_phones() -> None:
    entries = parse.parse_devices(text("hosts", "adb35_devices"))
    assert entries[0].serial == "adb-1A2B3C4D5E6F7G-abcdef._adb-tls-connect._tcp"
    assert parse.parse_devices(text("hosts", "none_devices")) == ()
    assert parse.parse_devices("List of devices attached\nabc\tdevice") == (
        parse.AdbEntry("abc", "device", {}),
    )


def test_adb_devices_with_cr_is_the_same() -> None:
    output = text("hosts", "adb29_devices")
    assert parse.parse_devices(with_cr(output)) == parse.parse_devices(output)


def test_an_uptime_or_boot_id_corrupted_is_an_error() -> None:
    for output in ("", "up 3 days\n", "1.0 2.0\n3.0 4.0\n"):
        with pytest.raises(DeviceError, match="uptime"):
            parse.parse_uptime(output)
    with pytest.raises(DeviceError, match="boot_id"):
        parse.parse_boot_id("cat: /proc/sys/kernel/random/boot_id: Permission denied\n")
    assert parse.parse_load("0.21 0.18 0.15 1/812 4711\n") == 0.21


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300), st.sampled_from(PHONES), st.integers(0, 3000))
def test_a_text_cut_and_corrupted_anywhere_gives_a_record_or_a_device_error(
    noise: str, phone: str, at: int
) -> None:
    readers = {
        "getprop": parse.parse_getprop,
        "battery": parse.parse_battery,
        "thermalservice": parse.parse_thermal,
        "df": parse.parse_df,
        "cpuinfo": topology.parse_cpuinfo,
        "uptime": parse.parse_uptime,
    }
    for name, read in readers.items():
        output = text(phone, name)
        for spoiled in (
            noise,
            output[:at] + noise,
            output[:at] + noise + output[at + len(noise) :],
        ):
            try:
                read(spoiled)
            except DeviceError as error:
                assert error.message  # noqa: PT017 - any other exception fails the test
