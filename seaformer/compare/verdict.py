"""Is a new measurement worse than an old one? Fact by fact, with the limits documented here.

Latency is judged by the ratio of medians and its interval; what a machine does not change
(instructions, the delegate's subgraphs, operators, size, agreement) is compared exactly, or within
a limit small enough to be no excuse. Which measurements are compared is decided in ``compare``.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace

from seaformer.core.counts import typical
from seaformer.core.errors import UsageError
from seaformer.core.facts import ArtifactFacts
from seaformer.core.measurement import MEASURED, Measurement, MethodRun
from seaformer.core.ratio import Ratio, ratio_of_medians

REGRESSION, WARNING, BETTER = "regression", "warning", "better"
SAME, UNKNOWN = "same", "not judged"
FORWARD = "forward"
EXACT_DIGITS = 9  # of a difference: 40.1 - 39.6 is a little more than 0.5 in binary fractions


@dataclass(frozen=True)
class Limits:
    """From where on a change is a regression; ratios are new over base.

    ``latency``: the interval of the ratio must exclude 1 as well. ``peak`` also takes
    ``peak_bytes`` more, and that every process took so much more than any of the base's.
    ``relative_error`` is how many times larger the error may be, and counts from ``least_error``
    on; ``agreement`` is the fraction of positions whose class may change; ``accuracy`` how many
    points of mIoU, top-1 or AP may be lost. Of ``subgraphs``, ``outside`` and ``operators`` one
    more is one too many.
    """

    latency: float = 1.03
    instructions: float = 1.001
    size: float = 1.01
    peak: float = 1.05
    peak_bytes: int = 1_000_000
    relative_error: float = 2.0
    least_error: float = 1e-4
    agreement: float = 0.001
    accuracy: float = 0.5


@dataclass(frozen=True)
class Finding:
    """One fact of one row, on both sides, and what is thought of it.

    ``unit`` is ``ms``, ``instructions``, ``bytes`` or nothing; ``ratio`` is new over base, with
    ``low`` and ``high`` where it has an interval. ``why`` is the reason of the verdict.
    """

    fact: str
    verdict: str
    base: float | None = None
    new: float | None = None
    unit: str = ""
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Pair:
    """The two measurements of one row, and the method they are compared by."""

    base: Measurement
    new: Measurement
    method: str = FORWARD

    @property
    def runs(self) -> tuple[MethodRun, MethodRun]:
        nothing = MethodRun((), ())
        return (
            self.base.methods.get(self.method, nothing),
            self.new.methods.get(self.method, nothing),
        )

    @property
    def same_device(self) -> bool:
        """The same machine as far as it reports; a CPU's name alone is not enough."""
        one, other = self.base.device, self.new.device
        identity = ("id", "model", "architecture", "cores", "memory_bytes")
        return all(getattr(one, name) == getattr(other, name) for name in identity)

    @property
    def interleaved(self) -> bool:
        """Whether both ran in the same stretch of time, so that heat and load hit both."""
        one, other = self.base, self.new
        return one.before.at <= other.after.at and other.before.at <= one.after.at


def checked_limits(latency: float, accuracy: float = Limits.accuracy) -> Limits:
    """The limits with others for latency and accuracy. Raises ``UsageError`` where out of range."""
    if not (math.isfinite(latency) and latency >= 1.0):
        raise UsageError(
            f"--max-ratio must be at least 1 (got {latency:g}).",
            hint="1.03 lets a latency grow by 3 %.",
        )
    if not (math.isfinite(accuracy) and accuracy >= 0.0):
        raise UsageError(
            f"--max-miou-drop must be at least 0 (got {accuracy:g}).",
            hint="0.5 lets an mIoU of 40.0 fall to 39.5.",
        )
    return Limits(latency=latency, accuracy=accuracy)


def judge(pair: Pair, limits: Limits) -> list[Finding]:
    """Every fact of one row that both sides have; facts of the file only for the whole network."""
    findings = list(_outcome(pair))
    findings += _latency(pair, limits)
    findings += _instructions(pair, limits)
    if pair.method == FORWARD:
        findings += _peak(pair, limits)
        findings += _size(pair, limits)
        findings += _file(pair, limits)
    return findings


def _outcome(pair: Pair) -> Iterator[Finding]:
    """A run that failed or answered wrongly has no latency, and that is worse than any."""
    was, now = _trouble(pair.base, pair.method), _trouble(pair.new, pair.method)
    if now and not was:
        yield Finding("outcome", REGRESSION, why=now)
    elif was and not now:
        yield Finding("outcome", BETTER, why=f"before: {was}")
    elif now:
        yield Finding("outcome", UNKNOWN, why=f"on both sides: {now}")


def _trouble(measurement: Measurement, method: str) -> str:
    if measurement.failure is not None:
        return f"failed: {measurement.failure}"
    run = measurement.methods.get(method)
    if run is not None and run.output is not None and not run.output.passed:
        return f"wrong output: max abs {run.output.max_abs:.1e}"
    return ""


def _latency(pair: Pair, limits: Limits) -> Iterator[Finding]:
    if pair.base.source != MEASURED:
        return  # an emulator's milliseconds are no latency
    before, after = (run.by_process() for run in pair.runs)
    ratio = ratio_of_medians(before, after)
    if ratio is None:
        return
    medians = [
        statistics.median(statistics.median(p) for p in side if p) / 1e6 for side in (before, after)
    ]
    plain = Finding(
        "latency", SAME, medians[0], medians[1], "ms", ratio.value, ratio.low, ratio.high
    )
    verdict, why = _latency_verdict(pair, ratio, limits)
    yield replace(plain, verdict=verdict, why=why)


def _latency_verdict(pair: Pair, ratio: Ratio, limits: Limits) -> tuple[str, str]:
    """The verdict, and why where it needs a reason."""
    for side, name in ((pair.base, "base"), (pair.new, "new")):
        if not side.valid:
            flags = ", ".join(flag.name for flag in side.flags if flag.fatal)
            return UNKNOWN, f"{name} is not valid: {flags or side.failure}"
    worse = ratio.low > 1.0 and ratio.value > limits.latency
    better = ratio.high < 1.0 and ratio.value < 1.0 / limits.latency
    if better or not worse:
        return BETTER if better else SAME, ""
    why = f"more than {100 * (limits.latency - 1):g} % slower, and the interval excludes 1"
    advice = _only_advisory(pair)
    return (WARNING, f"advice only: {advice}") if advice else (REGRESSION, why)


def _only_advisory(pair: Pair) -> str:
    """Why a difference in time proves nothing; empty when it does."""
    if not pair.same_device:
        return f"not the same device: {pair.base.device.id}, {pair.new.device.id}"
    if pair.base.runner != pair.new.runner:
        return f"not the same runner: {pair.base.runner}, {pair.new.runner}"
    if _unpinned(pair):
        return "not pinned to the same core"
    if pair.new.target == "host" and not pair.interleaved:
        return "this computer at two different times; bench both files in one command"
    if pair.method != FORWARD:
        return "a part alone; the whole network is what is gated"
    return ""


def _unpinned(pair: Pair) -> bool:
    cores = [{process.affinity for process in run.processes} for run in pair.runs]
    return cores[0] != cores[1] or len(cores[0]) != 1


def _instructions(pair: Pair, limits: Limits) -> Iterator[Finding]:
    base, new = (typical(run.counts) for run in pair.runs)
    if base is None or new is None:
        return
    counted = (base.instructions, new.instructions)
    yield _measure("instructions", *counted, limits.instructions, "instructions")


def _peak(pair: Pair, limits: Limits) -> Iterator[Finding]:
    before, after = (
        [p.peak_rss_bytes for p in run.processes if p.peak_rss_bytes is not None]
        for run in pair.runs
    )
    if not before or not after:
        return
    finding = _measure("peak memory", max(before), max(after), limits.peak, "bytes")
    least = max(limits.peak * max(before), max(before) + limits.peak_bytes)
    if finding.verdict == REGRESSION and min(after) <= least:
        finding = replace(finding, verdict=SAME, why="")
    advice = _only_advisory_peak(pair)
    if finding.verdict == REGRESSION and advice:
        finding = replace(finding, verdict=WARNING, why=advice)
    yield finding


def _only_advisory_peak(pair: Pair) -> str:
    """Why a difference in memory is not the model's; nothing when it is."""
    one, other = pair.base, pair.new
    if other.source != MEASURED:
        return "the emulator's own memory is in it"
    if one.runner != other.runner:
        return "not the same runner"
    if not pair.same_device:
        return "not the same device"
    made = [(m.artifact_sha256, m.runtime_version, m.runner_build) for m in (one, other)]
    return "the same file, engine and runner: it varies" if made[0] == made[1] else ""


def _size(pair: Pair, limits: Limits) -> Iterator[Finding]:
    before, after = pair.base.artifact_size_bytes, pair.new.artifact_size_bytes
    yield _measure("artifact size", before, after, limits.size, "bytes")


def _file(pair: Pair, limits: Limits) -> Iterator[Finding]:
    """The facts of the manifests; none where a side has a schema without facts."""
    base, new = pair.base.facts, pair.new.facts
    if base is None or new is None:
        old = [name for name, facts in (("base", base), ("new", new)) if facts is None]
        yield Finding("export", UNKNOWN, why=f"{' and '.join(old)} of schema 1 keep no facts")
        return
    if base.delegation is not None and new.delegation is not None:
        taken = (base.delegation, new.delegation)
        yield _exact("delegate subgraphs", *(side.subgraphs for side in taken))
        outside = _exact("operators outside", *(side.outside_compute for side in taken))
        names = [op.op for op in new.delegation.outside if op.computes]
        yield replace(outside, why=", ".join([outside.why, *names]) if outside.why else "")
    elif base.delegation is not None:
        yield Finding("delegate subgraphs", REGRESSION, why="nothing is delegated any more")
    yield _exact("operators", *(sum(side.operators.values()) for side in (base, new)))
    yield from _parity(base, new, limits)


def _parity(base: ArtifactFacts, new: ArtifactFacts, limits: Limits) -> Iterator[Finding]:
    before, after = base.parity, new.parity
    if (before.verified_by, after.verified_by) == ("prediction", "structure"):
        yield Finding("parity", REGRESSION, why="verified by prediction before, by structure now")
        return
    agreement = (_known(before.argmax_agreement), _known(after.argmax_agreement))
    yield from _lost("argmax agreement", *agreement)
    if agreement[0] is not None and agreement[1] is not None:
        worse = round(agreement[0] - agreement[1], EXACT_DIGITS) > limits.agreement
        why = f"more than {100 * limits.agreement:g} % of the positions" if worse else ""
        yield Finding("argmax agreement", REGRESSION if worse else SAME, *agreement, why=why)
    errors = (_known(before.relative_error), _known(after.relative_error))
    yield from _lost("relative error", *errors)
    if errors[0] is not None and errors[1] is not None:
        worse = errors[1] > max(limits.least_error, limits.relative_error * errors[0])
        why = f"more than {limits.relative_error:g} times the error" if worse else ""
        yield Finding("relative error", REGRESSION if worse else SAME, *errors, why=why)


def _known(value: float | None) -> float | None:
    """A figure, or ``None``: NaN is not a figure."""
    return value if value is not None and math.isfinite(value) else None


def _lost(fact: str, base: float | None, new: float | None) -> Iterator[Finding]:
    if base is not None and new is None:
        yield Finding(fact, REGRESSION, base, why="no figure any more")


def _measure(fact: str, base: float, new: float, limit: float, unit: str) -> Finding:
    """A figure that may grow up to ``limit``; shrinking as much is better."""
    ratio = new / base if base else None
    plain = Finding(fact, SAME, base, new, unit, ratio)
    if ratio is None:
        return replace(plain, verdict=UNKNOWN, why="the base is 0")
    if ratio > limit:
        return replace(plain, verdict=REGRESSION, why=f"more than {100 * (limit - 1):g} % more")
    return replace(plain, verdict=BETTER if ratio < 2.0 - limit else SAME)


def _exact(fact: str, base: int, new: int) -> Finding:
    """A number of which one more is one too many."""
    if new > base:
        return Finding(fact, REGRESSION, base, new, why=f"{new - base} more")
    return Finding(fact, BETTER if new < base else SAME, base, new)
