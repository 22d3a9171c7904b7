"""``RemoteSession``: what a bench holds on a device, from the lock to the last setting put back.

A session locks the device, removes what a killed bench left, and keeps a phone awake. At its end
everything is undone; what could not be put back is reported by name. A session that failed keeps
its finished jobs on the device for ``--resume``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from seaformer.android_bench.care import Care
from seaformer.android_bench.connection import Phone
from seaformer.android_bench.job import clear_jobs
from seaformer.android_bench.lock import Lock
from seaformer.core.errors import DeviceError, SeaFormerError
from seaformer.core.plural import counted


class RemoteSession:
    """The sessions of benches on one device, one after the other.

    Args:
        phone: the connection.
        care: what is changed on the device, and put back.
        resume: continue an earlier bench: keep its jobs, and wait for its lock.
        notice: called with a sentence that must reach the user.

    ``lock`` is held while a session is open, ``boot_id`` the boot in which it was taken.
    """

    def __init__(
        self, phone: Phone, care: Care, *, resume: bool, notice: Callable[[str], None]
    ) -> None:
        self._phone = phone
        self._care = care
        self._resume = resume
        self._notice = notice
        self._failed = False
        self.bench = ""
        self.lock: Lock | None = None
        self.boot_id = phone.boot_id

    @contextmanager
    def open(self, bench: str) -> Iterator[None]:
        """Lock the device, clear what a killed bench left, keep it awake; undo all of it."""
        phone, lock = self._phone, Lock(self._phone, bench)
        try:
            lock.take(resume=self._resume)
        except KeyboardInterrupt:
            with suppress(DeviceError, KeyboardInterrupt):
                lock.leave()  # the reply that it was taken may have been lost
            raise
        phone.before_transfer = lock.beat
        self.lock, self.bench, self.boot_id = lock, bench, phone.boot_id
        self._failed = True
        try:
            for setting in self._care.restore():
                self._notice(f"{phone.serial}: {setting}, changed by a killed bench, was put back")
            self._clear_before()
            self._care.begin()
            self._failed = False
            yield
        except BaseException:
            self._failed = True
            raise
        finally:
            self._leave(lock)

    @contextmanager
    def failures_kept(self) -> Iterator[None]:
        """A failed run marks the session: its finished jobs stay on the phone."""
        try:
            yield
        except SeaFormerError:
            self._failed = True
            raise

    @property
    def restarted(self) -> bool:
        """Whether the phone was restarted since the lock was taken."""
        return self.lock is not None and self.boot_id != self._phone.boot_id

    def retake(self) -> None:
        """Take the lock again after a restart, which removed it."""
        assert self.lock is not None
        self.boot_id = self._phone.boot_id
        self.lock.take(resume=True)

    def job_folder(self, key: str) -> str:
        """The folder on the phone of one job of this bench."""
        return f"{self._phone.place.jobs}/{self.bench}/{key}"

    def _clear_before(self) -> None:
        if self._resume:
            kept = clear_jobs(self._phone, self.bench, running=True)
            runs = counted(kept, "run of the earlier bench is", "runs of the earlier bench are")
            self._notice(f"{self._phone.serial}: {runs} used")
        else:
            clear_jobs(self._phone)

    def _leave(self, lock: Lock) -> None:
        """Undo everything, step by step; report the steps that failed."""
        self.lock = None
        self._phone.before_transfer = lambda seconds: None
        phone, keep = self._phone, self.bench if self._failed else ""
        kept = 0

        def clear() -> None:
            nonlocal kept
            kept = clear_jobs(phone, keep)

        steps: list[tuple[str, Callable[[], object]]] = [
            ("its jobs", clear),
            ("the setting stay_on_while_plugged_in", self._care.restore),
            ("its lock", lock.leave),
        ]
        try:
            if not lock.ours():
                self._notice(f"{phone.serial}: another bench uses it now; nothing was touched")
                steps = []
            while steps:
                steps[0][1]()
                steps.pop(0)
        except (DeviceError, KeyboardInterrupt):
            left = ", ".join(what for what, _ in steps)
            self._notice(
                f"{phone.serial}: could not be put back: {left}. The next bench on it does that."
            )
        if kept:
            runs = counted(kept, "finished run is", "finished runs are")
            self._notice(f"{phone.serial}: {runs} kept on it for --resume")
        phone.close()
