"""A program on the phone that nobody has to wait for.

The job runs in a session of its own, without a terminal, and writes what came of it under a name
that appears when it is whole. The harness looks now and then. A pulled cable costs a reconnect;
a job that ended while nobody looked is read later, by this bench or by one with ``--resume``.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seaformer.android_bench.link import Phone
from seaformer.android_bench.lock import LOCK
from seaformer.android_bench.store import ROOT
from seaformer.core import files
from seaformer.core.engine import engines
from seaformer.core.errors import DeviceBusy, DeviceError, DeviceFull, DeviceLost, RunnerFailed

JOBS = f"{ROOT}/jobs"
_FIRST_S, _LONGEST_S = 0.1, 1.0
_TRIES = 3

_ENVIRONMENT = "\n".join(
    f"{name}={value}\nexport {name}" for row in engines() for name, value in row.environment
)
# $1 folder, $2 mask or -, $3 the lock, then the command. A second start, after an answer that was
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
    + _ENVIRONMENT
    + r"""
"$@" > stdout 2> stderr < /dev/null
code=$?
sum=$(sha256sum < stdout)
echo "$code ${sum%% *}" > done.part && mv done.part done
"""
)
# $1 folder, $2 the script, then the rest. The list must not be joined by && to the start:
# a subshell would hold the connection open until the job ends. The shell stays until the job has
# begun: what it leaves behind sooner is hung up with it. A cable that is pulled hangs up at any
# moment, also before setsid took effect: an ignored signal stays ignored in what is started.
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
# One look: no program but the shell itself runs, so that the look costs the job nothing.
_LOOK = r"""
cd "$1" 2>/dev/null || { echo absent; exit 0; }
owner= pid= done= up=
read up rest < /proc/uptime
if [ -f "$2/owner" ]; then read owner rest < "$2/owner"; fi
if [ "$owner" = "$3" ]; then echo ${up%%.*} > "$2/beat"; else
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
# $1 folder, then names: the hash, the size and the name of each that can be read.
_SUMS = r"""
cd "$1" || exit 1
shift
for f; do
  sum=$(sha256sum < "$f") && size=$(wc -c < "$f") && echo "${sum%% *} $((size)) $f"
done
"""
# $1 the folder of all jobs, $2 the bench whose finished ones are kept, $3 "running": also those.
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
    """A command to run once. ``folder`` names it on the phone: the same name, the same job."""

    folder: str
    argv: tuple[str, ...]
    mask: str = ""
    timeout_s: float = 600.0


@dataclass(frozen=True)
class JobResult:
    """``power_mw``: each look's battery power while it ran, as the phone's gauge tells it."""

    exit_code: int
    stdout: str
    stderr: str
    resumed: bool
    power_mw: tuple[float, ...]


@dataclass(frozen=True)
class _Look:
    word: str
    rest: tuple[str, ...]


def run_job(
    phone: Phone, job: Job, token: str, boot: str, before: Callable[[], None] = lambda: None
) -> JobResult:
    """Start the job, or join the one of that name, and wait for its end.

    ``token`` is the lock's, ``boot`` the boot id it was taken in; ``before`` is called when a start
    is due. Raises ``RunnerFailed`` when the job died without a word or took too long,
    ``DeviceLost`` when the phone did not come back or was restarted meanwhile, ``DeviceBusy`` when
    another bench took the lock, ``DeviceFull``.
    """
    first = _look(phone, job, token, boot)
    resumed = first.word in ("starting", "running") or _succeeded(first)
    if not resumed:
        before()
        _start(phone, job)
    look, power = _wait(phone, job, token, boot)
    return _read(phone, job, look, resumed, power)


def _succeeded(look: _Look) -> bool:
    return look.word == "done" and look.rest[:1] == ("0",)


def stop_job(phone: Phone, folder: str) -> None:
    """Kill a job with all its processes and remove what it wrote."""
    phone.script(_STOP, folder)


def clear_jobs(phone: Phone, keep_bench: str = "", *, running: bool = False) -> int:
    """Kill and remove jobs; of one bench what succeeded (and runs) is kept. Returns how many."""
    done = phone.script(_CLEAR, JOBS, keep_bench, "running" if running else "")
    return int(done.stdout.strip() or 0) if done.stdout.strip().isdecimal() else 0


def _start(phone: Phone, job: Job) -> None:
    stop_job(phone, job.folder)
    done = phone.script(_START, job.folder, JOB, job.mask or "-", LOCK, *job.argv)
    if done.exit_code != 0:
        if "space" in done.said.lower():
            raise _full(phone)
        raise DeviceError(f"{phone.serial}: the job could not be started: {done.said}.")


def _wait(phone: Phone, job: Job, token: str, boot: str) -> tuple[_Look, list[float]]:
    """Look now and then until the job is over; the last look, and the power seen meanwhile."""
    power: list[float] = []
    wait, deadline, starting = _FIRST_S, time.monotonic() + job.timeout_s, 0
    while True:
        look = _look(phone, job, token, boot)
        if look.word == "done":
            return look, power
        if look.word == "running":
            power += _power_mw(look.rest)
        elif look.word == "rebooted":
            raise _restarted(phone)
        elif look.word == "died" or (look.word in ("absent", "starting") and starting > 20):
            raise _died(phone, job)
        starting += look.word in ("absent", "starting")
        if time.monotonic() > deadline:
            stop_job(phone, job.folder)
            raise RunnerFailed(f"The runner gave no answer in {job.timeout_s:.0f} s.")
        phone.pause(wait)
        wait = min(wait * 1.5, _LONGEST_S)


def _look(phone: Phone, job: Job, token: str, boot: str) -> _Look:
    """One look, which is also the lock's sign of life; ``boot`` is that of the lock."""
    done = phone.script(_LOOK, job.folder, LOCK, token)
    if boot != phone.boot_id and not done.stdout.startswith("done"):
        raise _restarted(phone)
    words = done.stdout.split()
    if not words:
        raise DeviceError(f"{phone.serial}: the job cannot be looked at: {done.said}.")
    if words[0] == "lost-lock":
        if words[1:] != [boot]:  # the lock went with the files, in a restart
            raise _restarted(phone)
        raise DeviceBusy(
            f"{phone.serial}: another bench has taken the phone over.",
            hint="Let it finish, then run the same command with --resume.",
        )
    return _Look(words[0], tuple(words[1:]))


def _read(phone: Phone, job: Job, look: _Look, resumed: bool, power: list[float]) -> JobResult:
    """What the job wrote; its hash must be the one it told at its end."""
    if len(look.rest) != 2 or not look.rest[0].isdecimal():
        raise _full(phone) if _no_room(phone) else _died(phone, job)
    code, sha256 = int(look.rest[0]), look.rest[1]
    with tempfile.TemporaryDirectory(prefix="seaformer-job-") as scratch:
        out, err = Path(scratch) / "stdout", Path(scratch) / "stderr"
        _pull_whole(phone, f"{job.folder}/stdout", out, sha256)
        if code != 0:
            phone.pull(f"{job.folder}/stderr", err)
        text, complaint = out.read_bytes(), err.read_bytes() if code != 0 else b""
    if code != 0 and b"No space left" in text + complaint:
        raise _full(phone)
    out_text, err_text = text.decode(errors="replace"), complaint.decode(errors="replace")
    return JobResult(code, out_text, err_text, resumed, tuple(power))


def pull_files(phone: Phone, folder: str, wanted: Mapping[str, Path]) -> None:
    """Copy files of a job's folder to here, each as whole as the phone says it is.

    Raises ``DeviceError`` when one is not there or arrives damaged again and again.
    """
    done = phone.script(_SUMS, folder, *wanted)
    told = {
        words[2]: (words[0], int(words[1])) for line in done.stdout.splitlines()
        if len(words := line.split(maxsplit=2)) == 3 and words[1].isdecimal()
    }  # fmt: skip
    for name, target in wanted.items():
        if name not in told:
            raise DeviceError(f"{phone.serial}: {folder}/{name} cannot be read: {done.said}.")
        _pull_whole(phone, f"{folder}/{name}", target, *told[name])


def _pull_whole(phone: Phone, source: str, target: Path, sha256: str, size_bytes: int = 0) -> None:
    for _ in range(_TRIES):
        phone.pull(source, target, size_bytes)
        if files.sha256_file(target) == sha256:
            return
        phone.say(f"{phone.serial}: {Path(source).name} arrived damaged, pulled again")
    raise DeviceError(
        f"{phone.serial}: {source} arrived damaged {_TRIES} times.",
        hint="Try another cable or port, then run the same command with --resume.",
    )


def _power_mw(words: Sequence[str]) -> list[float]:
    """Battery power from microampere and microvolt, positive when it discharges."""
    try:
        current, voltage = (int(word) for word in words)
    except ValueError:
        return []
    return [abs(current) * voltage * 1e-9]


def _died(phone: Phone, job: Job) -> RunnerFailed:
    tail = phone.script('tail -c 300 "$1/stderr" 2>/dev/null', job.folder).stdout
    said = " ".join(tail.split())
    return RunnerFailed(
        f"The job on {phone.serial} was killed before it could write its result"
        + (f": {said}" if said else "."),
        hint="Android ends processes when memory is short: close other apps.",
    )


def _restarted(phone: Phone) -> DeviceLost:
    return DeviceLost(
        f"{phone.serial} was restarted while the runner ran; that one run is lost.",
        hint="Run the same command with --resume.",
    )


def _no_room(phone: Phone) -> bool:
    done = phone.script('echo x > "$1/room" && rm "$1/room"', ROOT)
    return done.exit_code != 0


def _full(phone: Phone) -> DeviceFull:
    return DeviceFull(
        f"{phone.serial} has no space left in /data/local/tmp for what the runner writes.",
        hint="Free some space on the phone, then run the same command with --resume.",
    )
