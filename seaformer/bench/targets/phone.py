"""A phone: the bundle's runner in a detached process on one of its cores.

``phone`` alone is the only one that is attached (or ``ANDROID_SERIAL``); a serial, or
``HOST:PORT``, is that one. How it is reached, kept and left is ``seaformer/android_bench``; here a
bench's requests become jobs there. A job's name is what it computes and how often that was asked
for, so that a bench that starts again with ``resume`` finds what it measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from seaformer.android_bench import condition
from seaformer.android_bench.attach import Finder
from seaformer.android_bench.devices import Probe, read_probe
from seaformer.android_bench.job import JOBS, Job, JobResult, clear_jobs, run_job, stop_job
from seaformer.android_bench.link import Patience, Phone
from seaformer.android_bench.lock import Lock
from seaformer.bench.runner_io import RunnerFailure, RunnerReport, RunnerRequest
from seaformer.bench.target import TargetOptions
from seaformer.bench.targets._bundle_report import check_bundle
from seaformer.bench.targets._phone_request import PhoneRequests
from seaformer.core.errors import DeviceError, MeasurementRefused, SeaFormerError, TooHot
from seaformer.core.measurement import EMULATED, MEASURED, Conditions, DeviceInfo, Flag
from seaformer.runtime.build.arm64 import build_arm64_bundle
from seaformer.runtime.build.bundle import Bundle

Progress = Callable[[str], None]
COOL_LIMIT_S, _COOL_LOOK_S = 600.0, 5.0
# A reading of the phone's state is good for this long.
_FRESH_S = 2.0
# The core's frequency after a block, relative to the first block's.
SLOWER = 0.97


class PhoneTarget:
    """Runs requests on one phone.

    Args:
        phone: the connection, which is kept alive.
        bundle: the aarch64 runner and all it needs.
        options: resume, force.
        say: called with a sentence when something happens that takes time or went wrong.
    """

    runner = "cpp"

    def __init__(
        self,
        phone: Phone,
        bundle: Bundle,
        options: TargetOptions = TargetOptions(),
        say: Progress = lambda sentence: None,
    ) -> None:
        self._phone = phone
        self._bundle = bundle
        self._options = options
        self._say = say
        self._notice = options.notice or say
        self._lock: Lock | None = None
        self._bench = ""
        self._boot_id = phone.boot_id
        self._events: list[Flag] = []
        self._told_reconnects = 0
        self._troubled = False
        self._first_khz: int | None = None
        self._last_state: tuple[float, condition.State] | None = None
        self._probe = read_probe(phone.script, phone.serial)
        taskset = phone.script("command -v taskset").exit_code == 0
        self._requests = PhoneRequests(phone, bundle, taskset)
        self.source = EMULATED if _is_emulator(self._probe) else MEASURED
        self.runner_build = bundle.manifest.content_id

    @property
    def bytes_pushed(self) -> int:
        """Bytes of files sent to the phone so far."""
        return self._phone.bytes_pushed

    def device(self) -> DeviceInfo:
        """The phone, its chip and its cores, as it told when it was opened."""
        return self._probe.info

    def conditions(self, cpu: int) -> Conditions:
        """The phone's state now."""
        return self._state(cpu).conditions

    def preflight(self, cpus: tuple[int, ...]) -> tuple[Flag, ...]:
        """What a reader must know. Raises the first reason not to measure, unless forced."""
        state = condition.read_state(self._phone, cpus[0], busy=True)
        reasons = condition.refusals(state, cpus, self._phone.serial)
        reasons += condition.offline_refusal(self._probe.offline, self._phone.serial)
        if reasons and not self._options.force:
            error = reasons[0]
            error.hint = f"{error.hint} To measure anyway: --force, which the row then says."
            raise error
        flags = [Flag("forced", False, reason.message) for reason in reasons]
        if not self._requests.taskset:
            flags.append(Flag("no taskset", False, "the runner alone set its affinity"))
        if self.source == EMULATED:
            flags.append(Flag("emulated", False, "an Android emulator: its times are no phone's"))
        flags += [Flag("unexpected phone", False, note) for note in self._probe.notes]
        return (*flags, *condition.notes(state))

    @contextmanager
    def session(self, bench: str) -> Iterator[None]:
        """Have the phone: lock it, clear what a dead bench left, keep it awake; undo it all."""
        phone, lock = self._phone, Lock(self._phone, bench)
        try:
            lock.take(resume=self._options.resume)
        except KeyboardInterrupt:
            with suppress(DeviceError, KeyboardInterrupt):
                lock.leave()  # the answer that it is ours may have been on its way
            raise
        phone.before_transfer = lock.beat
        self._lock, self._bench, self._boot_id = lock, bench, phone.boot_id
        self._requests.begin()
        self._troubled = True
        try:
            for setting in condition.restore(phone):
                self._notice(f"{phone.serial}: {setting} was left by a bench that died; put back")
            self._clear_before(bench)
            condition.stay_awake(phone)
            self._troubled = False
            yield
        except BaseException:
            self._troubled = True
            raise
        finally:
            self._leave(lock)

    def run(self, request: RunnerRequest) -> RunnerReport:
        """Push what is missing, run the request as a job, pull what it wrote."""
        if self._lock is None:
            with self.session(self._bench or "single"):
                return self.run(request)
        try:
            self._after_reboot()
            return self._run(request)
        except SeaFormerError:
            self._troubled = True
            raise

    def events(self) -> tuple[Flag, ...]:
        """Reconnects, waits for a cooler phone, runs of an earlier bench, the battery's power."""
        events, self._events = self._events, []
        if lost := self._phone.reconnects - self._told_reconnects:
            self._told_reconnects = self._phone.reconnects
            detail = f"the connection was lost and made again {lost} time(s)"
            events.append(Flag("reconnected", False, detail))
        return tuple(events)

    def close(self) -> None:
        """Close the connection; nothing of ours is on the phone outside a session."""
        self._phone.close()

    def _run(self, request: RunnerRequest) -> RunnerReport:
        assert self._lock is not None
        folder = f"{JOBS}/{self._bench}/{self._requests.key(request)}"
        job = Job(
            folder,
            self._requests.argv(request, folder),
            self._requests.mask(request),
            request.timeout_s(),
        )
        cpu = request.cpus[0] if request.cpus else 0
        began = len(self._events)
        result = run_job(
            self._phone, job, self._lock.token, self._boot_id, before=lambda: self._ready(cpu)
        )
        if result.exit_code != 0:
            failure = RunnerFailure.parse(
                result.stdout, stderr=result.stderr, exit_code=result.exit_code
            )
            raise failure.error()
        report = check_bundle(RunnerReport.parse(result.stdout), self._bundle)
        if result.resumed and len(self._events) == began:
            self._events.append(Flag("resumed", False, "measured by a bench that did not end"))
        report = self._requests.pulled(request, report, folder)
        throttled = self._judged(cpu, report, folder)
        return replace(report, throttled=throttled, coarse_power_mw=self._power(result))

    def _state(self, cpu: int, fresh_s: float = _FRESH_S) -> condition.State:
        if self._last_state is not None and time.monotonic() - self._last_state[0] < fresh_s:
            return self._last_state[1]
        state = condition.read_state(self._phone, cpu)
        self._last_state = (time.monotonic(), state)
        return state

    def _ready(self, cpu: int) -> None:
        """A start is due: the core is there and the phone is cool."""
        self._present(self._state(cpu), cpu)
        self._cool(cpu)

    def _present(self, state: condition.State, cpu: int) -> None:
        """A core that went offline meanwhile is one that nothing ran on, whatever was forced."""
        for error in condition.absent_refusal(state, (cpu,), self._phone.serial):
            raise error

    def _cool(self, cpu: int) -> None:
        """Wait until the phone is cool enough to start, looking all the time."""
        if self._options.force:
            return
        began = time.monotonic()
        while reason := condition.too_hot(self._state(cpu)):
            waited = time.monotonic() - began
            if waited > COOL_LIMIT_S:
                raise TooHot(
                    f"{self._phone.serial}: after {waited:.0f} s of waiting {reason}.",
                    hint="Let it cool down, then run the same command with --resume.",
                )
            self._say(f"{self._phone.serial}: waiting for it to cool down, {reason}")
            assert self._lock is not None
            self._lock.beat()
            self._phone.pause(_COOL_LOOK_S)
        if (waited := time.monotonic() - began) > 1:
            self._events.append(Flag("cooled", False, f"waited {waited:.0f} s for a cooler phone"))

    def _power(self, result: JobResult) -> float | None:
        """The mean of what the battery gauge said; while it charges it tells something else."""
        plugged = self._last_state is None or self._last_state[1].battery.plugged
        if plugged or not result.power_mw:
            return None
        return sum(result.power_mw) / len(result.power_mw)

    def _judged(self, cpu: int, report: RunnerReport, folder: str) -> str:
        """As ``_throttled``; a run that cannot stand is not left for ``--resume`` to find."""
        try:
            throttled = self._throttled(cpu, report)
        except MeasurementRefused:
            stop_job(self._phone, folder)
            raise
        if throttled:
            stop_job(self._phone, folder)
        return throttled

    def _throttled(self, cpu: int, report: RunnerReport) -> str:
        """Why a block cannot stand, as the phone tells it after the block."""
        state = self._state(cpu, fresh_s=0)
        self._present(state, cpu)
        if reason := condition.too_hot(state):
            return reason
        limit, top = state.limit_khz, state.conditions.max_freq_khz
        if limit is not None and top is not None and limit < top:
            return f"core {cpu} is held at {limit / 1e6:.2f} GHz of {top / 1e6:.2f}"
        seen = report.cpu_freq_khz.after
        self._first_khz = self._first_khz or seen
        if seen and self._first_khz and seen < SLOWER * self._first_khz:
            return f"core {cpu} ran at {seen / 1e6:.2f} GHz, at first {self._first_khz / 1e6:.2f}"
        return ""

    def _after_reboot(self) -> None:
        """A restarted phone has no lock of ours, perhaps no files, and its settings."""
        if self._boot_id == self._phone.boot_id or self._lock is None:
            return
        self._boot_id = self._phone.boot_id
        self._lock.take(resume=True)
        self._requests.forget()
        condition.stay_awake(self._phone)
        self._events.append(Flag("restarted", False, "the phone was restarted during the bench"))

    def _clear_before(self, bench: str) -> None:
        if self._options.resume:
            kept = clear_jobs(self._phone, bench, running=True)
            self._notice(f"{self._phone.serial}: {kept} run(s) of the earlier bench are taken up")
        else:
            clear_jobs(self._phone)

    def _leave(self, lock: Lock) -> None:
        """Undo everything, one thing after the other; what could not be is named."""
        self._lock = None
        self._phone.before_transfer = lambda seconds: None
        phone, keep = self._phone, self._bench if self._troubled else ""
        kept = 0

        def clear() -> None:
            nonlocal kept
            kept = clear_jobs(phone, keep)

        todo: list[tuple[str, Callable[[], object]]] = [
            ("its jobs", clear),
            ("the setting stay_on_while_plugged_in", lambda: condition.restore(phone)),
            ("its lock", lock.leave),
        ]
        try:
            if not lock.ours():
                self._notice(f"{phone.serial}: another bench has it now; nothing was touched")
                todo = []
            while todo:
                todo[0][1]()
                todo.pop(0)
        except (DeviceError, KeyboardInterrupt):
            left = ", ".join(what for what, _ in todo)
            self._notice(
                f"{phone.serial}: could not be put back: {left}. The next bench on it does that."
            )
        if kept:
            self._notice(f"{phone.serial}: {kept} finished run(s) are kept on it for --resume")
        phone.close()


def open_target(
    progress: Progress | None = None,
    serial: str = "",
    *,
    options: TargetOptions = TargetOptions(),
    patience: Patience = Patience(),
) -> PhoneTarget:
    """The phone ``serial``, or the only one there is; the bundle is built at first use.

    Raises ``NoDevice``, ``ManyDevices``, the error of the phone's state, or ``MissingExtra`` for
    what the bundle needs.
    """
    say = progress or (lambda sentence: None)
    finder = Finder(options.adb_host)
    (attached,) = finder.choose(serial)
    pause = options.pause or time.sleep
    phone = Phone(finder, attached, patience=patience, say=say, pause=pause)
    abi = phone.run(["getprop", "ro.product.cpu.abi"]).stdout.strip()
    if abi != "arm64-v8a":
        raise DeviceError(f"{phone.serial} is {abi or 'of an unknown kind'}; arm64-v8a is needed.")
    say(f"{phone.serial}: through {phone.way}, since {phone.why}")
    return PhoneTarget(phone, build_arm64_bundle(progress), options, say)


def serials(options: TargetOptions = TargetOptions()) -> tuple[str, ...]:
    """Every phone that is attached, ready or not: ``--device all``."""
    return tuple(phone.serial for phone in Finder(options.adb_host).choose("all"))


def _is_emulator(probe: Probe) -> bool:
    """An Android emulator on a computer, by the properties its system image sets."""
    said = probe.properties
    chip = said.get("ro.hardware", "") in ("ranchu", "goldfish")
    return chip or "1" in (said.get("ro.kernel.qemu"), said.get("ro.boot.qemu"))
