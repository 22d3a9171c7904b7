"""The warm-up rule, the stop rule and the affinity of the Python runner.

The same rules as ``runner/timing.h`` and ``runner/device_state.h``, which state them in full, in
code of its own: nothing is shared with the C++ runner but the rules, so each checks the other.
No engine and no printing here.
"""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass, field
from pathlib import Path

from seaformer.core.plan import Stop, Warmup

_FAST, _SLOW = 1 / 3, 1 / 10
_FEWEST_FOR_INTERVAL = 6
_NS = 1e9
_libc = ctypes.CDLL(None)


@dataclass
class WarmupJudge:
    """Given each duration in nanoseconds; ``reason`` is set once warming up may end."""

    rule: Warmup
    runs: int = 0
    reason: str = ""
    _total_ns: int = 0
    _fast: float = 0.0
    _slow: float = 0.0

    def __post_init__(self) -> None:
        if self.rule.runs == 0:
            self.reason = "fixed"

    def add(self, duration_ns: int) -> None:
        """Count one more run."""
        self._fast += (_FAST if self.runs else 1.0) * (duration_ns - self._fast)
        self._slow += (_SLOW if self.runs else 1.0) * (duration_ns - self._slow)
        self.runs += 1
        self._total_ns += duration_ns
        rule, seconds = self.rule, self._total_ns / _NS
        if rule.runs is not None:
            self.reason = "fixed" if self.runs >= rule.runs else ""
            return
        agree = abs(self._fast - self._slow) <= rule.tolerance * self._slow
        if self.runs >= rule.min_runs and seconds >= rule.min_seconds and agree:
            self.reason = "converged"
        elif seconds >= rule.max_seconds:
            self.reason = "max_secs"


@dataclass
class StopJudge:
    """Given each duration in nanoseconds; ``reason`` is set once there are enough."""

    rule: Stop
    samples_ns: list[int] = field(default_factory=list)
    reason: str = ""
    _total_ns: int = 0
    _next_check: int = 0

    def add(self, duration_ns: int) -> None:
        """Keep one more sample."""
        self.samples_ns.append(duration_ns)
        self._total_ns += duration_ns
        rule, count, seconds = self.rule, len(self.samples_ns), self._total_ns / _NS
        if rule.runs is not None:
            self.reason = "fixed" if count >= rule.runs else ""
        elif count >= rule.min_runs and seconds >= rule.min_seconds and self._is_narrow():
            self.reason = "interval"
        elif count >= rule.max_runs:
            self.reason = "max_runs"
        elif seconds >= rule.max_seconds:
            self.reason = "max_secs"

    def _is_narrow(self) -> bool:
        count = len(self.samples_ns)
        if count % 2 == 0 or count < self._next_check:
            return False
        self._next_check = count + max(2, count // 50)
        width = half_width_rel(self.samples_ns)
        return width is not None and width <= self.rule.ci_half_width


def half_width_rel(samples_ns: list[int]) -> float | None:
    """Half the 95 % bootstrap interval of the median over the median, in closed form."""
    if len(samples_ns) < _FEWEST_FOR_INTERVAL:
        return None
    ordered = sorted(samples_ns)
    n = len(ordered)
    middle = ((n + 1) // 2, n // 2 + 1)
    median, low, high = (
        sum(ordered[rank - 1] for rank in ranks) / 2
        for ranks in (
            middle,
            [_bootstrap_rank(n, m, 0.025) for m in middle],
            [_bootstrap_rank(n, m, 0.975) for m in middle],
        )
    )
    return (high - low) / 2 / median if median > 0 else None


def _bootstrap_rank(n: int, m: int, q: float) -> int:
    """The smallest rank k with P(Binomial(n, k / n) >= m) >= q."""
    low, high = 1, n
    while low < high:
        middle = (low + high) // 2
        if _binomial_tail(n, middle / n, m) >= q:
            high = middle
        else:
            low = middle + 1
    return low


def _binomial_tail(n: int, p: float, m: int) -> float:
    if p >= 1.0:
        return 1.0
    logs = math.log(p), math.log1p(-p)
    top = math.lgamma(n + 1)
    return math.fsum(
        math.exp(
            top - math.lgamma(j + 1) - math.lgamma(n - j + 1) + j * logs[0] + (n - j) * logs[1]
        )
        for j in range(m, n + 1)
    )


def current_cpu() -> int:
    """The core the calling thread is on, or -1."""
    return int(_libc.sched_getcpu())


def cpu_freq_khz(cpu: int) -> int | None:
    """Current frequency of a core; ``None`` where the kernel does not report it."""
    path = Path(f"/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq")
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def peak_rss_bytes() -> int | None:
    """Largest resident set of this process so far; the interpreter and its modules included."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None


def os_threads() -> int:
    """Threads of this process."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())
