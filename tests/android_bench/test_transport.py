"""Both ways to a phone pass every argument and every byte unchanged; each state has its error."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seaformer.android_bench.adb_keys import adb_key
from seaformer.android_bench.adb_server import AdbServer
from seaformer.android_bench.finder import Finder
from seaformer.android_bench.states import state_error
from seaformer.android_bench.transport import (
    AttachedDevice,
    MarkedCommand,
    ShellResult,
    Transport,
    command_line,
)
from seaformer.core.errors import (
    DeviceError,
    DeviceLost,
    DeviceOffline,
    DeviceTimeout,
    NoDevice,
    NoPermission,
    NotBooted,
    Unauthorized,
    UsageError,
)
from tests.fakes.adb import PrivateAdb
from tests.fakes.phone import FakePhone

NASTY = [
    "two words", "it's", 'say "hi"', "$(id)", "`id`", "a;b&c|d", "line\nend", "", "*", "~", "-n",
    "\\", "\t", "ü→", "$HOME", "> out", "#", "!x", "{a,b}", "'; rm -rf /; '",
]  # fmt: skip


@pytest.fixture(scope="module")
def old() -> Iterator[FakePhone]:
    """Android 8: one stream, no exit codes, CR LF."""
    with FakePhone("old") as double:
        yield double


@pytest.fixture(scope="module")
def new() -> Iterator[FakePhone]:
    with FakePhone("two-core") as double:
        yield double


@pytest.fixture(scope="module")
def adb(old: FakePhone, new: FakePhone) -> Iterator[PrivateAdb]:
    with PrivateAdb() as client:
        for each in (old, new):
            client.connect(each.address)
        yield client


@pytest.fixture(params=["direct old", "direct new", "server old", "server new"])
def transport(
    request: pytest.FixtureRequest, old: FakePhone, new: FakePhone
) -> Iterator[Transport]:
    """The two ways, each to a phone with and without the shell protocol."""
    way, age = request.param.split()
    host = f"127.0.0.1:{request.getfixturevalue('adb').port}" if way == "server" else ""
    finder = Finder(host)
    (device,) = finder.choose((old if age == "old" else new).address)
    opened = finder.open(device)
    yield opened
    opened.close()


def test_every_argument_arrives_as_it_is(transport: Transport) -> None:
    done = transport.shell(["printf", "[%s]", *NASTY], 20)
    assert done.stdout == "".join(f"[{item}]" for item in NASTY)
    assert done.exit_code == 0


def test_the_exit_code_and_the_complaint_arrive(transport: Transport) -> None:
    done = transport.shell(["sh", "-c", "echo out; echo err >&2; exit 7"], 20)
    assert done.exit_code == 7
    assert sorted((done.stdout + done.stderr).split()) == ["err", "out"]


def test_files_arrive_whole_under_names_of_every_kind(transport: Transport, tmp_path: Path) -> None:
    source, back = tmp_path / "it's $(x).bin", tmp_path / "back"
    source.write_bytes(os.urandom(300_001))
    target = "/data/local/tmp/a 'b\" $(c); `d`"
    transport.push(source, target, 30)
    assert transport.bytes_pushed == 300_001
    transport.pull(target, back, 30)
    assert back.read_bytes() == source.read_bytes()
    with pytest.raises(DeviceError, match="No such file"):
        transport.pull("/data/local/tmp/none", back, 10)
    assert transport.shell(["echo", "still there"], 20).stdout == "still there\n"


def test_a_command_that_takes_too_long_is_a_timeout(transport: Transport) -> None:
    with pytest.raises(DeviceTimeout, match=r"within 0\.5 s"):
        transport.shell(["sleep", "5"], 0.5)


def test_a_connection_that_breaks_in_a_command_is_lost(
    transport: Transport, old: FakePhone, new: FakePhone
) -> None:
    phone = old if old.address == transport.serial else new
    phone.set_fault("drop", command="echo gone", after_s=0.1)
    with pytest.raises(DeviceLost):
        transport.shell(["echo", "gone"], 20)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_a_command_line_splits_into_what_it_was_made_of(argv: list[str]) -> None:
    import shlex

    assert shlex.split(command_line(argv)) == argv


def test_a_nul_cannot_be_sent() -> None:
    with pytest.raises(UsageError, match="NUL"):
        command_line(["a\0b"])


def test_an_answer_without_its_end_marker_was_cut() -> None:
    command = MarkedCommand.of(["cat", "x"])
    with pytest.raises(DeviceLost, match="cut short"):
        command.parse("half of it")
    assert command.parse(f"all\r\n{command.marker}3\r\n").stdout == "all\n"
    assert command.parse(f"no end{command.marker}0\n").stdout == "no end"


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("unauthorized", Unauthorized), ("authorizing", Unauthorized), ("offline", DeviceOffline),
        ("recovery", NotBooted), ("sideload", NotBooted), ("bootloader", NotBooted),
        ("no permissions", NoPermission), ("something new", DeviceOffline),
    ],
)  # fmt: skip
def test_each_state_has_its_own_error_with_a_remedy(state: str, kind: type[DeviceError]) -> None:
    error = state_error("SER1AL", state)
    assert type(error) is kind
    assert "SER1AL" in error.message
    assert error.hint


def test_an_unauthorized_phone_is_refused_by_its_state_and_the_ready_one_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    devices = (
        AttachedDevice("A", "unauthorized", "usb", "adb server at x", ""),
        AttachedDevice("B", "device", "usb", "adb server at x", "", {"model": "Mi_10"}),
        AttachedDevice("C", "no permissions", "usb", "adb server at x", ""),
    )
    monkeypatch.setattr(Finder, "devices", lambda self: devices)
    assert [phone.serial for phone in Finder().choose("")] == ["B"]
    assert [phone.serial for phone in Finder().choose("all")] == ["A", "B", "C"]
    with pytest.raises(Unauthorized):
        Finder().open(devices[0])
    monkeypatch.setenv("ANDROID_SERIAL", "C")
    assert [phone.serial for phone in Finder().choose("")] == ["C"]
    with pytest.raises(NoDevice, match=r"A \(unauthorized\), B \(Mi 10, usb\)"):
        Finder().choose("D")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("lab", ("lab", 5037)), ("lab:6000", ("lab", 6000)), ("6000", ("127.0.0.1", 6000)),
     ("[::1]:6000", ("::1", 6000))],
)  # fmt: skip
def test_an_adb_host_is_a_host_and_perhaps_a_port(text: str, expected: tuple[str, int]) -> None:
    assert AdbServer.find(text) == AdbServer(*expected)


@pytest.mark.parametrize("text", ["lab:x", ":1", "lab:70000", "lab:0"])
def test_another_adb_host_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="must be HOST or HOST:PORT"):
        AdbServer.find(text)


def test_a_named_server_that_does_not_answer_is_reported() -> None:
    with pytest.raises(DeviceLost, match=r"No adb server answers at 127\.0\.0\.1:1"):
        Finder("127.0.0.1:1").devices()


def test_phones_side_by_side_make_one_key_between_them(tmp_path: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        keys = [pool.submit(adb_key, tmp_path) for _ in range(6)]
        assert len({key.result().GetPublicKey() for key in keys}) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adbkey", "adbkey.pub"]


def test_a_key_is_made_once_readable_by_its_owner_alone(tmp_path: Path) -> None:
    first = adb_key(tmp_path / "new").GetPublicKey()
    assert adb_key(tmp_path / "new").GetPublicKey() == first
    key = tmp_path / "new" / "adbkey"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.write_text("no key")
    with pytest.raises(UsageError, match="cannot be used as an adb key"):
        adb_key(tmp_path / "new")


@pytest.mark.parametrize(
    ("stderr", "exit_code", "summary"),
    [
        ("mkdir: No  space\nleft", 1, "mkdir: No space left"),
        ("", 137, "killed by SIGKILL"),
        ("", 3, "exit code 3"),
        ("", 0, ""),
    ],
)
def test_a_command_without_a_message_is_summarised_by_how_it_ended(
    stderr: str, exit_code: int, summary: str
) -> None:
    assert ShellResult("", stderr, exit_code).summary == summary
