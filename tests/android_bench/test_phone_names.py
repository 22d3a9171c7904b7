"""Serial numbers, properties and file names with shell commands in them are always quoted."""

from __future__ import annotations

import shlex
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seaformer.android_bench.connection import Phone
from seaformer.android_bench.devices import list_phones
from seaformer.android_bench.finder import Finder
from seaformer.android_bench.parse import parse_devices
from seaformer.bench.run import Bench
from seaformer.bench.targets.phone import PhoneTarget
from seaformer.core import codec
from seaformer.core.errors import NoDevice
from seaformer.core.plan import RunPlan, Stop, Warmup
from tests.android_bench.benches import Workbench, left_behind
from tests.android_bench.commands import command
from tests.fakes.adb import PrivateAdb
from tests.fakes.phone import FakePhone
from tests.fakes.scripted import scripted_artifact

EVIL = "a 'b' \"c\"; $(touch PWNED) `touch PWNED` & touch PWNED #"
PLAN = RunPlan(processes=1, warmup=Warmup(runs=1), stop=Stop(runs=3))


@contextmanager
def renaming(server: int, real: str, shown: str) -> Iterator[int]:
    """The port of a relay to an adb server that lists one phone under another serial."""
    listener = socket.create_server(("127.0.0.1", 0))

    def relay(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", server)) as behind:
            service = _counted(client).replace(shown.encode(), real.encode())
            behind.sendall(b"%04x" % len(service) + service)
            if service == b"host:devices-l":
                assert _exactly(behind, 4) == b"OKAY"
                devices = _counted(behind).replace(real.encode(), shown.encode())
                client.sendall(b"OKAY%04x" % len(devices) + devices)
                return
            back = threading.Thread(target=_pipe, args=(behind, client), daemon=True)
            back.start()
            _pipe(client, behind)
            back.join()

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=relay, args=(client,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _exactly(source: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = source.recv(count - len(data))
        assert more
        data += more
    return data


def _counted(source: socket.socket) -> bytes:
    return _exactly(source, int(_exactly(source, 4), 16))


def _pipe(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


@pytest.fixture
def evil_phone() -> Iterator[FakePhone]:
    """A phone whose maker, model and serial number are commands."""
    named = ("ro.serialno", "ro.product.model", "ro.product.manufacturer", "ro.board.platform")
    with FakePhone("two-core", properties=dict.fromkeys(named, EVIL)) as double:
        yield double


def nothing_ran(phone: FakePhone, *folders: Path) -> bool:
    """Whether no file exists that a command of ``EVIL`` would have created."""
    places = (phone.base, *folders)
    return not [path for place in places for path in place.rglob("PWNED")] + [
        path for path in (Path.cwd() / "PWNED", Path("/PWNED")) if path.exists()
    ]


def test_a_phone_and_a_model_with_such_names_are_benched_through_a_server_all_the_same(
    evil_phone: FakePhone, workbench: Workbench, tmp_path: Path
) -> None:
    artifact = scripted_artifact(tmp_path / "artifacts", EVIL)
    with PrivateAdb() as adb:
        adb.connect(evil_phone.address)
        with renaming(adb.port, evil_phone.address, EVIL) as port:
            finder = Finder(f"127.0.0.1:{port}")
            (report,) = list_phones(finder)
            assert (report.serial, report.error, EVIL in report.model) == (EVIL, "", True)
            (device,) = finder.choose(EVIL)
            target = PhoneTarget(Phone(finder, device), workbench.bundle)
            (row,) = Bench(target, PLAN, workbench.store).run([artifact])
            target.close()
    assert row.valid, row.failure
    assert (row.model, row.artifact_file) == (EVIL, f"{EVIL} it's $(x).onnx")
    assert EVIL in row.device.model
    assert row.device.id.replace("-", "").isalnum()
    assert codec.to_json(workbench.store.load().measurements[0]) == codec.to_json(row)
    assert left_behind(evil_phone) == []
    assert nothing_ran(evil_phone, tmp_path)


def test_such_a_serial_that_is_not_attached_is_reported_as_it_is(tmp_path: Path) -> None:
    model = scripted_artifact(tmp_path / "artifacts").path
    bench = command(tmp_path, "--device", EVIL, str(model))
    _, stderr = bench.communicate(timeout=240)
    assert bench.returncode == NoDevice.exit_code
    assert f"No device {EVIL} is attached." in stderr
    assert "Traceback" not in stderr
    assert not [path for path in (*tmp_path.rglob("PWNED"), Path("PWNED")) if path.exists()]


def test_the_next_command_that_is_offered_quotes_the_serial(
    evil_phone: FakePhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from seaformer.cli import app

    with PrivateAdb() as adb:
        adb.connect(evil_phone.address)
        with renaming(adb.port, evil_phone.address, EVIL) as port:
            monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
            done = CliRunner().invoke(app, ["devices"])
    assert done.exit_code == 0, done.output
    (offered,) = [line for line in done.output.splitlines() if "seaformer bench --device" in line]
    assert EVIL in shlex.split(offered)


@pytest.mark.parametrize("state", ["device", "offline", "unauthorized", "no permissions"])
def test_a_serial_with_blanks_is_listed_whole(state: str) -> None:
    (entry,) = parse_devices(f"{EVIL} {state} usb:1-2 transport_id:3\n")
    assert (entry.serial, entry.state) == (EVIL, state)
    assert entry.properties["transport_id"] == "3"
