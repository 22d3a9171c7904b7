"""This machine: the C++ runner in a fresh process, or the Python one where nothing compiles.

A PC's latency is not a phone's. It is here to check the whole path, and for ratios between models,
formats and versions on one machine.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from seaformer.android_bench.topology import parse_cpuinfo
from seaformer.bench.runner_io import Patience, RunnerFailure, RunnerReport, RunnerRequest
from seaformer.bench.target import PlainTarget, TargetOptions
from seaformer.core import child, memory
from seaformer.core.engine import Engine, engine, timed_engines
from seaformer.core.errors import DeviceError, RunnerFailed, SeaFormerError
from seaformer.core.measurement import MEASURED, Cluster, Conditions, DeviceInfo, Flag
from seaformer.runtime.build.runner import RunnerBuild, build_host_runner

# More of all cores' time than this, just before the run, means that something else is running.
BUSY_SHARE = 0.2
_LOOK_S = 0.5
_PATIENCE = Patience(load_s=180.0, run_s=60.0)
_CPU = Path("/sys/devices/system/cpu")
_CPUINFO = Path("/proc/cpuinfo")
Progress = Callable[[str], None]


class HostTarget(PlainTarget):
    """Runs requests on this machine.

    Args:
        progress: called with a sentence when the runner is being built, which takes a minute once.
        python: use the Python runner even where the C++ one could be built.
        libraries: engines that will be run; the library of one that has none yet is built.
    """

    source = MEASURED

    def __init__(
        self,
        progress: Progress | None = None,
        *,
        python: bool = False,
        libraries: Sequence[str] = (),
    ) -> None:
        self._build, self._reason = (
            (None, "asked for") if python else _runner_build(progress, libraries)
        )
        self.runner = "python" if self._build is None else "cpp"
        self.runner_build = "" if self._build is None else self._build.build_id

    def device(self) -> DeviceInfo:
        """The CPU as the kernel describes it, its cores grouped by their highest frequency."""
        model = _cpu_model()
        return DeviceInfo(
            id=_device_id(model),
            target="host",
            model=model,
            system=_system(),
            architecture=platform.machine(),
            cores=os.cpu_count() or 1,
            clusters=find_clusters(os.sched_getaffinity(0), model, _CPU, _text(_CPUINFO) or ""),
            memory_bytes=memory.total_bytes(),
        )

    def conditions(self, cpu: int) -> Conditions:
        """Governor and frequency of the core, load, memory, space: what the kernel reports."""
        frequency = _CPU / f"cpu{cpu}" / "cpufreq"
        return Conditions(
            at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            governor=_text(frequency / "scaling_governor"),
            freq_khz=_number(frequency / "scaling_cur_freq"),
            max_freq_khz=_number(frequency / "cpuinfo_max_freq"),
            load=os.getloadavg()[0],
            free_memory_bytes=memory.available_bytes(),
            free_space_bytes=shutil.disk_usage(Path.cwd()).free,
            temperature_c=_temperature(),
        )

    def preflight(self, cpus: tuple[int, ...]) -> tuple[Flag, ...]:
        """A busy machine, a governor that saves power, and the Python runner are flagged."""
        now = self.conditions(cpus[0])
        flags = []
        busy = busy_share(_LOOK_S)
        if busy is not None and busy > BUSY_SHARE:
            detail = f"other programs took {100 * busy:.0f} % of all cores just before the run"
            flags.append(Flag("busy machine", False, detail))
        if now.governor not in (None, "performance"):
            flags.append(Flag("governor", False, f"{now.governor}, not performance"))
        if self._build is None:
            detail = f"timed in Python, not by the C++ runner: {self._reason}"
            flags.append(Flag("python runner", False, detail))
        return tuple(flags)

    def run(self, request: RunnerRequest) -> RunnerReport:
        """Run one request as a child process and read its report."""
        argv = [*self._program(), *self._with_library(request).argv()]
        limit = request.timeout_s(_PATIENCE)
        try:
            done = child.run(argv, limit)
        except child.ChildTimeoutError as error:
            raise RunnerFailed(f"The runner gave no answer in {limit:.0f} s.") from error
        except OSError as error:
            raise RunnerFailed(f"The runner could not be started: {error}.") from error
        if done.returncode != 0:
            failure = RunnerFailure.parse(
                done.stdout, stderr=done.stderr, exit_code=done.returncode
            )
            raise failure.error()
        return RunnerReport.parse(done.stdout)

    def _program(self) -> list[str]:
        if self._build is None:
            return [sys.executable, "-m", "seaformer.runtime.python_runner"]
        return [str(self._build.binary)]

    def _with_library(self, request: RunnerRequest) -> RunnerRequest:
        """The request for this machine's library, where the runner opens one for its engine."""
        row = engine(request.engine)
        opens = row.source is not None or (row.wheel is not None and row.wheel.opened)
        if self._build is None or not opens:
            return request
        library = self._build.library(row.name)
        if library is None:
            install = f"pip install 'seaformer[{row.extra}]'"
            raise RunnerFailed(f"{row.title} is not installed: {install}")
        return replace(request, library=str(library))


def open_target(
    progress: Progress | None = None, *, options: TargetOptions = TargetOptions()
) -> HostTarget:
    """The entry every target file has."""
    return HostTarget(progress, libraries=options.engines)


def _runner_build(
    progress: Progress | None, libraries: Sequence[str]
) -> tuple[RunnerBuild | None, str]:
    """The C++ runner, built on first use; or none and the reason why.

    Raises ``SeaFormerError`` when the Python runner cannot replace it: it has no engine either.
    """
    try:
        return build_host_runner(progress, libraries), ""
    except SeaFormerError as error:
        if not any(_is_installed(row) for row in timed_engines()):
            raise
        return None, error.message


def _is_installed(row: Engine) -> bool:
    package = row.wheel or row.source
    return package is not None and importlib.util.find_spec(package.package) is not None


def busy_share(seconds: float) -> float | None:
    """How much of all cores' time was used while this process slept, 0 to 1.

    The load average would count our own export of a minute ago.
    """
    before = _cpu_times()
    time.sleep(seconds)
    after = _cpu_times()
    if before is None or after is None or after[1] == before[1]:
        return None
    return (after[0] - before[0]) / (after[1] - before[1])


def _cpu_times() -> tuple[int, int] | None:
    """Busy and all jiffies of the machine since boot (``/proc/stat``, proc(5))."""
    line = (_text(Path("/proc/stat")) or "").partition("\n")[0].split()
    if len(line) < 9 or line[0] != "cpu":
        return None
    ticks = [int(value) for value in line[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def _cpu_model() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "Model", "Hardware"):
                return value.strip()
    return platform.processor() or platform.machine()


def _device_id(model: str) -> str:
    """The CPU's name and a digest of the computer's name, which is private."""
    name = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")
    return f"host-{name}-{hashlib.sha256(platform.node().encode()).hexdigest()[:6]}"


def _system() -> str:
    """``Linux 6.1``: the kernel's series."""
    return f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}"


def find_clusters(
    cpus: Iterable[int], model: str, folder: Path, cpuinfo: str
) -> tuple[Cluster, ...]:
    """Cores grouped by what they are, their highest frequency and the kernel's capacity.

    ``folder`` is the kernel's of the cores; ``cpuinfo`` names the core of an ARM board, on a PC all
    of them are the ``model``.
    """
    parts: dict[int, str] = {}
    with suppress(DeviceError):
        parts = {each.number: each.core for each in parse_cpuinfo(cpuinfo) if each.part}
    groups: dict[tuple[str, int | None, int | None], list[int]] = {}
    for cpu in sorted(cpus):
        frequency = _number(folder / f"cpu{cpu}" / "cpufreq" / "cpuinfo_max_freq")
        capacity = _number(folder / f"cpu{cpu}" / "cpu_capacity")
        groups.setdefault((parts.get(cpu, model), frequency, capacity), []).append(cpu)
    return tuple(Cluster(tuple(group), *kind) for kind, group in groups.items())


def _temperature() -> float | None:
    """The hottest thermal zone, in degrees Celsius."""
    zones = [_number(zone / "temp") for zone in Path("/sys/class/thermal").glob("thermal_zone*")]
    known = [zone / 1000 for zone in zones if zone is not None]
    return max(known, default=None)


def _text(path: Path) -> str | None:
    with suppress(OSError):
        return path.read_text().strip() or None
    return None


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text and text.lstrip("-").isdecimal() else None
