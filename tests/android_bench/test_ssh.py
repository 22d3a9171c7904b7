"""The OpenSSH client as a transport, against a real daemon on this computer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from seaformer.android_bench.connection import ConnectionPolicy, Phone
from seaformer.android_bench.ssh import SshAddress, SshOpener, SshTransport
from seaformer.android_bench.store import FileToPush, Store
from seaformer.core.errors import (
    DeviceError,
    DeviceLost,
    DeviceOffline,
    DeviceTimeout,
    MissingExtra,
    NoDevice,
    SeaFormerError,
    Unauthorized,
    UsageError,
)
from tests.fakes.board import FakeBoard

HOST = SshAddress("board")


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBoard]:
    with FakeBoard(tmp_path / "b") as double:
        monkeypatch.setenv("PATH", f"{double.client}:{os.environ['PATH']}")
        yield double


@pytest.mark.parametrize(
    ("text", "address", "name"),
    [
        ("pi5.local", SshAddress("pi5.local"), "ssh:pi5.local"),
        ("pi@10.0.0.7:2222", SshAddress("10.0.0.7", "pi", 2222), "ssh:pi@10.0.0.7:2222"),
        ("[fe80::1%eth0]:22", SshAddress("fe80::1%eth0", "", 22), "ssh:[fe80::1%eth0]:22"),
    ],
)
def test_an_address_is_read_and_written_as_it_is_typed(
    text: str, address: SshAddress, name: str
) -> None:
    assert SshAddress.parse(text) == address
    assert address.name == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-oProxyCommand=touch x",
        "pi@-l",
        "a b",
        "a;b",
        "host:0",
        "host:65536",
        "a\nb",
        "@h",
        "$(x)",
    ],
)
def test_what_is_not_an_address_never_reaches_ssh(text: str) -> None:
    with pytest.raises(UsageError, match=r"must be ssh:\[USER@\]HOST\[:PORT\]"):
        SshAddress.parse(text)


def test_commands_and_files_arrive_as_they_are(board: FakeBoard, tmp_path: Path) -> None:
    transport = SshTransport(HOST)
    hard = 'it\'s $(touch x) `y`\n\\n "z" é % ! ; & | #'
    done = transport.shell(["sh", "-c", 'printf %s "$1"; echo no >&2; exit 3', "sh", hard], 20)
    assert (done.stdout, done.stderr, done.exit_code) == (hard, "no\n", 3)
    source, there, back = tmp_path / "f", f"{tmp_path}/it's $(x) there", tmp_path / "back"
    source.write_bytes(bytes(range(256)) * 64)
    transport.push(source, there, 20)
    transport.pull(there, back, 20)
    assert back.read_bytes() == Path(there).read_bytes() == source.read_bytes()
    assert transport.bytes_pushed == 64 * 256
    with pytest.raises(DeviceError, match=r"cannot be read: .*No such file"):
        transport.pull(f"{tmp_path}/absent", back, 20)
    with pytest.raises(DeviceError, match=r"could not be written: .*[Dd]irectory"):
        transport.push(source, f"{tmp_path}/absent/x", 20)
    with pytest.raises(UsageError, match="one line"):
        transport.push(source, "a\nb", 20)
    with pytest.raises(DeviceTimeout, match="no answer in 1 s"):
        transport.shell(["sleep", "5"], 1.0)


def test_what_a_login_script_prints_is_not_part_of_a_reply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeBoard(tmp_path / "b", noise="echo Welcome; echo seaformer-begin") as board:
        monkeypatch.setenv("PATH", f"{board.client}:{os.environ['PATH']}")
        with closing(SshTransport(HOST)) as transport:
            assert transport.shell(["echo", "hi"], 20).stdout == "hi\n"
    with FakeBoard(tmp_path / "c", noise="echo This account is closed; exit 1") as board:
        monkeypatch.setenv("PATH", f"{board.client}:{os.environ['PATH']}")
        refusal = "did not run a shell: got 'This account is closed'"
        with (
            closing(SshTransport(HOST)) as transport,
            pytest.raises(DeviceError, match=refusal),
        ):
            transport.shell(["echo", "hi"], 20)


def test_each_reason_not_to_connect_has_its_sentence(
    board: FakeBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(address: SshAddress = HOST) -> SeaFormerError:
        with pytest.raises(SeaFormerError) as error:
            SshTransport(address)
        return error.value

    board.forget_host_key()
    unknown = fails()
    board.change_host_key()
    changed = fails()
    assert isinstance(unknown, Unauthorized)
    assert isinstance(changed, Unauthorized)
    assert "host key is unknown" in unknown.message
    assert "compare the key: ssh board" in unknown.hint
    assert "host key has changed" in changed.message
    board.expect_host_key()
    board.refuse_key()
    refused = fails()
    assert isinstance(refused, Unauthorized)
    assert "ssh-copy-id board" in refused.hint
    nowhere = fails(SshAddress("seaformer.invalid"))
    assert isinstance(nowhere, NoDevice), nowhere.message
    closed = fails(SshAddress("127.0.0.1", "", 1))
    assert isinstance(closed, DeviceOffline)
    assert "Connection refused" in closed.message
    monkeypatch.setenv("PATH", "/nowhere")
    missing = fails()
    assert isinstance(missing, MissingExtra)
    assert missing.hint == "sudo apt-get install openssh-client"


def test_a_lost_connection_is_made_again_and_its_call_repeated(
    board: FakeBoard, tmp_path: Path
) -> None:
    opener = SshOpener(HOST)
    place = opener.place()
    assert place.root == str(board.root)
    policy = ConnectionPolicy(total_s=20, first_s=0.05, longest_s=0.5)
    device = Phone(opener, opener.device, place=place, policy=policy)
    source = tmp_path / "model"
    source.write_bytes(b"weights" * 1000)
    item = FileToPush.of(source)
    path = Store(device).put([item])[item.sha256]
    assert board.drop() == 1
    with pytest.raises(DeviceLost):
        device._transport.shell(["true"], 20)  # type: ignore[union-attr]
    assert device.run(["cat", path]).stdout == "weights" * 1000
    assert device.reconnects == 1
    device.close()
    assert board.drop() == 0
