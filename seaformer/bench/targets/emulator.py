"""An emulated ARM core: the same aarch64 binaries a phone runs, under qemu-user.

What it gives is real: outputs, the kernels chosen, and the instructions of each timed inference,
counted exactly. What it does not give is time: its milliseconds are the emulator's. Every
measurement made here has the source ``emulated``. Peak memory includes the emulator's own.

``emulator`` is a Cortex-A76; ``emulator:cortex-a72``, or ``SEAFORMER_EMULATED_CPU``, another row of
``core/cpus.toml``.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from seaformer.bench.runner_io import Patience, RunnerFailure, RunnerReport, RunnerRequest
from seaformer.bench.target import PlainTarget, TargetOptions
from seaformer.bench.targets._bundle_report import check_bundle
from seaformer.core import child
from seaformer.core.code_blocks import Block, CodePart
from seaformer.core.cpu import Core, emulated_cores, find_emulated
from seaformer.core.errors import ChecksumMismatch, RunnerFailed
from seaformer.core.measurement import EMULATED, Cluster, Conditions, DeviceInfo, Flag
from seaformer.core.plural import counted
from seaformer.core.precision import arithmetic
from seaformer.core.scratch import temporary_folder
from seaformer.runtime.build.arm64 import build_arm64_bundle
from seaformer.runtime.build.bundle import Bundle
from seaformer.runtime.emulator.counter import (
    Counter,
    build_counter,
    read_blocks,
    read_counts,
    read_parts,
)
from seaformer.runtime.emulator.qemu import Qemu, find_qemu

VARIABLE = "SEAFORMER_EMULATED_CPU"
Progress = Callable[[str], None]

# The length of every path that the emulated program is given: paths lie on its stack and in its
# heap, and their lengths would move what it counts by a millionth. Leading slashes mean nothing.
_PATH = 512
_SLASHES = re.compile("/{9,}")

# The slowest inference to wait for: the largest model of the zoo at 8 M instructions per second.
_PATIENCE = Patience(load_s=600.0, run_s=1800.0)


class EmulatorTarget(PlainTarget):
    """Runs requests on one emulated core.

    Args:
        bundle: the aarch64 runner and all it needs.
        qemu: what emulates.
        profile: the core.
        counter: the counting plugin; absent where QEMU is too new for it.
    """

    source = EMULATED
    runner = "cpp"

    def __init__(
        self,
        bundle: Bundle,
        qemu: Qemu,
        core: Core,
        counter: Counter | None = None,
    ) -> None:
        self._bundle = bundle
        self._qemu = qemu
        self._core = core
        self._counter = counter
        self.runner_build = bundle.manifest.content_id

    def device(self) -> DeviceInfo:
        """One core. It is not pinned: which CPU of this machine emulates it changes no count."""
        core = self._core
        return DeviceInfo(
            id=f"emulator-{core.qemu}",
            target="emulator",
            model=f"emulated {core.name}",
            system=f"qemu-user {self._qemu.version} on {platform.system()} {platform.machine()}",
            architecture="aarch64",
            cores=1,
            clusters=(Cluster((0,), core.name),),
            properties={
                "cpu": core.qemu,
                "stands_for": core.stands_for,
                "features": core.features,
                **arithmetic(core.features.split()),
                "bundle": self._bundle.manifest.content_id,
            },
        )

    def conditions(self, cpu: int) -> Conditions:
        """Nothing about this machine changes a count; its load is noted."""
        at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        return Conditions(at=at, load=os.getloadavg()[0])

    def preflight(self, cpus: tuple[int, ...]) -> tuple[Flag, ...]:
        """The flags that every row has."""
        detail = f"{self._core.name} under qemu {self._qemu.version}: times are the emulator's"
        flags = [Flag("emulated", False, detail + ", peak memory includes it")]
        if self._counter is None:
            detail = f"qemu {self._qemu.version}: the plugin that counts speaks to qemu 4.2 to 8.2"
            flags.append(Flag("no instruction counts", False, detail))
        return tuple(flags)

    def run(self, request: RunnerRequest) -> RunnerReport:
        """Run one request in a fresh emulator; the report carries a count for each sample."""
        return self._run(request)

    def answer(self, request: RunnerRequest) -> RunnerReport:
        """As ``run``, without counting, which is faster."""
        return EmulatorTarget(self._bundle, self._qemu, self._core).run(request)

    def run_blocks(self, request: RunnerRequest) -> tuple[RunnerReport, tuple[Block, ...]]:
        """As ``run``, and every block that the last sample executed.

        Raises ``RunnerFailed`` too where QEMU takes no plugin of ours.
        """
        if self._counter is None:
            raise RunnerFailed(f"qemu {self._qemu.version} takes no plugin that counts.")
        with temporary_folder("blocks") as folder:
            path = folder / "blocks.jsonl"
            return self._run(request, blocks=path), read_blocks(path)

    def run_parts(self, request: RunnerRequest) -> tuple[RunnerReport, tuple[CodePart, ...]]:
        """As ``run``, and the parts that readings of a clock cut the last sample into.

        Raises ``RunnerFailed`` as ``run_blocks`` does.
        """
        if self._counter is None:
            raise RunnerFailed(f"qemu {self._qemu.version} takes no plugin that counts.")
        with temporary_folder("parts") as folder:
            path = folder / "parts.jsonl"
            return self._run(replace(request, ticks=True), parts=path), read_parts(path)

    def _run(
        self, request: RunnerRequest, *, blocks: Path | None = None, parts: Path | None = None
    ) -> RunnerReport:
        try:
            self._bundle.check()
        except ChecksumMismatch as error:
            raise RunnerFailed(error.message, hint=error.hint) from error
        with temporary_folder("qemu") as folder:
            counts = folder / "counts.jsonl"
            plugin = self._counter.plugin(counts, blocks, parts=parts) if self._counter else ""
            done = self._start(request, plugin)
            if done.returncode != 0:
                raise _failure(done, self._core, self._qemu)
            report = check_bundle(RunnerReport.parse(done.stdout), self._bundle)
            if self._counter is None:
                return report
            return _with_counts(report, counts)

    def _start(self, request: RunnerRequest, plugin: str) -> child.Finished[str]:
        library = self._bundle.library(request.engine)
        request = replace(request, marker=True, library=library, cpus=())
        program = [*self._bundle.argv(), *request.argv()]
        argv = self._qemu.argv(self._core, [*map(_as_long, program)], plugin)
        limit = request.timeout_s(_PATIENCE)
        try:
            # A bare environment: what is in it lies on the stack, and moves what follows.
            done = child.run(argv, limit, environment={})
        except child.ChildTimeoutError as error:
            raise RunnerFailed(f"The emulator gave no answer in {limit:.0f} s.") from error
        except OSError as error:
            raise RunnerFailed(f"The emulator could not be started: {error}.") from error
        done.stdout, done.stderr = (_SLASHES.sub("/", t) for t in (done.stdout, done.stderr))
        return done


def open_target(
    progress: Progress | None = None,
    profile: str = "",
    *,
    options: TargetOptions = TargetOptions(),
) -> EmulatorTarget:
    """The emulated core ``profile``; the bundle and the plugin are built at first use.

    Raises ``UnknownName`` for a core that has no row, ``UsageError`` for one this QEMU lacks,
    ``MissingExtra`` with the line that installs what is missing.
    """
    chosen = profile or os.environ.get(VARIABLE) or emulated_cores()[0].qemu
    cpu, qemu = find_emulated(chosen), find_qemu()
    qemu.check(cpu)
    counter = build_counter(caches=options.misses) if qemu.counts else None
    bundle = build_arm64_bundle(progress, libraries=options.engines)
    return EmulatorTarget(bundle, qemu, cpu, counter)


def _as_long(argument: str) -> str:
    """An absolute path as long as every other; anything else as it is."""
    return argument.rjust(_PATH, "/") if argument.startswith("/") else argument


def _with_counts(report: RunnerReport, path: Path) -> RunnerReport:
    counts = read_counts(path)
    if len(counts) != len(report.samples_ns):
        raise RunnerFailed(
            f"The emulator counted {counted(len(counts), 'inference')}, the runner timed "
            f"{len(report.samples_ns)}."
        )
    return replace(report, counts=counts)


def _failure(done: child.Finished[str], core: Core, qemu: Qemu) -> RunnerFailed:
    """Why a report is missing. QEMU reports a program that died; otherwise QEMU itself did."""
    code = done.returncode
    if "unable to find CPU model" in done.stderr:
        return RunnerFailed(f"qemu {qemu.version} does not support the core {core.qemu}.")
    died = "uncaught target signal" in done.stderr
    number = -code if code < 0 else code - 128
    if died and number == signal.SIGILL:
        return RunnerFailed(
            f"The emulated {core.name} met an instruction it does not have (SIGILL): "
            "the kernels were chosen for another core.",
            hint="Choose a core with --device emulator:NAME.",
        )
    if not died and code < 0:
        name = signal.Signals(number).name
        return RunnerFailed(f"The emulator was killed by {name} before the runner could answer.")
    failure = RunnerFailure.parse(done.stdout, stderr=done.stderr, exit_code=code)
    return failure.error()
