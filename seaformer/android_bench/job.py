"""A detached program on the phone, which continues without a connection.

The job runs in a session of its own, without a terminal, and writes its result to a file that
appears when it is complete. The harness polls it. A pulled cable costs a reconnect; the result of a
job that ended in the meantime is read later, by this bench or by one with ``--resume``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seaformer.android_bench.connection import Phone
from seaformer.core import files
from seaformer.core.engine import engines
from seaformer.core.errors import DeviceBusy, DeviceError, DeviceFull, DeviceLost, RunnerFailed
from seaformer.core.scratch import temporary_folder

_FIRST_S, _LONGEST_S = 0.1, 1.0
_TRIES = 3

ENVIRONMENT = "\n".join(
    f"{name}={value}\nexport {name}" for row in engines() for name, value in row.environment
)
# $1 folder, $2 mask or -, $3 the lock, then the command. A second start, after a reply that was
# lost, ends at once.
JOB = (
    r"""
cd "$1" || exit 1
mkdir claimed 2>/dev/null || exit 0
read boot < /proc/sys/kernel/random/boot_id
echo "$$ $boot" > pid.part && mv pid.part pid
echo $$ > "$3/job"
mask=$2
shift 3
if [ "$mask" != - ]; then set -- taskset "$mask" "$@"; fi
if command -v settaskprofile >/dev/null 2>&1; then
  settaskprofile $$ MaxPerformance >/dev/null 2>&1
fi
"""
    + ENVIRONMENT
    + r"""
"$@" > stdout 2> stderr < /dev/null
code=$?
sum=$(sha256sum < stdout)
echo "$code ${sum%% *}" > done.part && mv done.part done
"""
)
# $1 folder, $2 the script, then the rest. The start must not be joined to the list by &&, or a
# subshell keeps the connection open until the job ends. The shell waits until the job has begun:
# a child that it leaves earlier gets the hang-up signal with it. A pulled cable sends that signal
# at any moment, also before setsid has taken effect: children inherit that it is ignored.
_START = r"""
trap '' HUP
mkdir -p "$1/out" || exit 1
cd "$1" || exit 1
folder=$1 script=$2
shift 2
mask=$1 lock=$2
shift 2
if command -v setsid >/dev/null 2>&1; then
  setsid nohup sh -c "$script" job "$folder" "$mask" "$lock" "$@" > /dev/null 2>&1 < /dev/null &
else
  nohup sh -c "$script" job "$folder" "$mask" "$lock" "$@" > /dev/null 2>&1 < /dev/null &
fi
n=0
while [ ! -d "$folder/claimed" ] && [ $n -lt 50 ]; do sleep 0.1; n=$((n + 1)); done
"""
# One poll: shell built-ins only, so that no program starts beside the job. The beat is written over
# and never cut first: a cable pulled between the two would leave it empty.
_POLL = r"""
cd "$1" 2>/dev/null || { echo absent; exit 0; }
owner= pid= done= up=
read up rest < /proc/uptime
if [ -f "$2/owner" ]; then read owner rest < "$2/owner"; fi
if [ "$owner" = "$3" ]; then echo ${up%%.*} 1<> "$2/beat"; else
  read now < /proc/sys/kernel/random/boot_id; echo "lost-lock $now"; exit 0
fi
if [ -f done ]; then read done < done; echo "done $done"; exit 0; fi
if [ ! -d claimed ]; then echo absent; exit 0; fi
if [ ! -f pid ]; then echo starting; exit 0; fi
read pid boot < pid
read now < /proc/sys/kernel/random/boot_id
if [ "$boot" != "$now" ]; then echo rebooted; exit 0; fi
if [ -d "/proc/$pid" ]; then
  current= voltage=
  { read current < /sys/class/power_supply/battery/current_now; } 2>/dev/null
  { read voltage < /sys/class/power_supply/battery/voltage_now; } 2>/dev/null
  echo "running ${current:--} ${voltage:--}"
  exit 0
fi
if [ -f done ]; then read done < done; echo "done $done"; else echo died; fi
"""
_STOP = r"""
cd "$1" 2>/dev/null || exit 0
if [ -f pid ]; then
  read pid boot < pid
  read now < /proc/sys/kernel/random/boot_id
  if [ "$boot" = "$now" ]; then kill -9 -$pid 2>/dev/null || kill -9 $pid 2>/dev/null; fi
fi
cd / && rm -rf "$1"
"""
# $1 folder, then names: hash, size and name of each readable file.
_SUMS = r"""
cd "$1" || exit 1
shift
for f; do
  sum=$(sha256sum < "$f") && size=$(wc -c < "$f") && echo "${sum%% *} $((size)) $f"
done
"""
# $1 the folder of all jobs, $2 the bench whose finished jobs are kept, $3 "running": those too.
_CLEAR = r"""
read now < /proc/sys/kernel/random/boot_id
kept=0
for d in "$1"/*/*; do
  [ -d "$d" ] || continue
  code= pid= boot= ours=no
  case $d in "$1/$2/"*) ours=yes;; esac
  if [ -f "$d/done" ]; then read code rest < "$d/done"; fi
  if [ -f "$d/pid" ]; then read pid boot < "$d/pid"; fi
  if [ $ours = yes ] && [ "$code" = 0 ]; then kept=$((kept + 1)); continue; fi
  if [ -z "$code" ] && [ "$boot" = "$now" ]; then
    if [ $ours$3 = yesrunning ] && [ -d "/proc/$pid" ]; then kept=$((kept + 1)); continue; fi
    kill -9 -$pid 2>/dev/null || kill -9 $pid 2>/dev/null
  fi
  rm -rf "$d"
done
for d in "$1"/*; do rmdir "$d" 2>/dev/null; done
rmdir "$1" 2>/dev/null
echo $kept
"""


@dataclass(frozen=True)
class Job:
    """A command to run once. ``folder`` on the phone identifies it: same folder, same job."""

    folder: str
    argv: tuple[str, ...]
    mask: str = ""
    timeout_s: float = 600.0


@dataclass(frozen=True)
class JobResult:
    """The output of a job. ``power_mw``: the phone's battery gauge at each poll during the run.

    ``resumed`` means that an earlier call or bench had started it.
    """

    exit_code: int
    stdout: str
    stderr: str
    resumed: bool
    power_mw: tuple[float, ...]


@dataclass(frozen=True)
class _Status:
    """One line of ``_POLL``: the state of the job, and its values."""

    state: str
    values: tuple[str, ...]


def run_job(
    phone: Phone, job: Job, token: str, boot: str, before: Callable[[], None] = lambda: None
) -> JobResult:
    """Start the job, or join the one in the same folder, and wait for its end.

    ``token`` is that of the lock, ``boot`` the boot id in which it was taken; ``before`` is called
    before a start. Raises ``RunnerFailed`` when the job was killed or timed out, ``DeviceLost``
    when the phone did not come back or was restarted, ``DeviceBusy`` when another bench took the
    lock, ``DeviceFull``.
    """
    first = _poll(phone, job, token, boot)
    resumed = first.state in ("starting", "running") or _succeeded(first)
    if not resumed:
        before()
        _start(phone, job)
    status, power = _wait(phone, job, token, boot)
    return _read(phone, job, status, resumed, power)


def _succeeded(status: _Status) -> bool:
    return status.state == "done" and status.values[:1] == ("0",)


def stop_job(phone: Phone, folder: str) -> None:
    """Kill a job with all its processes and remove its folder."""
    phone.script(_STOP, folder)


def clear_jobs(phone: Phone, keep_bench: str = "", *, running: bool = False) -> int:
    """Kill and remove jobs, but those of ``keep_bench`` that succeeded. Returns the number kept.

    With ``running`` its running jobs are kept too.
    """
    done = phone.script(_CLEAR, phone.place.jobs, keep_bench, "running" if running else "")
    return int(done.stdout.strip() or 0) if done.stdout.strip().isdecimal() else 0


def _start(phone: Phone, job: Job) -> None:
    stop_job(phone, job.folder)
    done = phone.script(_START, job.folder, JOB, job.mask or "-", phone.place.lock, *job.argv)
    if done.exit_code != 0:
        if "space" in done.summary.lower():
            raise _full(phone)
        raise DeviceError(f"{phone.serial}: the job could not be started: {done.summary}.")


def _wait(phone: Phone, job: Job, token: str, boot: str) -> tuple[_Status, list[float]]:
    """Poll until the job is over. Returns the last status, and the power of every poll."""
    power: list[float] = []
    wait, deadline, starting = _FIRST_S, time.monotonic() + job.timeout_s, 0
    while True:
        status = _poll(phone, job, token, boot)
        if status.state == "done":
            return status, power
        if status.state == "running":
            power += _power_mw(status.values)
        elif status.state == "rebooted":
            raise _restarted(phone)
        elif status.state == "died" or (status.state in ("absent", "starting") and starting > 20):
            raise _died(phone, job)
        starting += status.state in ("absent", "starting")
        if time.monotonic() > deadline:
            stop_job(phone, job.folder)
            raise RunnerFailed(f"The runner timed out after {job.timeout_s:.0f} s.")
        phone.pause(wait)
        wait = min(wait * 1.5, _LONGEST_S)


def _poll(phone: Phone, job: Job, token: str, boot: str) -> _Status:
    """One poll, which also refreshes the lock; ``boot`` is the boot id of the lock."""
    done = phone.script(_POLL, job.folder, phone.place.lock, token)
    if boot != phone.boot_id and not done.stdout.startswith("done"):
        raise _restarted(phone)
    words = done.stdout.split()
    if not words:
        raise DeviceError(f"{phone.serial}: the job's status cannot be read: {done.summary}.")
    if words[0] == "lost-lock":
        if words[1:] != [boot]:  # the lock went with the files, in a restart
            raise _restarted(phone)
        raise DeviceBusy(
            f"{phone.serial}: another bench has taken the phone over.",
            hint="Let it finish, then run the same command with --resume.",
        )
    return _Status(words[0], tuple(words[1:]))


def _read(phone: Phone, job: Job, status: _Status, resumed: bool, power: list[float]) -> JobResult:
    """The output of the job, checked against the hash that it wrote at its end."""
    if len(status.values) != 2 or not status.values[0].isdecimal():
        raise _full(phone) if _no_room(phone) else _died(phone, job)
    code, sha256 = int(status.values[0]), status.values[1]
    with temporary_folder("job") as folder:
        out, err = folder / "stdout", folder / "stderr"
        _pull_whole(phone, f"{job.folder}/stdout", out, sha256)
        if code != 0:
            phone.pull(f"{job.folder}/stderr", err)
        text, errors = out.read_bytes(), err.read_bytes() if code != 0 else b""
    if code != 0 and b"No space left" in text + errors:
        raise _full(phone)
    out_text, err_text = text.decode(errors="replace"), errors.decode(errors="replace")
    return JobResult(code, out_text, err_text, resumed, tuple(power))


def pull_files(phone: Phone, folder: str, targets: Mapping[str, Path]) -> None:
    """Copy files of a job's folder to this computer, each checked against the phone's own hash.

    Raises ``DeviceError`` when one is missing or arrives damaged each time.
    """
    done = phone.script(_SUMS, folder, *targets)
    sums = {
        words[2]: (words[0], int(words[1])) for line in done.stdout.splitlines()
        if len(words := line.split(maxsplit=2)) == 3 and words[1].isdecimal()
    }  # fmt: skip
    for name, target in targets.items():
        if name not in sums:
            raise DeviceError(f"{phone.serial}: {folder}/{name} cannot be read: {done.summary}.")
        _pull_whole(phone, f"{folder}/{name}", target, *sums[name])


def _pull_whole(phone: Phone, source: str, target: Path, sha256: str, size_bytes: int = 0) -> None:
    for _ in range(_TRIES):
        phone.pull(source, target, size_bytes)
        if files.sha256_file(target) == sha256:
            return
        phone.progress(f"{phone.serial}: {Path(source).name} arrived damaged, pulled again")
    raise DeviceError(
        f"{phone.serial}: {source} arrived damaged {_TRIES} times.",
        hint="Try another cable or port, then run the same command with --resume.",
    )


def _power_mw(words: Sequence[str]) -> list[float]:
    """Battery power in milliwatts from microamperes and microvolts, without its sign."""
    try:
        current, voltage = (int(word) for word in words)
    except ValueError:
        return []
    return [abs(current) * voltage * 1e-9]


def _died(phone: Phone, job: Job) -> RunnerFailed:
    tail = phone.script('tail -c 300 "$1/stderr" 2>/dev/null', job.folder).stdout
    last_line = " ".join(tail.split())
    return RunnerFailed(
        f"The job on {phone.serial} was killed before it could write its result"
        + (f": {last_line}" if last_line else "."),
        hint=phone.place.killed,
    )


def _restarted(phone: Phone) -> DeviceLost:
    return DeviceLost(
        f"{phone.serial} was restarted during the run; that one run is lost.",
        hint="Run the same command with --resume.",
    )


def _no_room(phone: Phone) -> bool:
    done = phone.script('echo x > "$1/room" && rm "$1/room"', phone.place.root)
    return done.exit_code != 0


def _full(phone: Phone) -> DeviceFull:
    return DeviceFull(
        f"{phone.serial} has no space left in {phone.place.parent} for the runner's output.",
        hint="Free some space on the device, then run the same command with --resume.",
    )
