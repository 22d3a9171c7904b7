"""Debian's real adb accepts the fake phone, which behaves as a phone does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.adb import ADB, PrivateAdb
from tests.fakes.arm64_program import arm64_program
from tests.fakes.phone import FakePhone, userland
from tests.requirements import require


@pytest.fixture
def emulator() -> None:
    require(userland.find_emulator(), "no qemu-aarch64", "sudo apt-get install qemu-user")


@pytest.fixture(scope="module")
def adb() -> Iterator[PrivateAdb]:
    with PrivateAdb() as client:
        yield client


@pytest.fixture(scope="module")
def phone(adb: PrivateAdb) -> Iterator[FakePhone]:
    with FakePhone("mi10") as double:
        adb.connect(double.address)
        yield double


def test_adb_lists_it_with_its_model_and_product(adb: PrivateAdb, phone: FakePhone) -> None:
    listed = adb.run("devices", "-l").stdout.decode()
    line = next(line for line in listed.splitlines() if line.startswith(phone.address))
    assert re.search(r"\bdevice\b.*product:umi model:Mi_10 device:umi", line)


def test_adb_shell_keeps_the_streams_apart_and_passes_the_exit_code(
    adb: PrivateAdb, phone: FakePhone
) -> None:
    done = adb.shell(phone.address, "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == (b"out\n", b"err\n", 7)
    assert adb.shell(phone.address, "no-such-command").returncode == 127
    killed = adb.shell(phone.address, "kill -9 $$")
    assert killed.returncode == 137


def test_adb_shell_passes_input_on(adb: PrivateAdb, phone: FakePhone) -> None:
    done = adb.run("-s", phone.address, "shell", "cat | wc -c", input=b"x" * 200_000)
    assert done.stdout.strip() == b"200000"


def test_adb_exec_out_passes_raw_bytes_with_both_streams_in_one(
    adb: PrivateAdb, phone: FakePhone
) -> None:
    done = adb.run("-s", phone.address, "exec-out", r"printf '\000\n\377'; echo err >&2")
    assert done.stdout == b"\0\n\xff" + b"err\n"


def test_adb_pushes_and_pulls_the_same_bytes(
    adb: PrivateAdb, phone: FakePhone, tmp_path: Path
) -> None:
    content = os.urandom(1_500_001)
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(content)
    target = "/data/local/tmp/a folder/$(x); 'q\" é.bin"
    adb.run("-s", phone.address, "push", str(source), target)
    assert phone.pushes[-1] == (target, len(content))
    assert (phone.root / "a folder" / "$(x); 'q\" é.bin").read_bytes() == content
    adb.run("-s", phone.address, "pull", target, str(back))
    assert back.read_bytes() == content
    listed = adb.run("-s", phone.address, "ls", "/data/local/tmp/a folder").stdout
    assert f"{len(content):08x}".encode() in listed


def test_a_pushed_file_keeps_its_mode_and_time(
    adb: PrivateAdb, phone: FakePhone, tmp_path: Path
) -> None:
    source = tmp_path / "tool"
    source.write_bytes(b"#!/system/bin/sh\necho $0 was run from $(pwd)\n")
    source.chmod(0o755)
    os.utime(source, (1_600_000_000, 1_600_000_000))
    adb.run("-s", phone.address, "push", str(source), "/data/local/tmp/tool")
    assert (phone.root / "tool").stat().st_mtime == 1_600_000_000
    output = adb.shell(phone.address, "cd /data/local/tmp && ./tool")
    assert output.stdout == b"./tool was run from /data/local/tmp\n"


def test_adb_reports_a_file_that_does_not_exist(
    adb: PrivateAdb, phone: FakePhone, tmp_path: Path
) -> None:
    done = adb.run("-s", phone.address, "pull", "/data/local/tmp/none", str(tmp_path), check=False)
    assert done.returncode != 0
    assert b"No such file" in done.stdout + done.stderr


def test_a_path_does_not_leave_the_phone(adb: PrivateAdb, phone: FakePhone, tmp_path: Path) -> None:
    source = tmp_path / "x"
    source.write_text("x", encoding="utf-8")
    target = f"/data/local/tmp/../../../../../..{tmp_path}/escaped"
    adb.run("-s", phone.address, "push", str(source), target)
    assert not (tmp_path / "escaped").exists()
    assert (phone.base / str(tmp_path).lstrip("/") / "escaped").exists()


def test_the_shell_sees_the_phone_and_not_the_host(adb: PrivateAdb, phone: FakePhone) -> None:
    output = adb.shell(
        phone.address,
        "getprop ro.board.platform; uname -m; id -u; nproc; pwd; "
        "cat /sys/devices/system/cpu/online; grep -c 0xd0d /proc/cpuinfo; "
        "for f in /sys/devices/system/cpu/cpu7/cpufreq/cpuinfo_max_freq; do echo $f; cat $f; done",
    ).stdout.decode()
    assert output.split() == [
        "kona",
        "aarch64",
        "2000",
        "8",
        "/",
        "0-7",
        "4",
        "/sys/devices/system/cpu/cpu7/cpufreq/cpuinfo_max_freq",
        "2841600",
    ]
    assert (
        str(phone.base) not in adb.shell(phone.address, "ls -R /data; cat /nothing").stdout.decode()
    )


def test_a_detached_job_outlives_its_shell(adb: PrivateAdb, phone: FakePhone) -> None:
    adb.shell(
        phone.address,
        "cd /data/local/tmp; setsid nohup sh -c 'while [ ! -e go ]; do sleep 0.05; done; "
        "echo done > /data/local/tmp/d' > /dev/null 2>&1 < /dev/null &",
    )
    (phone.root / "go").touch()
    deadline = time.monotonic() + 20
    while not (phone.root / "d").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_child_that_holds_the_output_holds_the_shell_open(
    adb: PrivateAdb, phone: FakePhone
) -> None:
    command = "cd /data/local/tmp; (while [ ! -e go2 ]; do sleep 0.05; done) & echo started"
    argv = [str(ADB), "-P", str(adb.port), "-s", phone.address, "shell", command]
    with subprocess.Popen(argv, env=adb.environment, stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"started\n"
        with pytest.raises(subprocess.TimeoutExpired):
            client.wait(0.5)
        (phone.root / "go2").touch()
        assert client.wait(20) == 0


def test_ps_and_pidof_list_the_phones_processes_alone(adb: PrivateAdb, phone: FakePhone) -> None:
    host = subprocess.Popen(["sleep", "20"])
    try:
        adb.shell(phone.address, "setsid sleep 21 > /dev/null 2>&1 < /dev/null &")
        output = adb.shell(phone.address, "ps -A -o PID,ARGS; pidof sleep").stdout.decode()
        assert "sleep 21" in output
        assert "sleep 20" not in output
        assert adb.shell(phone.address, "pkill sleep; sleep 0.2; pidof sleep").returncode == 1
        assert host.poll() is None
    finally:
        host.kill()
        host.wait()


@pytest.mark.usefixtures("emulator")
def test_an_aarch64_program_runs_in_the_emulator_however_it_is_started(
    adb: PrivateAdb, phone: FakePhone, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    program.write_bytes(arm64_program(b"hello from arm\n", 7))
    program.chmod(0o755)
    adb.run("-s", phone.address, "push", str(program), "/data/local/tmp/program")
    output = (b"hello from arm\n", 7)
    for command in (
        "/data/local/tmp/program",
        "cd /data/local/tmp && ./program",
        "cd /data/local/tmp; taskset 1 ./program",
        "cd /data/local/tmp; nohup env A=1 ./program 2>&1 < /dev/null",
        'sh -c \'cd "$1" && shift && "$@"\' sh /data/local/tmp timeout 9 ./program',
        "P=/data/local/tmp/program; if true; then $P; fi",
    ):
        done = adb.shell(phone.address, command)
        assert (done.stdout, done.returncode) == output, (command, done)
    adb.shell(phone.address, "chmod 644 /data/local/tmp/program")
    assert adb.shell(phone.address, "/data/local/tmp/program").returncode == 126


def test_the_two_core_phone_pins_for_real(adb: PrivateAdb) -> None:
    require({0, 1} <= os.sched_getaffinity(0), "fewer than 2 cores")
    require(shutil.which("taskset"), "no taskset", "sudo apt-get install util-linux")
    with FakePhone("two-core") as phone:
        adb.connect(phone.address)
        status = adb.shell(phone.address, "taskset 2 grep Cpus_allowed_list /proc/self/status")
        assert status.stdout.split()[-1] == b"1"
        refused = adb.shell(phone.address, "taskset 80 true")
        assert refused.returncode == 1
        assert b"Invalid argument" in refused.stderr


def test_an_eight_core_phone_folds_its_masks_only_when_asked(adb: PrivateAdb) -> None:
    with FakePhone("mi10", fold=1) as phone:
        adb.connect(phone.address)
        command = "taskset 80 grep Cpus_allowed_list /proc/self/status"
        assert adb.shell(phone.address, command).stdout.split()[-1] == b"0"
        assert adb.shell(phone.address, "taskset 100 true").returncode == 1


def test_an_old_phone_has_no_exit_codes_and_ends_lines_in_cr_lf(adb: PrivateAdb) -> None:
    with FakePhone("old") as phone:
        adb.connect(phone.address)
        done = adb.shell(phone.address, "getprop ro.build.version.release; exit 3")
        assert done.returncode == 0
        assert done.stdout == b"8.1.0\r\n"
        assert phone.log[-1].startswith("shell:")


def test_a_new_key_is_accepted_and_then_remembered(adb: PrivateAdb) -> None:
    with FakePhone("mi10", auth="accept") as phone:
        adb.connect(phone.address)
        assert "AUTH key offered" in phone.log
        phone.disconnect()
        time.sleep(0.2)
        phone.log.clear()
        adb.connect(phone.address)
        assert adb.shell(phone.address, "echo again").stdout == b"again\n"
        assert "AUTH key offered" not in phone.log


def test_a_phone_that_trusts_the_key_asks_for_nothing_and_a_stranger_stays_outside(
    adb: PrivateAdb,
) -> None:
    key = (adb.home / ".android" / "adbkey.pub").read_text(encoding="utf-8")
    with FakePhone("mi10", auth="pending", keys=[key]) as phone:
        adb.connect(phone.address)
        assert "AUTH key offered" not in phone.log
        with PrivateAdb() as stranger:
            stranger.connect(phone.address, "unauthorized")
            assert b"unauthorized" in stranger.shell(phone.address, "id").stderr
            phone.grant()
            stranger.wait(phone.address)
            assert stranger.shell(phone.address, "echo in").stdout == b"in\n"
