"""Every fault of the fake phone strikes where it was requested, and only there."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Callable
from contextlib import closing

import pytest
from adb_shell.adb_device import AdbDeviceTcp
from adb_shell.exceptions import (
    AdbTimeoutError,
    InvalidCommandError,
    PushFailedError,
    TcpTimeoutException,
)

from tests.fakes.phone import EMULATED, FakePhone, profiles

SILENT = (AdbTimeoutError, TcpTimeoutException)
BROKEN = (OSError, InvalidCommandError, *SILENT)


def connected(phone: FakePhone, timeout_s: float = 5) -> AdbDeviceTcp:
    device = AdbDeviceTcp("127.0.0.1", phone.port, default_transport_timeout_s=timeout_s)
    try:
        device.connect(rsa_keys=[], auth_timeout_s=2)
    except BaseException:
        device.close()
        raise
    return device


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return held


def sleeps(phone: FakePhone) -> bool:
    """Whether a job has come to its ``sleep``: until then it is not in /proc at every moment."""
    return any(process.argv[:1] == ("sleep",) for process in phone.processes())


def _hung_up(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_connection_drops_at_a_command_and_the_next_one_works() -> None:
    with FakePhone(faults=[("drop", {"command": "echo now"})]) as phone:
        with closing(connected(phone)) as device:
            assert device.shell("echo before") == "before\n"
            with pytest.raises(BROKEN):
                device.shell("echo now")
        with closing(connected(phone)) as device:
            assert device.shell("echo now") == "now\n"
        assert phone.fired == ["drop"]


def test_a_connection_drops_after_so_many_bytes() -> None:
    with FakePhone() as phone, closing(connected(phone)) as device:
        phone.set_fault("drop", bytes=50_000)
        with pytest.raises((*BROKEN, PushFailedError)):
            device.push(io.BytesIO(bytes(200_000)), "/data/local/tmp/half")
        assert phone.pushes == []
        assert eventually(lambda: not (phone.root / "half").exists())


def test_a_command_runs_and_its_answer_is_lost() -> None:
    with FakePhone() as phone, closing(connected(phone)) as device:
        phone.set_fault("drop", command="touch", after_s=0.5)
        with pytest.raises(BROKEN):
            device.shell("touch /data/local/tmp/it-ran; echo done")
        assert eventually((phone.root / "it-ran").exists)


def test_a_stall_lets_a_client_wait_in_vain_and_continues_later() -> None:
    with FakePhone(faults=[("stall", {"command": "echo late", "seconds": 2})]) as phone:
        with closing(connected(phone)) as device, pytest.raises(SILENT):
            device.shell("echo late", transport_timeout_s=0.5, read_timeout_s=0.5)
        with closing(connected(phone)) as device:
            assert device.shell("echo late") == "late\n"


def test_garbage_on_the_wire_is_no_answer() -> None:
    with FakePhone(faults=[("garbage", {"command": "echo x", "count": 48})]) as phone:
        with closing(connected(phone)) as device, pytest.raises(BROKEN):
            device.shell("echo x", transport_timeout_s=1, read_timeout_s=1)
        with closing(connected(phone)) as device:
            assert device.shell("echo x") == "x\n"


def test_garbage_from_a_client_ends_its_connection_alone() -> None:
    with FakePhone() as phone, closing(connected(phone)) as device:
        with socket.create_connection(("127.0.0.1", phone.port)) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n" * 4)
            stranger.settimeout(10)
            assert _hung_up(stranger)
        assert device.shell("echo unharmed") == "unharmed\n"


def test_a_truncated_push_leaves_a_part_behind() -> None:
    with FakePhone(faults=[("truncate", {"path": "model", "at": 1000})]) as phone:
        with closing(connected(phone)) as device, pytest.raises((*BROKEN, PushFailedError)):
            device.push(io.BytesIO(bytes(100_000)), "/data/local/tmp/model")
        assert (phone.root / "model").stat().st_size == 1000
        assert phone.pushes == []


def test_a_push_can_be_cut_without_a_word() -> None:
    with FakePhone(faults=[("truncate", {"at": 10, "silent": True})]) as phone:
        with closing(connected(phone)) as device:
            device.push(io.BytesIO(bytes(100)), "/data/local/tmp/model")
        assert (phone.root / "model").stat().st_size == 10


def test_one_byte_of_a_pulled_file_is_wrong() -> None:
    with FakePhone(faults=[("corrupt", {"path": "out"})]) as phone:
        (phone.root / "out").write_bytes(b"abc")
        with closing(connected(phone)) as device:
            first, second = io.BytesIO(), io.BytesIO()
            device.pull("/data/local/tmp/out", first)
            device.pull("/data/local/tmp/out", second)
        assert (first.getvalue(), second.getvalue()) == (b"Abc", b"abc")


def test_a_full_phone_refuses_a_push_and_df_shows_it() -> None:
    with FakePhone() as phone, closing(connected(phone)) as device:
        phone.set_fault("enospc", free=20_480)
        assert " 20 " in device.shell("df -k /data/local/tmp")
        with pytest.raises(PushFailedError, match="No space left"):
            device.push(io.BytesIO(bytes(50_000)), "/data/local/tmp/big")
        assert not (phone.root / "big").exists()
        phone.fill("result")
        output = device.shell("echo 1 > /data/local/tmp/result || echo failed")
        assert "failed" in output
        phone.clear_fault("enospc")
        device.push(io.BytesIO(bytes(50_000)), "/data/local/tmp/big")


def test_a_command_fails_on_request_and_a_tool_is_missing() -> None:
    with FakePhone() as phone, closing(connected(phone)) as device:
        phone.set_fault("fail", command="sha256sum", stderr="out of memory")
        assert device.shell("sha256sum /data/local/tmp") == "out of memory\n"
        phone.set_fault("missing", tool="setsid")
        assert device.shell("setsid true; echo $?").endswith("127\n")
        phone.clear_fault()
        assert device.shell("setsid true; echo $?") == "0\n"


@pytest.mark.parametrize("when", [{"after_s": 0.3}, {"file": "star*"}], ids=["time", "file"])
def test_a_runner_is_killed(when: dict[str, object]) -> None:
    with FakePhone() as phone, closing(connected(phone)) as device:
        phone.set_fault("kill", match="^sleep 77", **when)
        output = device.shell("touch /data/local/tmp/started; sleep 77; echo $?")
        assert output.splitlines()[-1] == "137"
        assert phone.fired == ["kill"]


@pytest.mark.parametrize("files", ["keep", "lost"])
def test_a_reboot_ends_jobs_and_brings_another_boot_id(files: str) -> None:
    with FakePhone() as phone:
        (phone.root / "kept").write_text("x", encoding="utf-8")
        with closing(connected(phone)) as device:
            before = device.shell("cat /proc/sys/kernel/random/boot_id")
            device.shell("trap '' HUP; setsid sleep 78 > /dev/null 2>&1 < /dev/null &")
            assert eventually(lambda: sleeps(phone))
        phone.reboot(files=files, boot_s=2)
        assert phone.processes() == []
        with closing(connected(phone)) as device:
            assert device.shell("getprop sys.boot_completed") == "\n"
            assert device.shell("cat /proc/sys/kernel/random/boot_id") != before
            assert eventually(lambda: device.shell("getprop sys.boot_completed") == "1\n")
        assert (phone.root / "kept").exists() == (files == "keep")


def test_a_reboot_strikes_at_a_command_and_the_port_stays() -> None:
    with FakePhone(faults=[("reboot", {"command": "push-me", "down_s": 0.3})]) as phone:
        port, boot = phone.port, phone.state.boot_id
        with closing(connected(phone)) as device, pytest.raises(BROKEN):
            device.shell("echo push-me", transport_timeout_s=2, read_timeout_s=2)
        assert eventually(lambda: phone.state.boot_id != boot)

        def answers() -> bool:
            try:
                with closing(connected(phone)) as again:
                    return bool(again.shell("echo up") == "up\n")
            except BROKEN:
                return False

        assert eventually(answers)
        assert phone.port == port


def test_heat_raises_the_status_and_lowers_the_frequency() -> None:
    with FakePhone() as phone, closing(connected(phone)) as device:
        look = (
            "dumpsys thermalservice | grep 'Thermal Status'; "
            "cat /sys/devices/system/cpu/cpu7/cpufreq/scaling_max_freq"
        )
        assert device.shell(look) == "Thermal Status: 0\n2841600\n"
        phone.heat(46)
        assert device.shell(look) == "Thermal Status: 3\n1305600\n"
        phone.heat(31, rate_c_per_s=100)
        assert eventually(lambda: device.shell(look) == "Thermal Status: 0\n2841600\n")


def test_a_core_goes_offline_everywhere_at_once() -> None:
    with FakePhone() as phone, closing(connected(phone)) as device:
        phone.core(7, online=False)
        output = device.shell("cat /sys/devices/system/cpu/online; nproc; taskset 80 true; echo $?")
        assert output.splitlines()[:2] == ["0-6", "7"]
        assert output.splitlines()[-1] == "1"
        phone.core(7, online=True)
        assert device.shell("nproc") == "8\n"


def test_a_phone_in_use_closes_further_connections() -> None:
    with FakePhone(faults=[("clients", {"count": 1})]) as phone:
        with closing(connected(phone)) as device:
            with pytest.raises(BROKEN):
                connected(phone, timeout_s=1)
            assert device.shell("echo mine") == "mine\n"
        assert eventually(lambda: not phone._connections)
        connected(phone).close()


def test_an_offline_phone_takes_the_connection_and_never_answers() -> None:
    with FakePhone(faults=[("offline", {})]) as phone:
        with pytest.raises(SILENT):
            connected(phone, timeout_s=0.5)
        phone.clear_fault()
        connected(phone).close()


def test_a_fault_waits_for_its_turn_and_strikes_as_often_as_it_should() -> None:
    with FakePhone() as phone, closing(connected(phone)) as device:
        phone.set_fault("fail", command="echo", skip=1, times=2, stderr="no")
        output = [device.shell("echo yes").strip() for _ in range(4)]
        assert output == ["yes", "no", "no", "yes"]


def test_a_phone_reports_that_it_is_emulated_only_when_set_so() -> None:
    for properties, output in (({}, "\n"), (EMULATED, "1\n")):
        with FakePhone(properties=properties) as phone, closing(connected(phone)) as device:
            assert device.shell("getprop ro.boot.qemu") == output


def test_an_unknown_fault_or_phone_is_refused_by_name() -> None:
    with FakePhone() as phone, pytest.raises(ValueError, match="no fault 'dorp'"):
        phone.set_fault("dorp")
    with pytest.raises(KeyError, match="no phone 'iphone'"):
        profiles.load("iphone")


def test_a_phone_that_ends_leaves_no_process_and_no_folder() -> None:
    with FakePhone() as phone:
        with closing(connected(phone)) as device:
            device.shell("trap '' HUP; setsid sleep 79 > /dev/null 2>&1 < /dev/null &")
            assert eventually(lambda: sleeps(phone))
        base = phone.base
    assert phone.processes() == []
    assert not base.exists()
