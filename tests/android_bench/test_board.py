"""What a board is and in which state, from the text of its files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as some

from seaformer.android_bench import parse
from seaformer.android_bench.board import (
    BoardCare,
    BoardProbe,
    describe_bits,
    parse_throttled,
    parse_zones,
    read_board,
)
from seaformer.android_bench.connection import Phone
from seaformer.android_bench.place import Place
from seaformer.android_bench.transport import ShellResult
from seaformer.bench.target import choose_cores
from seaformer.core.errors import DeviceError
from tests.fuzzing import EVIL, budget

ODD = (
    "processor : 99999999999999999999\nCPU part : 0xd0b",
    "processor : 0\nprocessor : 0",
    "0-1023,4096",
    "MemTotal: " + "9" * 400 + " kB",
    f"/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq:{'9' * 400}",
    "/sys/devices/system/cpu/cpu0/cpufreq/related_cpus:9-1",
    "throttled=0xffffffffffff",
    EVIL,
)
CPU = "/sys/devices/system/cpu"
A55, A76 = "0xd05", "0xd0b"
MACHINE_ID = "0123456789abcdef0123456789abcdef"


def reply(**sections: str) -> str:
    """The output of a probe of a Rock 5B (RK3588: four Cortex-A55 and four Cortex-A76)."""
    parts = [A55] * 4 + [A76] * 4
    given = {
        "machine": "aarch64",
        "kernel": "5.10.110-rockchip-rk3588",
        "system": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 11 (bullseye)"',
        "model": "Radxa ROCK 5B",
        "compatible": "radxa,rock-5b\nrockchip,rk3588",
        "serial": "1508c5bf7aa2cb21",
        "identifier": MACHINE_ID,
        "addresses": "",
        "page": "4096",
        "processors": "\n".join(
            f"processor : {n}\nCPU implementer : 0x41\nCPU part : {part}\n"
            for n, part in enumerate(parts)
        ),
        "memory": "MemTotal: 8000000 kB",
        "present": "0-7",
        "frequencies": "\n".join(
            f"{CPU}/cpu{n}/cpufreq/cpuinfo_max_freq:{1800000 if n < 4 else 2400000}\n"
            f"{CPU}/cpu{n}/cpufreq/related_cpus:{'0-3' if n < 4 else '4-7'}"
            for n in range(8)
        ),
        "space": "",
        "throttled": "",
        "zones": "/sys/class/thermal/thermal_zone0/temp:41500",
        "end": "",
    } | sections
    return "".join(f"\n@@seaformer {name}\n{text}\n" for name, text in given.items())


class Board:
    """Answers every script with the same text."""

    serial = "ssh:rock"
    place = Place("/home/x/.cache/seaformer-board", "", "", "")

    def __init__(self, text: str) -> None:
        self.text = text

    def script(self, text: str, *arguments: str) -> ShellResult:
        return ShellResult(self.text, "", 0)


def probe(**sections: str) -> BoardProbe:
    return read_board(Board(reply(**sections)).script, "ssh:rock")


def test_the_cores_of_a_board_are_ranked_as_those_of_a_phone() -> None:
    board = probe()
    info = board.info
    assert info.model == "Radxa ROCK 5B"
    assert info.system == "Debian GNU/Linux 11 (bullseye), Linux 5.10"
    assert [(cluster.cpus, cluster.part) for cluster in info.clusters] == [
        ((0, 1, 2, 3), "Cortex-A55"),
        ((4, 5, 6, 7), "Cortex-A76"),
    ]
    assert choose_cores(info, "prime", 1).cpus == (7,)
    assert choose_cores(info, "little", 1).cpus == (3,)
    assert (board.cpu_c, board.throttled_bits, info.memory_bytes) == (41.5, None, 8192000000)
    assert info.properties is not None
    assert (info.properties["soc"], info.properties["page_bytes"]) == ("rockchip,rk3588", "4096")


def test_boards_with_a_copied_card_are_devices_of_their_own() -> None:
    first = probe().info.id
    assert first == probe(kernel="6.12.1").info.id
    assert MACHINE_ID not in first
    others = [
        probe(serial="1508c5bf7aa2cb22"),
        probe(identifier=MACHINE_ID[::-1]),
        probe(addresses="dc:a6:32:00:00:01"),
    ]
    ids = {first, *(each.info.id for each in others)}
    assert len(ids) == 4
    with pytest.raises(DeviceError, match="neither /etc/machine-id nor a serial number"):
        probe(serial="", identifier="uninitialized")


@pytest.mark.parametrize("machine", ["x86_64", "armv7l", ""])
def test_a_board_that_is_not_64_bit_arm_is_refused(machine: str) -> None:
    with pytest.raises(DeviceError, match=f"must be 64-bit ARM .got {machine or 'an unknown'}"):
        probe(machine=machine)


@pytest.mark.parametrize("section", ["processors", "end"])
def test_an_incomplete_reply_is_an_error_and_no_board(section: str) -> None:
    text = (
        reply(processors="") if section == "processors" else reply().partition("@@seaformer end")[0]
    )
    with pytest.raises(DeviceError):
        read_board(Board(text).script, "ssh:rock")


SECTIONS = sorted(parse.split_sections(reply()))


@budget
@given(section=some.sampled_from(SECTIONS), text=some.text(max_size=300) | some.sampled_from(ODD))
def test_any_text_of_a_board_is_read_or_refused_with_a_sentence(section: str, text: str) -> None:
    changed = {section: text}
    with suppress(DeviceError):
        info = probe(**changed).info
        assert re.fullmatch(r"board-[a-z0-9-]+-[0-9a-f]{8}", info.id)
        assert 0 < info.cores <= 1024


def test_what_hostile_values_hold_is_not_taken_over() -> None:
    board = probe(
        zones="/sys/class/thermal/thermal_zone0/temp:99999999999\n"
        "/sys/class/thermal/thermal_zone1/temp:-40000\n/x:nan",
        throttled="throttled=0xzz",
        present="0-99999999",
        model="Board\x1b[31m\nsecond line",
    )
    assert board.cpu_c is None
    assert board.throttled_bits is None
    assert board.notes
    assert board.info.id.startswith("board-board-31m-")


@pytest.mark.parametrize(
    ("text", "bits", "words"),
    [
        ("throttled=0x0", 0, ()),
        ("throttled=0x50005", 0x50005, ("low voltage", "it is throttled")),
        ("error=1 error_msg=x", None, ()),
    ],
)
def test_the_firmwares_bits_have_words(text: str, bits: int | None, words: Sequence[str]) -> None:
    assert parse_throttled(text) == bits
    assert describe_bits(bits) == words


def test_the_hottest_zone_counts() -> None:
    assert parse_zones("/a:48200\n/b:51000\n/c:x") == 51.0
    assert parse_zones("") is None


def state_of(bits: str, milli_c: int = 50000, limit: int = 2400000) -> str:
    files = {"cpuinfo_max_freq": 2400000, "scaling_max_freq": limit, "scaling_cur_freq": 2400000}
    cpufreq = "\n".join(f"{CPU}/cpu3/cpufreq/{name}:{value}" for name, value in files.items())
    sections = {
        "online": "0-3", "cpufreq": f"{cpufreq}\n{CPU}/cpu3/cpufreq/scaling_governor:ondemand",
        "throttled": bits and f"throttled={bits}",
        "zones": f"/sys/class/thermal/thermal_zone0/temp:{milli_c}",
    }  # fmt: skip
    return "".join(f"\n@@seaformer {name}\n{text}\n" for name, text in sections.items())


def test_heat_low_voltage_and_limits_are_refused_and_the_past_is_noted(tmp_path: Path) -> None:
    board = Board(state_of("0x50000"))
    care = BoardCare(cast(Phone, board))
    good = care.read(3)
    assert care.refusals(good, (3,)) == []
    assert good.conditions.temperature_c == 50.0
    notes = {flag.name: flag.detail for flag in care.notes(good)}
    assert notes["governor"] == "ondemand, not performance"
    assert notes["throttled before"].endswith("low voltage, it is throttled")
    assert care.throttled(good) == ""
    for text, reason in (
        (state_of("0x50005"), "the firmware reports: low voltage, it is throttled"),
        (state_of("0x0", milli_c=81000), "the CPU is at 81.0 °C"),
        (state_of("0x0", limit=1500000), "limited to 1.50 of 2.40 GHz"),
    ):
        board.text = text
        (error,) = care.refusals(care.read(3), (3,))
        assert reason in error.message
    board.text = state_of("")
    assert "throttling unknown" in {flag.name for flag in care.notes(care.read(3))}
    assert care.refusals(replace(good, online=(0, 1)), (3,)) != []


def test_throttling_during_a_block_is_seen_although_it_has_passed() -> None:
    board = Board(state_of("0x10000"))
    care = BoardCare(cast(Phone, board))
    assert care.throttled(care.read(3)) == ""
    board.text = state_of("0x50000")
    after = care.read(3)
    assert care.throttled(after) == "during the block the firmware reported: it is throttled"
    assert care.throttled(care.read(3)) == ""
