"""One bench at a time on a phone.

``/data/local/tmp/seaformer/lock`` is a folder (making one is atomic). In it: ``owner`` (a random
token, the bench's key and the boot id), ``beat`` (the phone's uptime when the owner last gave a
sign of life; every poll is one, and a long transfer says beforehand how long it may last) and
``job`` (the process id of the detached job). A lock is stale after a reboot, and when its job is
over and its owner has been silent for longer than a lost connection is waited for; ``--resume`` of
the same bench takes it much sooner, but never from an owner that is alive.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from seaformer.android_bench.link import Phone
from seaformer.android_bench.store import ROOT
from seaformer.core.errors import DeviceBusy, DeviceError

LOCK = f"{ROOT}/lock"
SILENT_S = 180
_SILENT_SAME_S = 10
_TRIES = 200
_WAITING = "waiting, to be sure that the earlier bench on it has ended"

# The script's own words for what it found.
_TAKE = r"""
lock=$1 token=$2 bench=$3
read boot < /proc/sys/kernel/random/boot_id
read up rest < /proc/uptime
up=${up%%.*}
mkdir -p "${lock%/*}" || exit 1
if mkdir "$lock" 2>/dev/null; then
  echo "$token $bench $boot" > "$lock/owner" && echo $up > "$lock/beat" && echo got
  exit
fi
owner= beat=0 job= alive=no
[ -f "$lock/owner" ] && read owner < "$lock/owner"
[ -f "$lock/beat" ] && read beat < "$lock/beat"
beat=${beat:-$up}  # emptied to be written this very moment
[ -f "$lock/job" ] && read job < "$lock/job"
[ -n "$job" ] && [ -d "/proc/$job" ] && alive=yes
echo "held $((up - beat)) $alive $boot $beat $owner"
"""
# Only the lock that was found stale is taken away: another one may be there by now.
_BREAK = r"""
lock=$1 token=$2 expected=$3 owner=
mv "$lock" "$lock.$token" || exit 0
[ -f "$lock.$token/owner" ] && read owner < "$lock.$token/owner"
if [ "$owner" = "$expected" ]; then rm -rf "$lock.$token"; else mv "$lock.$token" "$lock"; fi
"""
_BEAT = r"""
read owner < "$1/owner" || exit 0
read up rest < /proc/uptime
[ "${owner%% *}" = "$2" ] && echo $((${up%%.*} + $3)) > "$1/beat"
exit 0
"""
_LEAVE = r"""
read owner < "$1/owner" || exit 0
[ "${owner%% *}" = "$2" ] && rm -rf "$1"
exit 0
"""


@dataclass(frozen=True)
class _Held:
    """What a lock says that is not ours. ``silent_s`` is negative in an announced transfer."""

    silent_s: int
    beat: str
    job_alive: bool
    same_boot: bool
    bench: str
    owner: str

    @classmethod
    def parse(cls, line: str) -> _Held:
        words = line.split()
        if len(words) < 5 or words[0] != "held":
            raise DeviceError(f"The phone's lock cannot be read: {line.strip()[:200]!r}.")
        owner = words[5:]
        bench, boot = (owner[1], owner[2]) if len(owner) == 3 else ("", "")
        alive, same_boot = words[2] == "yes", boot == words[3]
        return cls(int(words[1]), words[4], alive, same_boot, bench, " ".join(owner))

    def stale(self, bench: str, resume: bool) -> bool:
        if not self.owner:  # made and not filled: its maker died in between, or is about to
            return self.silent_s < 0 or self.silent_s > _SILENT_SAME_S
        if not self.same_boot:
            return True
        if resume and bench == self.bench:
            return self.silent_s > _SILENT_SAME_S
        return self.silent_s > SILENT_S and not self.job_alive


class Lock:
    """The lock on one phone; ``token`` proves that it is still ours."""

    def __init__(self, phone: Phone, bench: str) -> None:
        self._phone = phone
        self._bench = bench
        self.token = secrets.token_hex(8)

    def take(self, *, resume: bool = False) -> None:
        """Take it, breaking a stale one. Raises ``DeviceBusy`` when another bench holds it.

        With ``resume`` the same bench's lock is waited for while its owner stays silent.
        """
        first: _Held | None = None
        for _ in range(_TRIES):
            done = self._phone.script(_TAKE, LOCK, self.token, self._bench)
            if done.exit_code != 0:
                raise DeviceError(f"{self._phone.serial}: {LOCK} could not be made: {done.said}.")
            line = done.stdout.strip()
            if line == "got" or f" {self.token} " in line:  # an answer that was lost
                return
            held = _Held.parse(line)
            stale = held.stale(self._bench, resume)
            if held.owner and not stale:
                if not resume or held.bench != self._bench or held.silent_s < 0:
                    raise self._busy(held, resume)
                if first is None:
                    first = held
                    self._phone.say(f"{self._phone.serial}: {_WAITING}")
                elif held.beat != first.beat:
                    raise self._alive()
            if stale:
                self._phone.script(_BREAK, LOCK, self.token, held.owner)
            else:
                self._phone.pause(1.0)
        raise DeviceBusy(f"{self._phone.serial}: another bench takes the phone's lock as we do.")

    def beat(self, ahead_s: float = 0.0) -> None:
        """A sign of life, for a wait without a job or for ``ahead_s`` of silence to come."""
        self._phone.script(_BEAT, LOCK, self.token, str(round(ahead_s)))

    def ours(self) -> bool:
        """False when it was broken as stale and another bench has the phone."""
        done = self._phone.script('read owner < "$1/owner"; echo "${owner%% *}"', LOCK)
        return done.stdout.strip() in ("", self.token)

    def leave(self) -> None:
        """Remove it, if it is still ours."""
        self._phone.script(_LEAVE, LOCK, self.token)

    def _alive(self) -> DeviceBusy:
        return DeviceBusy(
            f"{self._phone.serial} is in use by the same bench, which is alive: it gave a sign of "
            "life while this one waited.",
            hint="Let it end, or stop it with Ctrl-C; then run this command again.",
        )

    def _busy(self, held: _Held, resume: bool) -> DeviceBusy:
        same = held.bench == self._bench
        said = f"{held.silent_s} s ago" if held.silent_s > 0 else "just now"
        running = ", and its job still runs" if held.job_alive else ""
        wait = (_SILENT_SAME_S if same and resume else SILENT_S) - held.silent_s
        hint = f"If it died, the phone is free in {max(wait, 1)} s"
        if same and not resume:
            hint += ", or sooner with --resume, which goes on where it stopped"
        return DeviceBusy(
            f"{self._phone.serial} is in use by {'the same' if same else 'another'} bench: its "
            f"last sign of life was {said}{running}.",
            hint=hint + ".",
        )
