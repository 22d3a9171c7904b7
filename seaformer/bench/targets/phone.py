"""A phone: the bundle's runner in a detached process on one of its cores.

``phone`` alone is the only attached phone (or ``ANDROID_SERIAL``); a serial, or ``HOST:PORT``, is
that one. ``seaformer/android_bench`` reaches it and runs jobs on it; here a request of a bench
becomes one job. A job is named after what it computes and how often that was requested, so a bench
with ``resume`` finds the jobs of an earlier one. The lock and all that is undone at the end are in
``_phone_session.py``, temperature and throttling in ``_phone_heat.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from seaformer.android_bench import condition
from seaformer.android_bench.connection import ConnectionPolicy, Phone
from seaformer.android_bench.devices import Probe, check_abi, read_probe
from seaformer.android_bench.finder import ALL, Finder
from seaformer.android_bench.job import Job, JobResult, run_job, stop_job
from seaformer.bench.runner_io import RunnerFailure, RunnerReport, RunnerRequest
from seaformer.bench.target import TargetOptions
from seaformer.bench.targets._bundle_report import check_bundle
from seaformer.bench.targets._phone_heat import PhoneHeat
from seaformer.bench.targets._phone_request import PhoneRequests
from seaformer.bench.targets._phone_session import PhoneSession
from seaformer.core.errors import MeasurementRefused
from seaformer.core.measurement import EMULATED, MEASURED, Conditions, DeviceInfo, Flag
from seaformer.runtime.build.arm64 import build_arm64_bundle
from seaformer.runtime.build.bundle import Bundle

Progress = Callable[[str], None]


class PhoneTarget:
    """Runs requests on one phone.

    Args:
        phone: the connection, which reconnects by itself.
        bundle: the aarch64 runner and its libraries.
        options: resume, force.
        progress: called with a sentence when something takes time or fails.
    """

    runner = "cpp"

    def __init__(
        self,
        phone: Phone,
        bundle: Bundle,
        options: TargetOptions = TargetOptions(),
        progress: Progress = lambda sentence: None,
    ) -> None:
        self._phone = phone
        self._bundle = bundle
        self._options = options
        self._events: list[Flag] = []
        self._reported_reconnects = 0
        notice = options.notice or progress
        self._session = PhoneSession(phone, resume=options.resume, notice=notice)
        self._heat = PhoneHeat(phone, progress)
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
        """The phone, its chip and its cores, as read when it was opened."""
        return self._probe.info

    def conditions(self, cpu: int) -> Conditions:
        """The phone's state now."""
        return self._heat.state(cpu).conditions

    def preflight(self, cpus: tuple[int, ...]) -> tuple[Flag, ...]:
        """Notes for the reader of the row. Raises the first reason to refuse, unless forced."""
        state = condition.read_state(self._phone, cpus[0], busy=True)
        reasons = condition.refusals(state, cpus, self._phone.serial)
        reasons += condition.offline_refusal(self._probe.offline, self._phone.serial)
        if reasons and not self._options.force:
            error = reasons[0]
            error.hint = f"{error.hint} To measure anyway: --force, which is noted in the row."
            raise error
        flags = [Flag("forced", False, reason.message) for reason in reasons]
        if not self._requests.taskset:
            flags.append(Flag("no taskset", False, "the runner alone set its affinity"))
        if self.source == EMULATED:
            flags.append(
                Flag("emulated", False, "an Android emulator: its times are not a phone's")
            )
        flags += [Flag("unexpected phone", False, note) for note in self._probe.notes]
        return (*flags, *condition.notes(state))

    @contextmanager
    def session(self, bench: str) -> Iterator[None]:
        """Hold the phone for one bench; everything is undone at the end."""
        with self._session.open(bench):
            self._requests.begin()
            yield

    def run(self, request: RunnerRequest) -> RunnerReport:
        """Push what is missing, run the request as a job, pull its output."""
        if self._session.lock is None:
            with self.session(self._session.bench or "single"):
                return self.run(request)
        with self._session.failures_kept():
            if self._session.restarted:
                self._after_restart()
            return self._run(request, self._session.lock.token)

    def events(self) -> tuple[Flag, ...]:
        """Reconnects, restarts, waits for a cooler phone, runs of an earlier bench."""
        events, self._events = self._events, []
        if lost := self._phone.reconnects - self._reported_reconnects:
            self._reported_reconnects = self._phone.reconnects
            detail = f"the connection was lost and made again {lost} time(s)"
            events.append(Flag("reconnected", False, detail))
        return tuple(events)

    def close(self) -> None:
        """Close the connection; outside a session only the cache is on the phone."""
        self._phone.close()

    def _run(self, request: RunnerRequest, token: str) -> RunnerReport:
        folder = self._session.job_folder(self._requests.key(request))
        cpu = request.cpus[0] if request.cpus else 0
        result = self._run_job(request, folder, token, cpu)
        report = check_bundle(RunnerReport.parse(result.stdout), self._bundle)
        if result.resumed:
            self._events.append(Flag("resumed", False, "measured by a bench that did not end"))
        report = self._requests.pulled(request, report, folder)
        throttled = self._check_block(cpu, report, folder)
        power_mw = self._heat.mean_power_mw(result.power_mw)
        return replace(report, throttled=throttled, coarse_power_mw=power_mw)

    def _run_job(self, request: RunnerRequest, folder: str, token: str, cpu: int) -> JobResult:
        job = Job(
            folder,
            self._requests.argv(request, folder),
            self._requests.mask(request),
            request.timeout_s(),
        )
        boot_id = self._session.boot_id
        result = run_job(self._phone, job, token, boot_id, before=lambda: self._prepare(cpu))
        if result.exit_code != 0:
            failure = RunnerFailure.parse(
                result.stdout, stderr=result.stderr, exit_code=result.exit_code
            )
            raise failure.error()
        return result

    def _prepare(self, cpu: int) -> None:
        """Before a start: the core is online, and the phone cool unless forced."""
        self._heat.require_online(cpu)
        if not self._options.force:
            assert self._session.lock is not None
            self._events += self._heat.wait_until_cool(cpu, self._session.lock.beat)

    def _check_block(self, cpu: int, report: RunnerReport, folder: str) -> str:
        """The reason to discard the block; its job is removed, so that no resume finds it."""
        try:
            throttled = self._heat.throttled(cpu, report.cpu_freq_khz.after)
        except MeasurementRefused:
            stop_job(self._phone, folder)
            raise
        if throttled:
            stop_job(self._phone, folder)
        return throttled

    def _after_restart(self) -> None:
        """A restarted phone has lost the lock, maybe files, and the setting."""
        self._session.retake()
        self._requests.forget()
        condition.stay_awake(self._phone)
        self._events.append(Flag("restarted", False, "the phone was restarted during the bench"))


def open_target(
    progress: Progress | None = None,
    serial: str = "",
    *,
    options: TargetOptions = TargetOptions(),
    policy: ConnectionPolicy = ConnectionPolicy(),
) -> PhoneTarget:
    """The phone ``serial``, or the only one attached; the bundle is built at first use.

    Raises ``NoDevice``, ``ManyDevices``, the error of the phone's state, or ``MissingExtra`` for
    what the bundle requires.
    """
    report = progress or (lambda sentence: None)
    finder = Finder(options.adb_host)
    (device,) = finder.choose(serial)
    pause = options.pause or time.sleep
    phone = Phone(finder, device, policy=policy, progress=report, pause=pause)
    try:
        check_abi(phone.serial, phone.run(["getprop", "ro.product.cpu.abi"]).stdout.strip())
        report(f"{phone.serial}: connected by {phone.way} ({phone.why})")
        return PhoneTarget(phone, build_arm64_bundle(progress), options, report)
    except BaseException:
        phone.close()
        raise


def serials(options: TargetOptions = TargetOptions()) -> tuple[str, ...]:
    """Every attached phone, ready or not: ``--device all``."""
    return tuple(device.serial for device in Finder(options.adb_host).choose(ALL))


def _is_emulator(probe: Probe) -> bool:
    """An Android emulator on a computer, by the properties of its system image."""
    properties = probe.properties
    chip = properties.get("ro.hardware", "") in ("ranchu", "goldfish")
    return chip or "1" in (properties.get("ro.kernel.qemu"), properties.get("ro.boot.qemu"))
