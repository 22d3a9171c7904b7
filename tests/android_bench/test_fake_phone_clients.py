"""The fake phone with two libraries: adb-shell directly, adbutils through a server."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import adbutils
import pytest
from adb_shell.adb_device import AdbDeviceTcp
from adb_shell.auth.keygen import keygen
from adb_shell.auth.sign_pythonrsa import PythonRSASigner
from adb_shell.exceptions import AdbTimeoutError, DeviceAuthError, TcpTimeoutException

from tests.fakes.adb import PrivateAdb
from tests.fakes.phone import FakePhone

SILENT = (AdbTimeoutError, TcpTimeoutException)


@pytest.fixture(scope="module")
def phone() -> Iterator[FakePhone]:
    with FakePhone("mi10") as double:
        yield double


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> PythonRSASigner:
    path = tmp_path_factory.mktemp("keys") / "adbkey"
    keygen(str(path))
    public = path.with_suffix(".pub").read_text(encoding="utf-8")
    return PythonRSASigner(public, path.read_text(encoding="utf-8"))


def connected(phone: FakePhone, *signers: PythonRSASigner) -> AdbDeviceTcp:
    device = AdbDeviceTcp("127.0.0.1", phone.port, default_transport_timeout_s=10)
    try:
        device.connect(rsa_keys=list(signers), auth_timeout_s=0.5)
    except BaseException:
        device.close()
        raise
    return device


def test_adb_shell_runs_commands_and_moves_files(phone: FakePhone, tmp_path: Path) -> None:
    device = connected(phone)
    try:
        assert device.shell("getprop ro.product.model") == "Mi 10\n"
        assert device.exec_out("echo raw", decode=False) == b"raw\n"
        content = bytes(range(256)) * 1500
        device.push(io.BytesIO(content), "/data/local/tmp/by library", mtime=1_600_000_000)
        assert device.stat("/data/local/tmp/by library")[1:] == (len(content), 1_600_000_000)
        assert [entry.filename for entry in device.list("/data/local/tmp")] == [b"by library"]
        device.pull("/data/local/tmp/by library", str(tmp_path / "back"))
        assert (tmp_path / "back").read_bytes() == content
    finally:
        device.close()


def test_adb_shell_is_let_in_with_a_key_and_kept_out_without_consent(
    signer: PythonRSASigner,
) -> None:
    with FakePhone("mi10", auth="accept") as phone:
        device = connected(phone, signer)
        assert device.shell("echo in") == "in\n"
        device.close()
    with FakePhone("mi10", auth="pending") as phone, pytest.raises(SILENT):
        connected(phone, signer)
    with FakePhone("mi10", auth="accept") as phone, pytest.raises(DeviceAuthError):
        connected(phone)


def test_a_refused_key_ends_the_connection(signer: PythonRSASigner) -> None:
    with FakePhone(auth="accept") as phone:
        phone.set_fault("auth", mode="refuse")
        with pytest.raises((*SILENT, OSError)):
            connected(phone, signer)
        assert "AUTH key offered" in phone.log
        phone.clear_fault("auth")
        connected(phone, signer).close()


def test_two_clients_work_at_once(phone: FakePhone) -> None:
    one, other = connected(phone), connected(phone)
    try:
        stream = one.streaming_shell("echo a; cat /data/local/tmp/never; sleep 1; echo b")
        assert "a" in next(stream)
        assert other.shell("echo meanwhile") == "meanwhile\n"
        assert "b" in "".join(stream)
    finally:
        one.close()
        other.close()


def test_adbutils_reaches_it_through_a_server(phone: FakePhone, tmp_path: Path) -> None:
    with PrivateAdb() as adb:
        adb.connect(phone.address)
        client = adbutils.AdbClient("127.0.0.1", adb.port)
        device = client.device(phone.address)
        assert device.shell("getprop ro.board.platform") == "kona"
        assert device.shell2("sh -c 'exit 5'").returncode == 5
        content = b"\0\r\n" * 70_000
        (tmp_path / "source").write_bytes(content)
        device.sync.push(tmp_path / "source", "/data/local/tmp/by server")
        assert device.sync.stat("/data/local/tmp/by server").size == len(content)
        assert device.sync.read_bytes("/data/local/tmp/by server") == content
