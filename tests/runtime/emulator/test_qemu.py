"""The emulator and its cores, with real ARM programs."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from seaformer.bench.targets.emulator import open_target
from seaformer.core.cpu import emulated_cores, find_emulated
from seaformer.core.errors import MissingExtra, UnknownName, UsageError
from seaformer.runtime.emulator.qemu import Qemu, counts_instructions, find_qemu, make_prefix
from tests import arm

# The kernel's names of AT_HWCAP's bits (arch/arm64/include/uapi/asm/hwcap.h), those that choose
# kernels.
HWCAP = {
    "fp": 0,
    "asimd": 1,
    "aes": 3,
    "pmull": 4,
    "sha1": 5,
    "sha2": 6,
    "crc32": 7,
    "atomics": 8,
    "fphp": 9,
    "asimdhp": 10,
    "asimdrdm": 12,
    "lrcpc": 15,
    "dcpop": 16,
    "asimddp": 20,
}
ASK = """
#include <stdio.h>
#include <sys/auxv.h>
int main(void) {
  printf("hwcap %lx\\n", getauxval(AT_HWCAP));
  FILE* file = fopen("/proc/cpuinfo", "r");
  for (int c; (c = fgetc(file)) != EOF;) putchar(c);
}
"""
NAMES = [core.qemu for core in emulated_cores()]


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("ask") / "ask.c"
    source.write_text(ASK)
    return arm.compile_arm(source)


@pytest.mark.parametrize("name", NAMES)
def test_a_program_reads_the_cpuinfo_of_the_core_and_not_this_machines(
    name: str, asking: Path
) -> None:
    profile = find_emulated(name)
    told = arm.run_arm(asking, name).stdout
    assert f"CPU part\t: {profile.part}" in told
    assert f"Features\t: {profile.features}" in told
    assert "model name" not in told


@pytest.mark.parametrize("name", NAMES)
def test_the_features_of_a_row_are_those_of_the_emulated_core(name: str, asking: Path) -> None:
    found = re.match(r"hwcap (\w+)", arm.run_arm(asking, name).stdout)
    assert found is not None
    bits = int(found.group(1), 16)
    has = {feature for feature, bit in HWCAP.items() if bits >> bit & 1}
    assert has == set(find_emulated(name).features.split()) & set(HWCAP)


@pytest.mark.parametrize("name", NAMES)
def test_a_core_computes_in_half_precision_just_when_its_row_says_so(
    name: str, tmp_path: Path
) -> None:
    program = arm.assemble("fmla v0.8h, v1.8h, v2.8h", tmp_path)
    expected = 0 if "asimdhp" in find_emulated(name).features.split() else -signal.SIGILL
    assert arm.run_arm(program, name).returncode == expected


def test_a_core_without_a_row_is_unknown_and_the_nearest_is_named() -> None:
    with pytest.raises(UnknownName) as caught:
        find_emulated("cortex-a77")
    assert "Unknown emulated core 'cortex-a77'" in caught.value.message
    assert "cortex-a76" in caught.value.message
    assert caught.value.hint.startswith("Did you mean cortex-a7")


def test_the_default_core_stands_for_the_phones_prime_core() -> None:
    assert emulated_cores()[0].qemu == "cortex-a76"
    assert "Snapdragon 865" in emulated_cores()[0].stands_for


def test_without_qemu_the_line_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtra) as caught:
        find_qemu()
    assert caught.value.hint == "sudo apt-get install qemu-user"


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Qemu:
    """Pretends to be a QEMU from before the Cortex-A76, such as Ubuntu 22.04 has."""
    program = tmp_path / "qemu-aarch64"
    program.write_text(
        '#!/bin/sh\ncase "$1" in\n'
        '--version) echo "qemu-aarch64 version 6.2.0 (Debian)" ;;\n'
        '-cpu) printf "Available CPUs:\\n  cortex-a53\\n  cortex-a72\\n  max\\n" ;;\n'
        "esac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return find_qemu()


def test_every_row_is_a_core_that_this_emulator_knows() -> None:
    assert arm.needed(arm.qemu).cores() == emulated_cores()


def test_an_emulator_from_before_the_default_core_names_those_it_knows(older: Qemu) -> None:
    assert older.version == "6.2.0"
    with pytest.raises(UsageError) as caught:
        older.check(find_emulated("cortex-a76"))
    assert caught.value.message == (
        "qemu 6.2.0 does not support the core cortex-a76; it supports cortex-a72, cortex-a53."
    )
    assert "QEMU 7.1 or newer" in caught.value.hint
    older.check(find_emulated("cortex-a72"))


def test_a_bench_on_a_core_the_emulator_does_not_know_ends_before_anything_is_built(
    older: Qemu,
) -> None:
    with pytest.raises(UsageError, match=f"qemu {older.version} does not support the core"):
        open_target()


def test_a_prefix_is_made_once_and_lists_every_processor_of_this_machine() -> None:
    folder = make_prefix(find_emulated("cortex-a72"))
    assert make_prefix(find_emulated("cortex-a72")) == folder
    text = (folder / "proc" / "cpuinfo").read_text()
    assert text.startswith("processor\t: 0\nBogoMIPS")
    assert {path.name for path in folder.iterdir()} == {"proc", "sys"}
    cache = folder / "sys" / "devices" / "system" / "cpu" / "cpu0" / "cache" / "index2"
    assert {path.name: path.read_text().strip() for path in cache.iterdir()} == {
        "level": "2",
        "type": "Unified",
        "size": "512K",
        "shared_cpu_map": "1",
    }


@pytest.mark.parametrize(
    ("told", "fits"),
    [
        ("qemu-aarch64 version 7.2.22 (Debian 1:7.2+dfsg-7)", True),
        ("qemu-aarch64 version 8.2.2", True),
        ("qemu-aarch64 version 9.0.0", False),
        ("qemu-aarch64 version 10.0.2", False),
    ],
)
def test_a_qemu_that_speaks_another_plugin_interface_is_known(told: str, fits: bool) -> None:
    assert counts_instructions(told) is fits
    assert Qemu(Path("qemu"), told.split()[2]).counts is fits
