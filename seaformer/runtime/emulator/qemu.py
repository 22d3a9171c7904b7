"""QEMU's user-mode emulator: finding it, the cores it can be, and how a program is started in it.

A core is a row of ``core/cpus.toml``. XNNPACK and ONNX Runtime read /proc/cpuinfo to choose
their kernels, and QEMU 7.2 shows them the host's: ONNX Runtime then ends in a segmentation fault,
XNNPACK may choose instructions that the core lacks. So each core has a prefix (``qemu -L``), a
folder that holds the /proc/cpuinfo such a core has. Instructions are counted by ``_counter.py``.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seaformer.core import child, files
from seaformer.core.cpu import Core, emulated_cores
from seaformer.core.errors import MissingExtra, SeaFormerError, UsageError

PROGRAM = "qemu-aarch64"
FOLDER = Path(__file__).parent / "plugin"
_INSTALL = "sudo apt-get install qemu-user"
# QEMU 9 asks for another plugin interface than the one qemu/plugin_abi.h declares.
_LAST_MAJOR_WITH_COUNTS = 8
_ASK_SECONDS = 20
# Level, type and size of the caches of an emulated core, those of plugin/cache_model.h.
_CACHES = (("1", "Data", "64K"), ("1", "Instruction", "64K"), ("2", "Unified", "512K"))


@dataclass(frozen=True)
class Qemu:
    """The emulator found; ``counts`` is whether the counting plugin fits it."""

    path: Path
    version: str

    @property
    def counts(self) -> bool:
        return counts_instructions(f"version {self.version}")

    def argv(self, core: Core, program: Sequence[str], plugin: str = "") -> list[str]:
        """The command line that runs an aarch64 program on that core.

        ``plugin`` is QEMU's ``-plugin`` value: a file and its arguments.
        """
        argv = [str(self.path), "-cpu", core.qemu, "-L", str(make_prefix(core))]
        return [*argv, *(["-plugin", plugin] if plugin else []), *program]

    def cores(self) -> tuple[Core, ...]:
        """The rows of ``cpus.toml`` it can be; before 7.1 QEMU has no Cortex-A76."""
        names = _ask(self.path, "-cpu", "help").stdout.split()
        return tuple(core for core in emulated_cores() if core.qemu in names)

    def check(self, core: Core) -> None:
        """Raise ``UsageError`` where it cannot be that core."""
        if core in (known := self.cores()):
            return
        names = ", ".join(each.qemu for each in known) or "none that there is a row for"
        raise UsageError(
            f"qemu {self.version} does not support the core {core.qemu}; it supports {names}.",
            hint="Name a supported one (--device emulator:NAME), or install QEMU 7.1 or newer.",
        )


def counts_instructions(version_line: str) -> bool:
    """Whether the plugin fits a QEMU, by the line with its version."""
    match = re.search(r"version (\d+)\.", version_line)
    return match is None or int(match.group(1)) <= _LAST_MAJOR_WITH_COUNTS


def find_qemu() -> Qemu:
    """The emulator on the PATH. Raises ``MissingExtra`` with the line that installs it."""
    path = shutil.which(PROGRAM)
    if path is None:
        message = f"The emulator is not installed: no {PROGRAM} is on the PATH."
        raise MissingExtra(message, hint=_INSTALL)
    done = _ask(Path(path), "--version")
    match = re.search(r"version (\d+\.\d+[\d.]*)", done.stdout)
    if done.returncode != 0 or match is None:
        raise SeaFormerError(f"{path} does not report its version: exit code {done.returncode}.")
    return Qemu(Path(path), match.group(1))


def _ask(path: Path, *arguments: str) -> child.Finished[str]:
    return child.run([str(path), *arguments], _ASK_SECONDS)


def make_prefix(core: Core) -> Path:
    """The folder for ``qemu -L``: /proc/cpuinfo and the caches of that core, and nothing else.

    It lists as many processors as this machine has, because the emulator passes the numbers of
    this machine's CPUs through. ncnn chooses the sizes of its tiles by the caches: without these
    files counts would depend on this machine.
    """
    processors = os.cpu_count() or 1
    contents = {"proc/cpuinfo": core.cpuinfo(processors)} | _caches(processors)
    key = hashlib.sha256("\0".join(f"{p}\0{t}" for p, t in contents.items()).encode()).hexdigest()
    folder = files.cache_dir() / "qemu" / f"prefix-{core.qemu}-{key[:16]}"
    for place, text in contents.items():
        if not (folder / place).is_file():
            files.write_text(folder / place, text)
    return folder


def _caches(processors: int) -> dict[str, str]:
    """What the kernel lists of each processor's caches, by path."""
    return {
        f"sys/devices/system/cpu/cpu{number}/cache/index{index}/{name}": f"{text}\n"
        for number in range(processors)
        for index, (level, kind, size) in enumerate(_CACHES)
        for name, text in (
            ("level", level), ("type", kind), ("size", size), ("shared_cpu_map", f"{1 << number:x}")
        )
    }  # fmt: skip
