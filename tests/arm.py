"""The ARM bundle, the emulator and the counting plugin, each made once; and tiny ARM programs.

Where one of them cannot be had the test is skipped on a workbench, and fails in CI.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from seaformer.core.cpu import Core, find_emulated
from seaformer.core.errors import MissingExtra
from seaformer.runtime.build.arm64 import build_arm64_bundle
from seaformer.runtime.build.bundle import Bundle
from seaformer.runtime.emulator.counter import Counter, build_counter
from seaformer.runtime.emulator.qemu import Qemu, find_qemu
from tests.requirements import require, skip_for

CC = "aarch64-linux-gnu-gcc"
A76 = "cortex-a76"
T = TypeVar("T")


def needed(make: Callable[[], T]) -> T:
    """What ``make`` makes, or a test that says what would have to be installed."""
    try:
        return make()
    except MissingExtra as error:
        skip_for(error)


@functools.cache
def bundle() -> Bundle:
    return build_arm64_bundle()


@functools.cache
def qemu() -> Qemu:
    return find_qemu()


@functools.cache
def counter(caches: bool = True) -> Counter:
    found = build_counter(caches=caches)
    if not qemu().counts:
        raise MissingExtra(f"qemu {qemu().version} takes no plugin", hint="install qemu 7.2 or 8")
    return found


def compile_arm(source: Path, *flags: str) -> Path:
    """An aarch64 program from C or assembly."""
    require(shutil.which(CC), f"no {CC}", "sudo apt-get install g++-aarch64-linux-gnu")
    program = source.with_suffix(".elf")
    argv = [
        CC,
        "-march=armv8.2-a+fp16+dotprod+rcpc",
        "-static",
        *flags,
        str(source),
        "-o",
        str(program),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return program


def assemble(body: str, folder: Path, name: str = "program") -> Path:
    """A program that is nothing but ``body``; ``x1`` points to 16 MB of zeros, ``buffer``."""
    source = folder / f"{name}.S"
    source.write_text(
        ".text\n.global _start\n_start:\n  adrp x1, buffer\n  add x1, x1, :lo12:buffer\n"
        f"{body}\n  mov x0, #0\n  mov x8, #93\n  svc #0\n"
        ".bss\n.balign 4096\nbuffer: .skip 16777216\n"
    )
    return compile_arm(source, "-nostdlib")


def run_arm(
    program: Path, profile: str | Core = A76, plugin: str = ""
) -> subprocess.CompletedProcess[str]:
    found = find_emulated(profile) if isinstance(profile, str) else profile
    argv = needed(qemu).argv(found, [str(program)], plugin)
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120, env={})
