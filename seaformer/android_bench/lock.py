"""``Lock``: one bench at a time on a device.

``lock`` in the device's root (``place.py``) is a folder (creating one is atomic). It holds
``owner`` (a random token, the bench's key and the boot id), ``beat`` (the uptime when the owner was
last active: every poll writes it, and a long transfer beforehand how long it may take) and
``job`` (the process id of the detached job). A lock is stale after a reboot, and when its job is
over and its owner has been silent for longer than a reconnect may take; ``--resume`` of the same
bench takes it much sooner, but never from an owner that is alive.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from seaformer.android_bench.connection import Phone
from seaformer.core.errors import DeviceBusy, DeviceError

SILENT_S = 180
_SILENT_SAME_S = 10
_TRIES = 200
_WAITING = "waiting until the earlier bench on it has certainly ended"

# Prints "got", or "held" and the state of the other lock. Where the lock can be neither made nor
# found, as in a folder of another user, it ends with the reason.
_TAKE = r"""
lock=$1 token=$2 bench=$3
read boot < /proc/sys/kernel/random/boot_id
read up rest < /proc/uptime
up=${up%%.*}
mkdir -p "${lock%/*}" || exit 1
problem=$(mkdir "$lock" 2>&1)
if [ $? = 0 ]; then
  echo $up > "$lock/beat" && echo "$token $bench $boot" > "$lock/owner" && echo got
  exit
fi
case $problem in *[Dd]enied*|*[Rr]ead-only*|*'No space'*)
  [ -d "$lock" ] || { echo "$problem" >&2; exit 1; } ;;
esac
owner= beat= job= alive=no
[ -f "$lock/owner" ] && read owner < "$lock/owner"
[ -f "$lock/beat" ] && read beat < "$lock/beat"
[ -f "$lock/job" ] && read job < "$lock/job"
[ -n "$job" ] && [ -d "/proc/$job" ] && alive=yes
# A lock whose owner is about to write its beat was active just now.
echo "held $((up - ${beat:-$up})) $alive $boot ${beat:--} $owner"
"""
# Removes only the lock that was stale: another bench may have taken a new one since.
_BREAK = r"""
lock=$1 token=$2 expected=$3 owner=
mv "$lock" "$lock.$token" || exit 0
[ -f "$lock.$token/owner" ] && read owner < "$lock.$token/owner"
if [ "$owner" = "$expected" ]; then rm -rf "$lock.$token"; else mv "$lock.$token" "$lock"; fi
"""
_BEAT = r"""
read owner < "$1/owner" || exit 0
read up rest < /proc/uptime
[ "${owner%% *}" = "$2" ] && echo $((${up%%.*} + $3)) 1<> "$1/beat"
exit 0
"""
_LEAVE = r"""
read owner < "$1/owner" || exit 0
[ "${owner%% *}" = "$2" ] && rm -rf "$1"
exit 0
"""


@dataclass(frozen=True)
class _OtherLock:
    """A lock of another owner. ``silent_s`` is negative during an announced transfer."""

    silent_s: int
    beat: str
    job_alive: bool
    same_boot: bool
    bench: str
    owner: str

    @classmethod
    def parse(cls, line: str) -> _OtherLock:
        words = line.split()
        if len(words) < 5 or words[0] != "held":
            raise DeviceError(f"The phone's lock cannot be read: {line.strip()[:200]!r}.")
        owner = words[5:]
        bench, boot = (owner[1], owner[2]) if len(owner) == 3 else ("", "")
        alive, same_boot = words[2] == "yes", boot == words[3]
        return cls(int(words[1]), words[4], alive, same_boot, bench, " ".join(owner))

    def stale(self, bench: str, resume: bool) -> bool:
        if not self.owner:  # its owner died before it wrote that, or is about to
            return self.silent_s < 0 or self.silent_s > _SILENT_SAME_S
        if not self.same_boot:
            return True
        if resume and bench == self.bench:
            return self.silent_s > _SILENT_SAME_S
        return self.silent_s > SILENT_S and not self.job_alive


class Lock:
    """The lock on one phone; ``token`` identifies its owner."""

    def __init__(self, phone: Phone, bench: str) -> None:
        self._phone = phone
        self._path = phone.place.lock
        self._bench = bench
        self.token = secrets.token_hex(8)

    def take(self, *, resume: bool = False) -> None:
        """Take the lock, or break a stale one. Raises ``DeviceBusy`` when another bench holds it.

        With ``resume`` it waits for a lock of the same bench while that owner stays silent.
        """
        last = ""
        changes, since = 0, time.monotonic()
        for _ in range(_TRIES):
            done = self._phone.script(_TAKE, self._path, self.token, self._bench)
            if done.exit_code != 0:
                raise DeviceError(
                    f"{self._phone.serial}: {self._path} could not be created: {done.summary}.",
                    hint=self._phone.place.remove,
                )
            line = done.stdout.strip()
            if line == "got" or f" {self.token} " in line:  # an earlier reply was lost
                return
            other = _OtherLock.parse(line)
            if other.beat != last:
                since = time.monotonic()
            unchanged = time.monotonic() - since > _SILENT_SAME_S
            stale = other.stale(self._bench, resume) or unchanged
            if other.owner and not stale:
                if not resume or other.bench != self._bench or other.silent_s < 0:
                    raise self._busy(other, resume)
                if not last:
                    self._phone.progress(f"{self._phone.serial}: {_WAITING}")
                elif other.beat != last:
                    changes += 1
                if changes > 1:  # one may be the last poll of a cable that was pulled
                    raise self._busy_with_same()
            last = other.beat
            if stale:
                self._phone.script(_BREAK, self._path, self.token, other.owner)
            else:
                self._phone.pause(1.0)
        raise DeviceBusy(
            f"{self._phone.serial}: another bench takes the phone's lock at the same time."
        )

    def beat(self, ahead_s: float = 0.0) -> None:
        """Show that the owner is alive, also for the next ``ahead_s`` seconds without a poll."""
        self._phone.script(_BEAT, self._path, self.token, str(round(ahead_s)))

    def ours(self) -> bool:
        """False when another bench has broken it as stale and taken the phone."""
        done = self._phone.script('read owner < "$1/owner"; echo "${owner%% *}"', self._path)
        return done.stdout.strip() in ("", self.token)

    def leave(self) -> None:
        """Remove the lock, if this bench still owns it."""
        self._phone.script(_LEAVE, self._path, self.token)

    def _busy_with_same(self) -> DeviceBusy:
        return DeviceBusy(
            f"{self._phone.serial} is in use by the same bench, which is alive: it was active "
            "while this one waited.",
            hint="Let it end, or stop it with Ctrl-C; then run this command again.",
        )

    def _busy(self, other: _OtherLock, resume: bool) -> DeviceBusy:
        same = other.bench == self._bench
        last_active = f"{other.silent_s} s ago" if other.silent_s > 0 else "just now"
        running = ", and its job is still running" if other.job_alive else ""
        wait = (_SILENT_SAME_S if same and resume else SILENT_S) - other.silent_s
        hint = f"If it died, the phone is free in {max(wait, 1)} s"
        if same and not resume:
            hint += ", or sooner with --resume, which continues where it stopped"
        return DeviceBusy(
            f"{self._phone.serial} is in use by {'the same' if same else 'another'} bench, last "
            f"active {last_active}{running}.",
            hint=hint + ".",
        )
