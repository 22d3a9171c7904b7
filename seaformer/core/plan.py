"""``RunPlan``: how a latency is taken. The rules are in docs/measuring.md.

A plan names no device. Times are in seconds, widths are relative (0.01 is one percent).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from seaformer.core.errors import UsageError

TAILS = ("argmax",)  # what may follow the logits of a network (runtime/runner/tail.h)
_TAIL = "tail:"
MOST_RUNS, MOST_SECONDS, MOST_SEED = 1_000_000, 86_400, 2**32 - 1


@dataclass(frozen=True)
class Warmup:
    """Run until a fast and a slow moving average agree, or exactly ``runs`` times when given."""

    min_runs: int = 5
    min_seconds: float = 1.0
    max_seconds: float = 15.0
    tolerance: float = 0.02
    runs: int | None = None


@dataclass(frozen=True)
class Stop:
    """Time until the median's 95 % interval is narrow, or exactly ``runs`` times when given.

    ``ci_half_width`` is the half width of the interval relative to the median.
    """

    min_runs: int = 30
    min_seconds: float = 3.0
    max_runs: int = 500
    max_seconds: float = 20.0
    ci_half_width: float = 0.01
    runs: int | None = None


@dataclass(frozen=True)
class Tail:
    """What follows the logits of a network: one of ``TAILS``, and the size of the class map."""

    kind: str
    height: int
    width: int

    def argv(self) -> list[str]:
        """The runner's flags."""
        return ["--tail", self.kind, "--tail-size", f"{self.height},{self.width}"]


@dataclass(frozen=True)
class RunPlan:
    """Everything a run needs besides the artifact and the target.

    ``core`` is ``prime``, ``big``, ``little`` or a core number; ``processes`` is how many fresh
    processes repeat the measurement; ``seed`` orders them and makes random inputs. With
    ``components`` every method of an artifact is measured, not ``method`` alone. ``tail`` is one of
    ``TAILS``, measured as a method of its own; empty: none.
    """

    threads: int = 1
    core: str = "prime"
    processes: int = 3
    seed: int = 0
    method: str = "forward"
    components: bool = False
    tail: str = ""
    warmup: Warmup = Warmup()
    stop: Stop = Stop()


def tail_method(tail: str) -> str:
    """What results call the method that is a tail: ``tail:argmax``. No module has such a name."""
    return f"{_TAIL}{tail}"


def is_tail(method: str) -> bool:
    """Whether a method of a result is a tail, and not a network or a part of one."""
    return method.startswith(_TAIL)


def default_runs(device: str) -> int | None:
    """How many runs and warm-up runs where none were asked for: ``None`` is the adaptive rule.

    On an emulated core one of each: a count does not vary and an inference takes seconds. The
    warm-up beyond the first inference is for runtimes whose second inference still executes a
    little more than the third.
    """
    return 1 if device.partition(":")[0] == "emulator" else None


def check_plan(plan: RunPlan, cores: int) -> None:
    """Raise ``UsageError`` for a plan that a machine with ``cores`` cores cannot carry out."""
    if not 1 <= plan.threads <= cores:
        raise UsageError(
            f"--threads must be 1 to {cores}, the number of cores of this device "
            f"(got {plan.threads}).",
            hint="One thread is what the paper measures: --threads 1",
        )
    for name, value in (("--runs", plan.stop.runs), ("--repeats", plan.processes)):
        if value is not None and value < 1:
            raise UsageError(f"{name} must be at least 1 (got {value}).")
    if plan.warmup.runs is not None and plan.warmup.runs < 0:
        raise UsageError(f"--warmup must be at least 0 (got {plan.warmup.runs}).")
    for name, seconds in (
        ("--min-secs", plan.stop.min_seconds),
        ("--max-secs", plan.stop.max_seconds),
    ):
        if not (math.isfinite(seconds) and seconds >= 0):
            raise UsageError(f"{name} must be at least 0 seconds (got {seconds:g}).")
    for name, number, most in (
        ("--runs", plan.stop.runs or 0, MOST_RUNS),
        ("--warmup", plan.warmup.runs or 0, MOST_RUNS),
        ("--repeats", plan.processes, MOST_RUNS),
        ("--max-secs", plan.stop.max_seconds, MOST_SECONDS),
        ("--seed", plan.seed, MOST_SEED),
    ):
        if number > most:
            raise UsageError(f"{name} must be at most {most} (got {number}).")
    if plan.stop.min_seconds > plan.stop.max_seconds:
        raise UsageError(
            f"--min-secs {plan.stop.min_seconds:g} is more than --max-secs "
            f"{plan.stop.max_seconds:g}."
        )
