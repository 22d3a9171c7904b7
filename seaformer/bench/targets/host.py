"""This machine: the C++ runner in a fresh process, or the Python one where nothing compiles.

A PC's latency is no phone's. It is here to check the whole path, and for ratios between models,
formats and versions on one machine.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from seaformer.bench.runner_io import RunnerReport, RunnerRequest
from seaformer.core.artifact import Artifact
from seaformer.core.errors import MissingExtra, RunnerFailed, SeaFormerError
from seaformer.core.measurement import MEASURED, Cluster, Conditions, DeviceInfo, Flag

# A load above this share of the cores means that something else is running.
BUSY_SHARE = 0.5
_CPU = Path("/sys/devices/system/cpu")
Progress = Callable[[str], None]


class HostTarget:
    """Runs requests on this machine.

    Args:
        progress: called with a sentence when the runner is being built, which takes a minute once.
        python: use the Python runner even where the C++ one could be built.
    """

    source = MEASURED

    def __init__(self, progress: Progress | None = None, *, python: bool = False) -> None:
        self._build = None
        self._reason = "asked for"
        if not python:
            self._build, self._reason = _runner_build(progress)
        self.runner = "python" if self._build is None else "cpp"
        self.runner_build = "" if self._build is None else self._build.build_id

    def device(self) -> DeviceInfo:
        """The CPU as the kernel describes it, its cores grouped by their highest frequency."""
        model = _cpu_model()
        return DeviceInfo(
            id=_device_id(model),
            target="host",
            model=model,
            system=f"{platform.system()} {platform.release()}",
            architecture=platform.machine(),
            cores=os.cpu_count() or 1,
            clusters=_clusters(model),
            memory_bytes=_meminfo("MemTotal"),
        )

    def conditions(self, cpu: int) -> Conditions:
        """Governor and frequency of the core, load, memory, space; what the kernel tells."""
        frequency = _CPU / f"cpu{cpu}" / "cpufreq"
        return Conditions(
            at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            governor=_text(frequency / "scaling_governor"),
            freq_khz=_number(frequency / "scaling_cur_freq"),
            max_freq_khz=_number(frequency / "cpuinfo_max_freq"),
            load=os.getloadavg()[0],
            free_memory_bytes=_meminfo("MemAvailable"),
            free_space_bytes=shutil.disk_usage(Path.cwd()).free,
            temperature_c=_temperature(),
        )

    def preflight(self, cpus: tuple[int, ...]) -> tuple[Flag, ...]:
        """A busy machine, a governor that saves power, and the Python runner are flagged."""
        now = self.conditions(cpus[0])
        cores = os.cpu_count() or 1
        flags = []
        if now.load is not None and now.load > BUSY_SHARE * cores:
            detail = f"load {now.load:.1f} on {cores} cores before the run"
            flags.append(Flag("busy machine", False, detail))
        if now.governor not in (None, "performance"):
            flags.append(Flag("governor", False, f"{now.governor}, not performance"))
        if self._build is None:
            detail = f"timed in Python, not by the C++ runner: {self._reason}"
            flags.append(Flag("python runner", False, detail))
        return tuple(flags)

    def run(self, artifact: Artifact, request: RunnerRequest, outputs: Path) -> RunnerReport:
        """Run one request as a child process and read its report."""
        argv = [*self._program(artifact), *request.argv()]
        timeout = request.timeout_s()
        try:
            done = subprocess.run(
                argv, capture_output=True, text=True, timeout=timeout, check=False, cwd=outputs
            )
        except subprocess.TimeoutExpired as error:
            raise RunnerFailed(f"The runner gave no answer in {timeout:.0f} s.") from error
        except OSError as error:
            raise RunnerFailed(f"The runner could not be started: {error}.") from error
        return RunnerReport.parse(done.stdout, exit_code=done.returncode, stderr=done.stderr)

    def _program(self, artifact: Artifact) -> list[str]:
        if self._build is None:
            return [sys.executable, "-m", "seaformer.runtime._python_runner"]
        argv = [str(self._build.binary)]
        if artifact.runtime == "onnxruntime":
            argv += ["--ort-lib", str(self._build.onnxruntime_library)]
        return argv


def open_target(progress: Progress | None = None) -> HostTarget:
    """The entry every target file has."""
    return HostTarget(progress)
