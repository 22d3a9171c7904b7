"""``Measurement``: what one run of one artifact on one device gave, with everything around it.

Raw samples are kept and summaries are derived. A run that failed is a measurement too: it has a
``failure`` and no samples. One JSON file per measurement under ``results/runs`` holds exactly
this noun (plus, for readers without this package, the derived figures; see ``document``).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from seaformer.core import codec, files, notebook
from seaformer.core.counts import Counts, executed_precision, spread, typical
from seaformer.core.facts import ArtifactFacts
from seaformer.core.plan import RunPlan

if TYPE_CHECKING:
    from seaformer.core.stats import Summary

# 1: the first. 2: ``facts``; files of 2 may lack ``commit``, which came later and is optional.
# Every older schema is read (docs/results.md).
SCHEMA = 2
RUNS = "runs"
_FATAL = attrgetter("fatal")

DIRTY = "-dirty"  # behind a commit whose checkout was changed
MEASURED, EMULATED, ESTIMATED, PAPER = "measured", "emulated", "estimated", "paper"


@dataclass(frozen=True)
class Cluster:
    """Cores of one kind. ``part`` is the core's name (``Cortex-A77``), or the CPU's on a PC.

    ``capacity`` is the kernel's ``cpu_capacity``: 1024 is the fastest core of the device.
    """

    cpus: tuple[int, ...]
    part: str
    max_freq_khz: int | None = None
    capacity: int | None = None


@dataclass(frozen=True)
class DeviceInfo:
    """What a measurement ran on. ``id`` is stable for one device and safe in a file name."""

    id: str
    target: str
    model: str
    system: str
    architecture: str
    cores: int
    clusters: tuple[Cluster, ...]
    memory_bytes: int | None = None
    properties: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Conditions:
    """The state of the device at one moment; ``None`` where it is unknown.

    ``load`` is the one-minute load average, ``freq_khz`` of the pinned core, temperatures in
    degrees Celsius.
    """

    at: str
    governor: str | None = None
    freq_khz: int | None = None
    max_freq_khz: int | None = None
    load: float | None = None
    free_memory_bytes: int | None = None
    free_space_bytes: int | None = None
    temperature_c: float | None = None
    battery_percent: int | None = None
    charging: bool | None = None
    thermal_status: int | None = None


@dataclass(frozen=True)
class ProcessRun:
    """One fresh process: its ``count`` samples are the next ones in ``MethodRun.samples_ns``.

    ``coarse_power_mw`` is coarse: the whole phone's, by its own battery gauge, and only on battery.
    """

    count: int
    load_ns: int
    first_ns: int
    warmup_runs: int
    warmup_reason: str
    stop_reason: str
    peak_rss_bytes: int | None
    threads: int
    affinity: tuple[int, ...]
    sample_cpus: tuple[int, ...]
    freq_before_khz: int | None = None
    freq_after_khz: int | None = None
    coarse_power_mw: float | None = None


@dataclass(frozen=True)
class OutputCheck:
    """The output computed on the device against the eager model's, on the same photograph.

    ``argmax_agreement`` is ``None`` for a component that gives features and no classes, ``psnr_db``
    for an output that is the same bit for bit, and in files from before it was kept.
    """

    max_abs: float
    relative_error: float
    argmax_agreement: float | None
    passed: bool
    psnr_db: float | None = None


@dataclass(frozen=True)
class MethodRun:
    """All samples of one method, process after process, in nanoseconds.

    ``counts`` are the executed instructions of the same inferences, where an emulator ran them.
    """

    samples_ns: tuple[int, ...]
    processes: tuple[ProcessRun, ...]
    output: OutputCheck | None = None
    counts: tuple[Counts, ...] = ()

    def by_process(self) -> tuple[tuple[int, ...], ...]:
        """``samples_ns`` cut into the processes they came from."""
        pieces, start = [], 0
        for process in self.processes:
            pieces.append(self.samples_ns[start : start + process.count])
            start += process.count
        return tuple(pieces)


@dataclass(frozen=True)
class Flag:
    """One thing that makes a number less than trustworthy. ``fatal`` flags make it invalid."""

    name: str
    fatal: bool
    detail: str


def new_id(now: datetime | None = None, token: str | None = None) -> str:
    """A measurement's name: UTC time to the millisecond, then eight random hex digits.

    Sorts by time, is unique without asking anyone, and is safe as a file name:
    ``20260729T101112345-5f0c2a91``.
    """
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    stamp = f"{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03d}"
    return f"{stamp}-{token or secrets.token_hex(4)}"


def short_commit(commit: str) -> str:
    """Seven digits, and a ``+`` for a dirty checkout; nothing for no commit."""
    bare = commit.removesuffix(DIRTY)
    return f"{bare[:7]}{'+' * (bare != commit)}"


@dataclass(frozen=True, kw_only=True)
class RunHeader:
    """What every record of a run begins with: what ran, where, by which command.

    ``schema`` is that of the record. ``source`` is ``measured`` or ``emulated``; ``command`` is
    the line that made it, ``commit`` the checkout it was made in (``store/checkout.py``), if any.
    """

    schema: int
    id: str
    created_at: str
    source: str
    model: str
    format: str
    runtime: str
    precision: str
    scope: str
    input_shape: tuple[int, ...]
    artifact_file: str
    artifact_sha256: str
    device: DeviceInfo
    runtime_version: str = ""
    command: str = ""
    commit: str = ""


@dataclass(frozen=True, kw_only=True)
class Measurement(RunHeader):
    """One artifact on one device under one plan.

    ``runner`` is what took the times (``cpp release`` or ``python``). ``facts`` are those of
    the artifact; a file of schema 1 has none.
    """

    artifact_size_bytes: int
    target: str
    plan: RunPlan
    runner: str
    runner_build: str
    methods: Mapping[str, MethodRun]
    flags: tuple[Flag, ...]
    before: Conditions
    after: Conditions
    paper_latency_ms: float | None = None
    failure: str | None = None
    facts: ArtifactFacts | None = None

    @property
    def valid(self) -> bool:
        """True when nothing failed and no fatal flag was raised."""
        return self.failure is None and not any(map(_FATAL, self.flags))

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return notebook.table((self,))


def run_path(measurement: Measurement) -> str:
    """Where a store keeps a measurement, below its root, with slashes between its parts.

    The name has its source, unless it was measured, and ``failed``.
    """
    size = "x".join(map(str, measurement.input_shape[2:]))
    parts = [measurement.id, measurement.model, size, measurement.format]
    parts += [measurement.precision]
    parts += [measurement.scope] if measurement.scope != "logits" else []
    parts += [measurement.source] if measurement.source != MEASURED else []
    parts += ["failed"] if measurement.failure is not None else []
    name = files.safe_name("__".join(part for part in parts if part))
    return f"{RUNS}/{files.safe_name(measurement.device.id)}/{name}.json"


def summary(measurement: Measurement, method: str = "forward") -> Summary | None:
    """The latency of one method, or ``None`` for a failed run and for an emulated one.

    An emulator's milliseconds are not a latency: no figure is derived from them.
    """
    # Here: it imports numpy, and a list of runs needs none.
    from seaformer.core.stats import summarise_samples

    run = measurement.methods.get(method)
    if run is None or measurement.source != MEASURED:
        return None
    return summarise_samples(run.samples_ns, [one.count for one in run.processes])


def document(measurement: Measurement) -> dict[str, Any]:
    """The JSON document of a measurement: the noun, and what is derived from it.

    Derived, and ignored when read back: ``valid``, ``median_ms``, ``ci95_ms`` (low, high) and
    the rest of ``stats.Summary`` at the top (of ``forward``) and in each of ``methods``; of an
    emulated run in their place, in each of ``methods`` alone, ``instructions`` and the other
    ``Counts`` of the median repeat, ``instructions_spread`` and ``executed_precision``.
    """
    data: dict[str, Any] = codec.to_json(measurement)
    for name in measurement.methods:
        data["methods"][name] |= _derived(measurement, name) or _counted(measurement.methods[name])
    return data | {"valid": measurement.valid} | _derived(measurement, "forward")


def _derived(measurement: Measurement, method: str) -> dict[str, Any]:
    latency = summary(measurement, method)
    if latency is None:
        return {}
    figures: dict[str, Any] = codec.to_json(latency)
    return figures | {"ci95_ms": [latency.ci95_ms.low, latency.ci95_ms.high]}


def _counted(run: MethodRun) -> dict[str, Any]:
    """Everything counted, flat; misses of the cache hierarchy among it where they were counted."""
    if not run.counts:
        return {}
    data: dict[str, Any] = codec.to_json(typical(run.counts))
    caches = data.pop("caches") or {}
    misses = {name: count for name, count in caches.items() if not name.endswith("_bytes")}
    precision = executed_precision(run.counts)
    return (
        data | misses | {"instructions_spread": spread(run.counts), "executed_precision": precision}
    )
