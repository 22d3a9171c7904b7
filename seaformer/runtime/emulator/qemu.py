"""QEMU's user-mode emulator: finding it, the cores it can be, and how a program is started in it.

A core is a row of ``qemu/profiles.json``. XNNPACK and ONNX Runtime read /proc/cpuinfo to choose
their kernels, and QEMU 7.2 shows them the host's: ONNX Runtime then ends in a segmentation fault,
XNNPACK may choose instructions that the core lacks. So each core has a prefix (``qemu -L``), a
folder that holds the /proc/cpuinfo such a core has. Instructions are counted by ``_counter.py``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from seaformer.core import codec, files, registry
from seaformer.core.errors import MissingExtra, SeaFormerError, UsageError

PROGRAM = "qemu-aarch64"
FOLDER = Path(__file__).parent / "plugin"
_INSTALL = "sudo apt-get install qemu-user"
# QEMU 9 asks for another plugin interface than the one qemu/plugin_abi.h declares.
_LAST_MAJOR_WITH_COUNTS = 8
_ASK_SECONDS = 20


@dataclass(frozen=True)
class CpuProfile:
    """An emulated core: ``name`` is QEMU's (``-cpu``), ``features`` what /proc/cpuinfo lists.

    ``fp16`` is whether it computes in half precision; without it both engines run fp32 kernels.
    """

    name: str
    core: str
    fp16: bool
    stands_for: str
    implementer: str
    variant: str
    part: str
    revision: int
    features: str

    def cpuinfo(self, processors: int) -> str:
        """The text of /proc/cpuinfo, in the kernel's own layout."""
        lines = [
            *("BogoMIPS\t: 38.40", f"Features\t: {self.features}"),
            *(f"CPU implementer\t: {self.implementer}", "CPU architecture: 8"),
            *(f"CPU variant\t: {self.variant}", f"CPU part\t: {self.part}"),
            f"CPU revision\t: {self.revision}",
        ]
        each = "\n".join(lines)
        return "".join(f"processor\t: {number}\n{each}\n\n" for number in range(processors))


@dataclass(frozen=True)
class Qemu:
    """The emulator found; ``counts`` is whether the counting plugin fits it."""

    path: Path
    version: str

    @property
    def counts(self) -> bool:
        return counts_instructions(f"version {self.version}")

    def argv(self, profile: CpuProfile, program: Sequence[str], plugin: str = "") -> list[str]:
        """The command line that runs an aarch64 program on that core.

        ``plugin`` is QEMU's ``-plugin`` value: a file and its arguments.
        """
        argv = [str(self.path), "-cpu", profile.name, "-L", str(make_prefix(profile))]
        return [*argv, *(["-plugin", plugin] if plugin else []), *program]

    def cores(self) -> tuple[CpuProfile, ...]:
        """The rows of ``profiles.json`` it can be; before 7.1 QEMU knows no Cortex-A76."""
        told = _ask(self.path, "-cpu", "help").stdout.split()
        return tuple(profile for profile in list_profiles() if profile.name in told)

    def check(self, profile: CpuProfile) -> None:
        """Raise ``UsageError`` where it cannot be that core."""
        if profile in (known := self.cores()):
            return
        names = ", ".join(core.name for core in known) or "none that there is a row for"
        raise UsageError(
            f"qemu {self.version} does not know the core {profile.name}; it knows {names}.",
            hint="Name one it knows (--device emulator:NAME), or install QEMU 7.1 or newer.",
        )


@cache
def list_profiles() -> tuple[CpuProfile, ...]:
    """Every core there is a row for; the first one is the default."""
    rows = json.loads(Path(__file__).with_name("profiles.json").read_text(encoding="utf-8"))
    return tuple(codec.from_json(CpuProfile, row, where="profiles.json") for row in rows)


def find_profile(name: str) -> CpuProfile:
    """One core by its name. Raises ``UnknownName`` with the nearest one."""
    known = {profile.name: profile for profile in list_profiles()}
    if name not in known:
        raise registry.unknown("emulated core", name, known)
    return known[name]


def counts_instructions(told: str) -> bool:
    """Whether the plugin fits a QEMU, by the line in which that tells its version."""
    found = re.search(r"version (\d+)\.", told)
    return found is None or int(found.group(1)) <= _LAST_MAJOR_WITH_COUNTS


def find_qemu() -> Qemu:
    """The emulator on the PATH. Raises ``MissingExtra`` with the line that installs it."""
    path = shutil.which(PROGRAM)
    if path is None:
        message = f"The emulator is not installed: no {PROGRAM} is on the PATH."
        raise MissingExtra(message, hint=_INSTALL)
    done = _ask(Path(path), "--version")
    found = re.search(r"version (\d+\.\d+[\d.]*)", done.stdout)
    if done.returncode != 0 or found is None:
        raise SeaFormerError(f"{path} does not say its version: exit code {done.returncode}.")
    return Qemu(Path(path), found.group(1))


def _ask(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [str(path), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=_ASK_SECONDS, check=False)


def make_prefix(profile: CpuProfile) -> Path:
    """The folder for ``qemu -L``: a /proc/cpuinfo of that core, and nothing else.

    It lists as many processors as this machine has, because the emulator passes the numbers of
    this machine's CPUs through.
    """
    text = profile.cpuinfo(os.cpu_count() or 1)
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    folder = files.cache_dir() / "qemu" / f"prefix-{profile.name}-{key}"
    cpuinfo = folder / "proc" / "cpuinfo"
    if not cpuinfo.is_file():
        files.write_text(cpuinfo, text)
    return folder
