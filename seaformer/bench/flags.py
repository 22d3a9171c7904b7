"""What makes a number less than trustworthy, found in the samples themselves.

A fatal flag makes the measurement invalid; the others are notes. Limits are those of
docs/measuring.md.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace

from seaformer.core import stats
from seaformer.core.artifact import FORWARD, Artifact
from seaformer.core.counts import executed_precision, multiplied_in, spread
from seaformer.core.engine import STOCK_VARIABLE, engine
from seaformer.core.free import listed
from seaformer.core.measurement import MEASURED, DeviceInfo, Flag, MethodRun
from seaformer.core.plan import RunPlan, is_tail
from seaformer.core.plural import counted
from seaformer.core.precision import BASE, precisions

DRIFT = 0.05
WIDE = 0.01
UNSTABLE = 0.05
SPREAD = 0.05
COUNTS_SPREAD = 0.001
UNCHECKED = "output unchecked"
_MIN_DRIFT_SAMPLES = 12
_NO_SAMPLES = Flag("no samples", True, "not one inference was timed")


def drift(samples_ns: Sequence[int]) -> float:
    """How much slower the last third is than the first, relative; 0 with too few samples."""
    third = len(samples_ns) // 3
    if len(samples_ns) < _MIN_DRIFT_SAMPLES:
        return 0.0
    first = statistics.median(samples_ns[:third])
    return statistics.median(samples_ns[-third:]) / first - 1.0


def drifted(samples_ns: Sequence[int]) -> bool:
    """True when a block slowed down as a throttled core does."""
    return drift(samples_ns) > DRIFT


def method_flags(
    name: str, run: MethodRun, plan: RunPlan, cpus: tuple[int, ...], source: str
) -> list[Flag]:
    """Every flag of one method.

    A component of half a millisecond is allowed to be noisy: its spread does not make
    the whole network's figure invalid. An emulator's times are not judged at all.
    """
    plan = replace(plan, threads=1) if is_tail(name) else plan
    certain = [*_threads(run, plan), *_output(run)]
    certain += _pinning(run, cpus) if source == MEASURED else []
    timed = _spread(run) if source == MEASURED else _counted(run)
    if name == FORWARD:
        return certain + timed
    timed = [replace(flag, fatal=flag.fatal and not run.samples_ns) for flag in timed]
    return [replace(flag, detail=f"{name}: {flag.detail}") for flag in certain + timed]


def rewrite_flags(artifact: Artifact) -> list[Flag]:
    """A file that lacks rewrites is slower than the model's own; its rows are of the same key."""
    if not artifact.no_rewrite:
        return []
    return [Flag("rewrites left out", False, ", ".join(artifact.no_rewrite))]


def free_flags(artifact: Artifact) -> list[Flag]:
    """A file that leaves sizes free lacks the rewrites that need one."""
    axes = artifact.free_axes
    return [Flag("free sizes", False, listed(axis.name for axis in axes))] if axes else []


def foreign_flags(artifact: Artifact) -> list[Flag]:
    """What a file without a manifest, or of another size, was fed and compared with."""
    foreign = artifact.foreign
    if foreign is None:
        return []
    judged = f"output compared with {foreign.judged_by}" if foreign.judged_by else "no reference"
    name = "other size" if foreign.described else "no manifest"
    return [Flag(name, False, f"{judged}; input {foreign.fed}")]


def explained(flags: Iterable[Flag], artifact: Artifact) -> list[Flag]:
    """The flags, with the reason why nothing judges the output of a file without a manifest."""
    reason = artifact.foreign.unchecked if artifact.foreign else ""
    return [
        replace(flag, detail=reason) if reason and flag.name == UNCHECKED else flag
        for flag in flags
    ]


def precision_flags(precision: str, device: DeviceInfo) -> list[Flag]:
    """What the device cannot compute in that precision."""
    row = next((row for row in precisions() if row.name == precision), None)
    if row is None:  # of a file without a manifest
        return []
    answer = (device.properties or {}).get(row.device_property, "yes")
    if answer != "yes":
        return [Flag(f"no {row.name} arithmetic", False, f"{device.model}: {answer}")]
    if row.on_x86 or device.architecture not in ("x86_64", "AMD64"):
        return []
    detail = f"x86 converts to {BASE.name} and back: this time does not transfer to an ARM core"
    return [Flag(f"no {row.name} kernels", False, detail)]


def executed_flags(precision: str, runs: Iterable[MethodRun]) -> list[Flag]:
    """Another precision than the file's was computed in: counted, so no kernel can hide it."""
    counts = [one for run in runs for one in run.counts]
    seen = executed_precision(counts)
    if not seen or seen == precision:
        return []
    multiplied = multiplied_in(counts)
    share = multiplied[seen] / sum(multiplied.values())
    detail = f"the file is {precision}, {100 * share:.1f} % of its vector FMAs were {seen}"
    return [Flag(f"executed in {seen}", False, detail)]


def _counted(run: MethodRun) -> list[Flag]:
    """Instructions of repeated inferences are the same, or something else is counted too."""
    if not run.samples_ns:
        return [_NO_SAMPLES]
    off = spread(run.counts)
    if off is None or off <= COUNTS_SPREAD:
        return []
    detail = f"repeats differ by {100 * off:.2f} % instructions, {100 * COUNTS_SPREAD:g} % allowed"
    return [Flag("counts differ", True, detail)]


def _spread(run: MethodRun) -> list[Flag]:
    flags = []
    summary = stats.summarise(run.by_process())
    if summary is None:
        return [_NO_SAMPLES]
    width = (summary.ci95_ms.high - summary.ci95_ms.low) / 2 / summary.median_ms
    if width > UNSTABLE:
        detail = f"interval +-{100 * width:.1f} %, more than {100 * UNSTABLE:g} %"
        flags.append(Flag("unstable", True, detail))
    elif width > WIDE:
        detail = f"interval +-{100 * width:.1f} %, {100 * WIDE:g} % required"
        flags.append(Flag("wide interval", False, detail))
    if summary.spread > SPREAD:
        detail = f"process medians differ by {100 * summary.spread:.1f} %"
        flags.append(Flag("processes differ", False, detail))
    slow = sum(drifted(samples) for samples in run.by_process())
    if slow:
        detail = f"{slow} process(es) ended more than {100 * DRIFT:g} % slower than they began"
        flags.append(Flag("drift", False, detail))
    return flags


def library_flags(runtime: str) -> list[Flag]:
    """A note where the user asked for an engine without the kernels that are ours."""
    source = engine(runtime).source
    if source is None or not source.overrides:
        return []
    return [Flag("stock kernels", False, f"{STOCK_VARIABLE}: without kernels of ours")]


def _pinning(run: MethodRun, cpus: tuple[int, ...]) -> list[Flag]:
    off = sum(cpu not in cpus for process in run.processes for cpu in process.sample_cpus)
    unset = [process for process in run.processes if set(process.affinity) != set(cpus)]
    if off:
        return [Flag("pinning", True, f"{counted(off, 'sample')} ended off core {_list(cpus)}")]
    if unset:
        seen = _list(unset[0].affinity)
        return [Flag("pinning", True, f"affinity read back as {seen}, {_list(cpus)} was set")]
    return []


def _threads(run: MethodRun, plan: RunPlan) -> list[Flag]:
    seen = {process.threads for process in run.processes} - {plan.threads}
    if not seen:
        return []
    return [
        Flag("threads", True, f"{counted(seen.pop(), 'thread')} computed, {plan.threads} asked for")
    ]


def _output(run: MethodRun) -> list[Flag]:
    if run.output is None:
        return [Flag(UNCHECKED, False, "no reference lies beside the artifact")]
    if run.output.passed:
        return []
    detail = f"max abs {run.output.max_abs:.1e}"
    if run.output.psnr_db is not None:
        detail += f", PSNR {run.output.psnr_db:.1f} dB"
    if run.output.argmax_agreement is not None:
        detail += f", argmax agreement {100 * run.output.argmax_agreement:.2f} %"
    return [Flag("wrong output", True, detail)]


def _list(cpus: Sequence[int]) -> str:
    return ",".join(map(str, cpus))
