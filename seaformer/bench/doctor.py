"""``diagnose``: what this machine has for exporting and benching, and what installs the rest.

Packages are looked up by their metadata and never imported, so that it works in the base install
and answers at once. Only three things are needed to bench on this host: a runtime, and a results
and a cache folder that can be written to; everything else that is missing costs a feature, not
the command (``exit_code``). What the checks look like is ``page``.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from seaformer.bench.machine import Machine
from seaformer.core import files
from seaformer.core.cpu import emulated_cores
from seaformer.core.engine import engines, timed_engines
from seaformer.core.errors import MissingExtra, SeaFormerError
from seaformer.core.precision import lacking
from seaformer.report.terminal import Block, Facts, Line
from seaformer.runtime.emulator.qemu import PROGRAM, counts_instructions
from seaformer.store.results import RESULTS_VARIABLE, results_dir

OK: Literal["ok"] = "ok"
MISSING: Literal["missing"] = "missing"
WARNING: Literal["warning"] = "warning"

_EXPORT = "pip install 'seaformer[export]'"
_CPU = Path("/sys/devices/system/cpu")
_LEAST_CMAKE = (3, 28)
_LEAST_CACHE_BYTES, _LEAST_RESULTS_BYTES, _LEAST_MEMORY_BYTES = 2e9, 1e8, 1e9
_BUSY = 0.5


@dataclass(frozen=True)
class Check:
    """One thing looked for; ``remedy`` is the line that helps.

    Without what is ``needed`` no bench on this host is possible.
    """

    name: str
    status: Literal["ok", "missing", "warning"]
    detail: str
    remedy: str = ""
    needed: bool = False


def diagnose(
    machine: Machine | None = None, *, results: Path | str | None = None
) -> tuple[Check, ...]:
    """Every check, in the order in which it is shown; ``results`` as in ``results_dir``."""
    asked = machine or Machine()
    return (
        Check("python", OK, platform.python_version()),
        *(_package(asked, name, extra) for name, extra in _tools().items()),
        _runtime(asked),
        _compiler(asked),
        _cmake(asked),
        _program(asked, "ninja or make", ("ninja", "make"), "make"),
        _runner(asked),
        *_libraries(asked),
        _program(asked, "aarch64 compiler", ("aarch64-linux-gnu-g++",), "g++-aarch64-linux-gnu"),
        _bundle(asked),
        _qemu(asked),
        _program(asked, "C compiler for counts", ("cc", "gcc", "clang"), "gcc libc6-dev"),
        Check("emulated cores", OK, _cores()),
        _program(asked, "adb", ("adb",), "adb"),
        *_processor(asked),
        _memory(asked),
        _folder(asked, "cache", files.cache_dir(), _LEAST_CACHE_BYTES, files.CACHE_VARIABLE),
        _folder(asked, "results", results_dir(results), _LEAST_RESULTS_BYTES, RESULTS_VARIABLE),
    )


def exit_code(checks: Iterable[Check]) -> int:
    """0, or ``MissingExtra``'s code when something is missing that a host bench needs."""
    lacking = any(check.needed and check.status == MISSING for check in checks)
    return MissingExtra.exit_code if lacking else 0


def page(checks: Sequence[Check]) -> list[Block]:
    """``-[✓] name  what was found``, the remedy under it, and what is possible at the end."""
    marks = {OK: "✓", WARNING: "!", MISSING: "x"}
    facts = []
    for check in checks:
        facts.append((f"-[{marks[check.status]}] {check.name}", check.detail))
        if check.remedy and check.status != OK:
            facts.append(("", check.remedy))
    needed, exporters = _lacking(checks)
    if needed:
        end = f"A host bench is not possible yet: {', '.join(needed)}."
    elif exporters:
        end = f"A host bench of exported files is possible. An export needs {exporters[0]}."
    else:
        end = "Exports and a host bench are possible."
    return [Facts(tuple(facts)), Line(end)]


def next_line(checks: Sequence[Check]) -> str:
    """The command to type next: what installs the first thing that is missing, else a bench."""
    needed, exporters = _lacking(checks)
    remedies = {check.name: check.remedy for check in checks}
    lacking = [*needed, *exporters]
    return remedies[lacking[0]] if lacking else "seaformer bench --variant t --threads 1"


def _lacking(checks: Sequence[Check]) -> tuple[list[str], list[str]]:
    """What a host bench lacks, and what an export does."""
    missing = [check for check in checks if check.status == MISSING]
    needed = [check.name for check in missing if check.needed]
    return needed, [check.name for check in missing if check.remedy == _EXPORT]


def _tools() -> dict[str, str]:
    """What exports need, each with the pip extra that installs it."""
    tools: dict[str, str] = {}
    for row in engines():
        for name in row.tools:
            tools.setdefault(name, row.extra)
    return tools


def _package(machine: Machine, name: str, extra: str) -> Check:
    remedy = f"pip install 'seaformer[{extra}]'"
    version, pinned = machine.package(name), machine.pinned(name)
    if version is None:
        return Check(name, MISSING, "not installed", remedy)
    if pinned and version.split("+")[0] != pinned:
        detail = f"{version}, but seaformer is made for {pinned}"
        return Check(name, WARNING, detail, f"pip install {name}=={pinned}")
    return Check(name, OK, version)


def _runtime(machine: Machine) -> Check:
    packages = [row.wheel.package for row in timed_engines() if row.wheel is not None]
    installed = [name for name in packages if machine.package(name) is not None]
    if installed:
        return Check("a runtime", OK, ", ".join(installed), needed=True)
    if fetched := machine.fetched_engines():
        return Check("a runtime", OK, f"fetched: {fetched}", needed=True)
    if machine.package("pip") is None:
        text = f"neither {' nor '.join(packages)}, and no pip to fetch them"
        return Check("a runtime", MISSING, text, _EXPORT, needed=True)
    text = "none installed: the first bench fetches them (45 MB)"
    return Check("a runtime", WARNING, text, "seaformer runner build", needed=True)


def _compiler(machine: Machine) -> Check:
    names = [name for name in (os.environ.get("CXX"), "c++", "g++", "clang++") if name]
    program = _program(machine, "C++ compiler", names, "g++")
    if program.status == OK:
        return program
    text = "not found: the host bench falls back to Python sessions"
    return Check(program.name, WARNING, text, program.remedy)


def _cmake(machine: Machine) -> Check:
    remedy = "pip install 'cmake>=3.28'"
    path = machine.program("cmake")
    if path is None:
        return Check("cmake", MISSING, "not found", remedy)
    version = re.search(r"(\d+)\.(\d+)[\w.-]*", machine.first_line(str(path), "--version"))
    if version is None:
        return Check("cmake", WARNING, f"{path} does not report its version", remedy)
    if (int(version.group(1)), int(version.group(2))) < _LEAST_CMAKE:
        return Check("cmake", MISSING, f"{version.group(0)} at {path}, too old", remedy)
    return Check("cmake", OK, f"{version.group(0)} at {path}")


def _runner(machine: Machine) -> Check:
    remedy = "seaformer runner build"
    try:
        path = machine.host_runner()
    except SeaFormerError as error:
        return Check("C++ runner", WARNING, f"cannot be looked for: {error}", remedy)
    if path is None:
        return Check("C++ runner", WARNING, "not built yet: the first bench builds it", remedy)
    return Check("C++ runner", OK, path)


def _bundle(machine: Machine) -> Check:
    """The runner for phones and boards, and the largest page of a kernel that it loads on."""
    name, remedy = "ARM bundle", "seaformer runner build --target arm64"
    try:
        built = machine.arm64_bundle()
    except SeaFormerError as error:
        return Check(name, WARNING, error.message, remedy)
    if built is None:
        text = "not built yet: the first bench on a phone, a board or an emulated core builds it"
        return Check(name, WARNING, text, remedy)
    folder, page_bytes = built
    return Check(name, OK, f"{folder}, aligned for pages up to {page_bytes // 1024} KB")


def _libraries(machine: Machine) -> tuple[Check, ...]:
    """Those that are built from source when a file needs them; that costs minutes, once each."""
    built = {target: machine.libraries(target) for target in ("host", "arm64")}
    checks = []
    for row in (row for row in timed_engines() if row.source is not None):
        targets = [target for target, names in built.items() if row.name in names]
        minutes = row.source.minutes if row.source else 0
        text = f"built for {' and '.join(targets)}" if targets else "not built yet"
        missing = f"the first bench of {row.noun} builds it ({minutes} min of one core)"
        if len(targets) < len(built):
            text += f"; {missing}" if not targets else f"; for another target {missing}"
        checks.append(Check(f"{row.title} library", OK, text))
    return tuple(checks)


def _program(machine: Machine, name: str, programs: Sequence[str], package: str) -> Check:
    paths = [path for path in map(machine.program, programs) if path]
    if not paths:
        remedy = f"sudo apt-get install {package}"
        return Check(name, MISSING, f"{' or '.join(programs)} not found", remedy)
    return Check(name, OK, machine.first_line(str(paths[0]), "--version") or str(paths[0]))


def _qemu(machine: Machine) -> Check:
    """The emulator; without the plugin that counts it gives outputs and no counts."""
    program = _program(machine, "qemu", (PROGRAM,), "qemu-user")
    if program.status != OK or counts_instructions(program.detail):
        return program
    text = f"{program.detail}: too new to count instructions, which takes qemu 4.2 to 8.2"
    return Check(program.name, WARNING, text)


def _cores() -> str:
    """The rows of ``core/cpus.toml``: what ``--device emulator:NAME`` takes."""
    names = []
    for core in emulated_cores():
        converted = ", ".join(f"no {row.name}" for row in lacking(core.features.split()))
        names.append(f"{core.qemu} ({converted})" if converted else core.qemu)
    return f"{names[0]} by default; --device emulator:NAME takes {', '.join(names)}"


def _processor(machine: Machine) -> tuple[Check, ...]:
    cpuinfo = machine.text(Path("/proc/cpuinfo")) or ""
    model = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    cores = machine.cores()
    return (
        Check("cores", OK, f"{len(cores)} ({', '.join(f'cpu{core}' for core in cores)})"),
        Check("CPU", OK, model.group(1) if model else platform.machine()),
        _governor(machine, cores),
        _frequency(machine, cores, cpuinfo),
        _load(machine, len(cores)),
    )


def _governor(machine: Machine, cores: Sequence[int]) -> Check:
    paths = [_CPU / f"cpu{core}" / "cpufreq" / "scaling_governor" for core in cores]
    governors = sorted({text for text in map(machine.text, paths) if text})
    if not governors:
        return Check("governor", WARNING, "the kernel does not report it (a virtual machine?)")
    if governors == ["performance"]:
        return Check("governor", OK, "performance")
    remedy = f"echo performance | sudo tee {_CPU}/cpu*/cpufreq/scaling_governor"
    return Check("governor", WARNING, ", ".join(governors), remedy)


def _frequency(machine: Machine, cores: Sequence[int], cpuinfo: str) -> Check:
    folder = _CPU / f"cpu{cores[-1]}" / "cpufreq"
    now, most = (machine.text(folder / f) for f in ("scaling_cur_freq", "cpuinfo_max_freq"))
    if now and most and now.isdigit() and most.isdigit():
        return Check("frequency", OK, f"{int(now) / 1e3:.0f} of {int(most) / 1e3:.0f} MHz")
    if match := re.search(r"^cpu MHz\s*:\s*([\d.]+)", cpuinfo, re.MULTILINE):
        return Check("frequency", OK, f"{float(match.group(1)):.0f} MHz by /proc/cpuinfo")
    return Check("frequency", WARNING, "the kernel does not report it")


def _load(machine: Machine, cores: int) -> Check:
    load = machine.load()
    text = f"{load:.2f} on {cores} cores"
    if load < _BUSY:
        return Check("load", OK, text)
    return Check("load", WARNING, text, "Other programs are running; close them before a bench.")


def _memory(machine: Machine) -> Check:
    match = re.search(r"^MemAvailable:\s*(\d+) kB", machine.text(Path("/proc/meminfo")) or "", re.M)
    if match is None:
        return Check("free memory", WARNING, "the kernel does not report it")
    free = int(match.group(1)) * 1024
    enough = free >= _LEAST_MEMORY_BYTES
    remedy = "" if enough else "Close other programs; an export takes about 1 GB."
    return Check("free memory", OK if enough else WARNING, f"{free / 1e9:.1f} GB", remedy)


def _folder(machine: Machine, what: str, folder: Path, least: float, variable: str) -> Check:
    name, remedy = f"{what} folder", f"export {variable}=/a/folder/with/space"
    refused = machine.writable(folder)
    if refused:
        return Check(name, MISSING, refused, remedy, needed=True)
    free = machine.free_bytes(folder)
    status = OK if free >= least else WARNING
    return Check(name, status, f"{folder} ({free / 1e9:.1f} GB free)", remedy, needed=True)
