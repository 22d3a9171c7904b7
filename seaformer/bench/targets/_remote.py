"""``RemoteTarget``: the bundle's runner in a detached process on one core of another device.

A phone (``phone.py``) and a board behind ssh (``ssh.py``) differ in the connection, and in how
their state is read and judged (``android_bench/care.py``); everything else is here. A request of a
bench becomes one job, named after what it computes and how often that was requested, so a bench
with ``resume`` finds the jobs of an earlier one. The lock and all that is undone at the end are in
``_remote_session.py``, temperature and throttling in ``_remote_heat.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from seaformer.android_bench import condition
from seaformer.android_bench.care import Care
from seaformer.android_bench.connection import Phone
from seaformer.android_bench.job import Job, JobResult, run_job, stop_job
from seaformer.bench.runner_io import RunnerFailure, RunnerReport, RunnerRequest
from seaformer.bench.target import REDOS, TargetOptions
from seaformer.bench.targets._bundle_report import check_bundle
from seaformer.bench.targets._remote_heat import RemoteHeat
from seaformer.bench.targets._remote_request import RemoteRequests
from seaformer.bench.targets._remote_session import RemoteSession
from seaformer.core.errors import MeasurementRefused
from seaformer.core.measurement import MEASURED, Conditions, DeviceInfo, Flag
from seaformer.core.plural import counted
from seaformer.runtime.build.bundle import Bundle

Progress = Callable[[str], None]


@dataclass(frozen=True)
class RemoteDevice:
    """What a device reported when it was opened.

    ``care`` reads and judges its state; ``notes`` go into each of its rows.
    """

    info: DeviceInfo
    care: Care
    offline: tuple[int, ...]
    notes: tuple[Flag, ...]


class RemoteTarget:
    """Runs requests on one device.

    Args:
        phone: the connection, which reconnects by itself.
        bundle: the aarch64 runner and its libraries.
        device: what it is.
        options: resume, force.
        progress: called with a sentence when something takes time or fails.
    """

    runner = "cpp"
    redos = REDOS

    def __init__(
        self,
        phone: Phone,
        bundle: Bundle,
        device: RemoteDevice,
        options: TargetOptions = TargetOptions(),
        progress: Progress = lambda sentence: None,
    ) -> None:
        self._phone = phone
        self._bundle = bundle
        self._device = device
        self._care = device.care
        self._options = options
        self._events: list[Flag] = []
        self._reported_reconnects = 0
        notice = options.notice or progress
        self._session = RemoteSession(phone, device.care, resume=options.resume, notice=notice)
        self._heat = RemoteHeat(phone, device.care, progress)
        taskset = phone.script("command -v taskset").exit_code == 0
        self._requests = RemoteRequests(phone, bundle, taskset)
        self.source = MEASURED
        self.runner_build = bundle.manifest.content_id

    @property
    def bytes_pushed(self) -> int:
        """Bytes of files sent to the device so far."""
        return self._phone.bytes_pushed

    def device(self) -> DeviceInfo:
        """The device, its chip and its cores, as read when it was opened."""
        return self._device.info

    def conditions(self, cpu: int) -> Conditions:
        """The device's state now."""
        return self._heat.state(cpu).conditions

    def preflight(self, cpus: tuple[int, ...]) -> tuple[Flag, ...]:
        """Notes for the reader of the row. Raises the first reason to refuse, unless forced."""
        state = self._care.read(cpus[0], busy=True)
        reasons = self._care.refusals(state, cpus)
        reasons += condition.offline_refusal(self._device.offline, self._phone.serial)
        if reasons and not self._options.force:
            error = reasons[0]
            error.hint = f"{error.hint} To measure anyway: --force, which is noted in the row."
            raise error
        flags = [Flag("forced", False, reason.message) for reason in reasons]
        if not self._requests.taskset:
            flags.append(Flag("no taskset", False, "the runner alone set its affinity"))
        return (*flags, *self._device.notes, *self._care.notes(state))

    @contextmanager
    def session(self, bench: str) -> Iterator[None]:
        """Hold the device for one bench; everything is undone at the end."""
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

    def answer(self, request: RunnerRequest) -> RunnerReport:
        """As ``run``, hot or cool; inputs and outputs are removed from the device."""
        assert self._session.lock is not None
        with self._session.failures_kept():
            if self._session.restarted:
                self._after_restart()
            folder = self._session.job_folder(self._requests.key(request))
            result = self._run_job(request, folder, self._session.lock.token, None)
            report = check_bundle(RunnerReport.parse(result.stdout), self._bundle)
            report = self._requests.pulled(request, report, folder)
            stop_job(self._phone, folder)
            self._requests.drop(request)
            return report

    def events(self) -> tuple[Flag, ...]:
        """Reconnects, restarts, waits for a cooler device, runs of an earlier bench."""
        events, self._events = self._events, []
        if lost := self._phone.reconnects - self._reported_reconnects:
            self._reported_reconnects = self._phone.reconnects
            detail = f"the connection was lost and made again {counted(lost, 'time')}"
            events.append(Flag("reconnected", False, detail))
        return tuple(events)

    def close(self) -> None:
        """Close the connection; outside a session only the cache is on the device."""
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

    def _run_job(
        self, request: RunnerRequest, folder: str, token: str, cpu: int | None
    ) -> JobResult:
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

    def _prepare(self, cpu: int | None) -> None:
        """Before a start: the core is online, and the device cool unless forced; nothing without
        a core, where no time is taken."""
        if cpu is None:
            return
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
        """A restarted device has lost the lock, maybe files, and the setting."""
        self._session.retake()
        self._requests.forget()
        self._care.begin()
        self._events.append(Flag("restarted", False, "the device was restarted during the bench"))
