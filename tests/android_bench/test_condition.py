"""The state of a fake phone, and the reasons to refuse a measurement in it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seaformer.android_bench import condition
from seaformer.android_bench.connection import Phone
from seaformer.android_bench.finder import Finder
from seaformer.core.errors import (
    Charging,
    LowBattery,
    MeasurementRefused,
    PinningBroken,
    Throttled,
    TooHot,
)
from tests.fakes.phone import FakePhone


@pytest.fixture
def connection(phone: FakePhone) -> Phone:
    finder = Finder()
    (device,) = finder.choose(phone.address)
    return Phone(finder, device)


def test_a_state_holds_what_the_phone_reports(phone: FakePhone, connection: Phone) -> None:
    phone.battery(level=77, charging=False, temperature_c=31.5)
    state = condition.read_state(connection, 1, busy=True)
    now = state.conditions
    assert (now.battery_percent, now.charging, now.thermal_status) == (77, False, 0)
    assert state.battery.temperature_c == 31.5
    assert now.governor == "schedutil"
    assert now.max_freq_khz == 2841600
    assert state.online == (0, 1)
    assert not state.root
    assert state.busy_share is None or 0 <= state.busy_share <= 1
    assert condition.refusals(state, (1,), "S") == []
    connection.close()


def test_each_bad_state_is_refused_by_its_own_error(connection: Phone) -> None:
    good = condition.read_state(connection, 1)
    connection.close()
    hot = replace(good, conditions=replace(good.conditions, thermal_status=2))
    warm = replace(good, battery=replace(good.battery, temperature_c=43.0))
    cases: list[tuple[condition.State, type[MeasurementRefused]]] = [
        (replace(good, battery=replace(good.battery, level_percent=29)), LowBattery),
        (hot, TooHot),
        (warm, TooHot),
        (replace(good, mains=True), Charging),
        (replace(good, power_saver=True), MeasurementRefused),
        (replace(good, online=(0,)), PinningBroken),
        (replace(good, limit_khz=1000000), Throttled),
    ]
    for state, kind in cases:
        (error,) = condition.refusals(state, (1,), "S")
        assert type(error) is kind
        assert error.message.startswith("S: ")
        assert error.hint


def test_a_computers_port_is_allowed_and_noted(connection: Phone) -> None:
    good = condition.read_state(connection, 1)
    connection.close()
    state = replace(good, battery=replace(good.battery, plugged=True), screen_on=True)
    assert condition.refusals(state, (1,), "S") == []
    assert {"usb power", "screen on"} <= {flag.name for flag in condition.notes(state)}


def test_the_setting_is_put_back_to_what_it_was(connection: Phone) -> None:
    def value() -> str:
        done = connection.run(["settings", "get", "global", "stay_on_while_plugged_in"])
        return done.stdout.strip()

    for before in ("null", "3"):
        if before != "null":
            connection.run(["settings", "put", "global", "stay_on_while_plugged_in", before])
        assert value() == before
        condition.stay_awake(connection)
        assert value() == "7"
        assert condition.restore(connection) == ("stay_on_while_plugged_in",)
        assert value() == before
        assert condition.restore(connection) == ()
    connection.close()
