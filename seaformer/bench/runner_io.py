"""Input and output of the runner: flags as a record, one JSON line as a record.

The other end is ``seaformer/runtime/runner`` (C++) or ``seaformer/runtime/python_runner``,
which takes the same flags and prints the same JSON. Nothing is run or read here: a target does
that, on its own machine, and paths are that machine's.
"""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass, field
from typing import Any

from seaformer.core import codec
from seaformer.core.counts import Counts
from seaformer.core.errors import CorruptArtifact, RunnerFailed
from seaformer.core.plan import Stop, Tail, Warmup

SCHEMA = 1

_KINDS = {2: "usage", 3: "model", 4: "engine", 5: "io"}
_TAIL_CHARACTERS = 400


@dataclass(frozen=True)
class Patience:
    """The slowest load and the slowest single inference that a target still waits for, in s."""

    load_s: float = 120.0
    run_s: float = 10.0


@dataclass(frozen=True)
class RunnerRequest:
    """One method of one model, timed in one fresh process.

    ``inputs`` are raw little-endian files in the order of the model's inputs (float32 for float
    inputs of any width); without them inputs are random, from ``seed``. ``cpus`` is set by the
    runner itself before it loads anything. With a fixed number of runs in ``warmup`` or ``stop``
    the other fields of that rule do not apply. ``shapes`` are the sizes of the inputs of a model
    that leaves some free. ``external`` are files in or below the model's folder that hold its
    weights: the engine opens them, the runner has no flag for them. With a ``tail`` that is timed,
    on the logits of one inference, and not the network; the outputs are its class map and these.
    Of several ``items`` each input file and each output file holds one tensor after another.
    With ``ticks`` a clock counts its own readings, which cut what an emulator counts into parts.
    """

    engine: str
    model: str
    threads: int = 1
    method: str = "forward"
    cpus: tuple[int, ...] = ()
    inputs: tuple[str, ...] = ()
    seed: int = 0
    output_dir: str | None = None
    warmup: Warmup = field(default_factory=Warmup)
    stop: Stop = field(default_factory=Stop)
    profile_ops: str | None = None
    marker: bool = False
    ticks: bool = False
    library: str | None = None
    shapes: tuple[tuple[int, ...], ...] = ()
    external: tuple[str, ...] = ()
    tail: Tail | None = None
    items: int = 1

    def argv(self) -> list[str]:
        """The flags; the program itself goes before them."""
        argv = ["--engine", self.engine, "--model", self.model, "--method", self.method]
        argv += ["--threads", str(self.threads), "--seed", str(self.seed)]
        if self.library is not None:
            argv += ["--library", self.library]
        if self.cpus:
            argv += ["--cpus", ",".join(str(cpu) for cpu in self.cpus)]
        for path in self.inputs:
            argv += ["--input", path]
        for shape in self.shapes:
            argv += ["--shape", ",".join(map(str, shape)) or "scalar"]
        if self.output_dir is not None:
            argv += ["--output-dir", self.output_dir]
        argv += _warmup_flags(self.warmup) + _stop_flags(self.stop)
        if self.items > 1:
            argv += ["--items", str(self.items)]
        if self.profile_ops is not None:
            argv += ["--profile-ops", self.profile_ops]
        if self.tail is not None:
            argv += self.tail.argv()
        argv += ["--ticks"] if self.ticks else []
        return [*argv, "--marker"] if self.marker else argv

    def timeout_s(self, patience: Patience = Patience()) -> float:
        """Seconds after which the runner will not answer any more: a run that passes it hangs."""
        slow, warmup, stop = patience, self.warmup, self.stop
        warm = warmup.max_seconds if warmup.runs is None else warmup.runs * slow.run_s
        timed = stop.max_seconds if stop.runs is None else stop.runs * slow.run_s
        return slow.load_s + slow.run_s + warm + timed + (self.items - 1) * slow.run_s


def _warmup_flags(rule: Warmup) -> list[str]:
    if rule.runs is not None:
        return ["--warmup", str(rule.runs)]
    return [
        "--warmup-min-runs",
        str(rule.min_runs),
        "--warmup-min-secs",
        repr(float(rule.min_seconds)),
        "--warmup-max-secs",
        repr(float(rule.max_seconds)),
        "--warmup-tolerance",
        repr(float(rule.tolerance)),
    ]


def _stop_flags(rule: Stop) -> list[str]:
    if rule.runs is not None:
        return ["--runs", str(rule.runs)]
    return [
        "--min-runs", str(rule.min_runs), "--min-secs", repr(float(rule.min_seconds)),
        "--max-runs", str(rule.max_runs), "--max-secs", repr(float(rule.max_seconds)),
        "--ci-width", repr(float(rule.ci_half_width)),
    ]  # fmt: skip


@dataclass(frozen=True)
class RunnerIdentity:
    """Which runner it was: ``host`` is ``cpp`` or ``python``."""

    version: str
    build_type: str
    compiler: str
    build_id: str
    host: str
    sources_sha256: str = ""

    @property
    def debug(self) -> bool:
        """Built without optimisation: its times mean nothing."""
        return not self.build_type.startswith(("Release", "RelWithDebInfo", "MinSizeRel"))


@dataclass(frozen=True)
class EngineIdentity:
    """The runtime and the version it calls itself."""

    name: str
    version: str


@dataclass(frozen=True)
class ModelFile:
    """The file that was loaded."""

    path: str
    size_bytes: int


@dataclass(frozen=True)
class InputTensor:
    """``source`` is ``file`` or ``random``; ``dtype`` is numpy's name of the model's own type."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    source: str


@dataclass(frozen=True)
class OutputTensor:
    """``file`` holds the raw values in ``dtype``, where an output folder was given."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: str | None = None


@dataclass(frozen=True)
class Threads:
    """``effective`` compute threads as the engine reports; ``os_threads`` of the whole process."""

    requested: int
    effective: int
    os_threads: int


@dataclass(frozen=True)
class Affinity:
    """CPUs asked for (none: left alone) and CPUs the kernel granted."""

    requested: tuple[int, ...]
    effective: tuple[int, ...]


@dataclass(frozen=True)
class WarmupReport:
    """``samples_ns`` are the first thousand of ``runs``; ``reason``: converged, max_secs, fixed."""

    runs: int
    samples_ns: tuple[int, ...]
    reason: str


@dataclass(frozen=True)
class StopReport:
    """``reason``: interval, max_runs, max_secs or fixed. No width for fewer than 6 samples."""

    reason: str
    ci_half_width_rel: float | None


@dataclass(frozen=True)
class Frequencies:
    """Of the core the samples ran on; ``None`` where the kernel does not report it."""

    before: int | None
    after: int | None


@dataclass(frozen=True)
class RunnerReport:
    """One process's measurement. Durations are nanoseconds of the clock named.

    ``load_ns`` is program or session creation with the method made ready, ``first_ns`` the first
    inference; neither is among the warm-up samples. ``sample_cpus`` is the core each timed
    inference ended on. A ``profiled`` report has no latency to quote. Three fields are the
    target's, the runner itself leaves them empty: ``counts``, one for each sample, are an
    emulator's; ``throttled`` is why a phone's block was discarded; ``coarse_power_mw`` is the
    mean of a phone's battery gauge.
    """

    schema: int
    runner: RunnerIdentity
    engine: EngineIdentity
    model: ModelFile
    method: str
    methods: tuple[str, ...]
    inputs: tuple[InputTensor, ...]
    outputs: tuple[OutputTensor, ...]
    threads: Threads
    affinity: Affinity
    load_ns: int
    first_ns: int
    warmup: WarmupReport
    samples_ns: tuple[int, ...]
    sample_cpus: tuple[int, ...]
    stop: StopReport
    peak_rss_bytes: int | None
    cpu_freq_khz: Frequencies
    profiled: bool
    profile_file: str | None
    markers: bool
    clock: str
    counts: tuple[Counts, ...] = ()
    throttled: str = ""
    coarse_power_mw: float | None = None

    @classmethod
    def parse(cls, stdout: str, *, exit_code: int = 0, stderr: str = "") -> RunnerReport:
        """Read what the runner printed.

        Raises ``RunnerFailed`` for anything but a report, with the runner's own sentence or, when
        it printed none, with how it ended and the end of ``stderr``.
        """
        data = _document(stdout)
        if exit_code != 0 or data is None or "error" in data:
            raise RunnerFailure.parse(stdout, exit_code=exit_code, stderr=stderr).error()
        if data.get("schema") != SCHEMA:
            raise RunnerFailed(
                f"The runner's report has schema {data.get('schema')!r}, expected {SCHEMA}.",
                hint="It is of another version: seaformer runner build",
            )
        try:
            report = codec.from_json(cls, data, where="runner report")
        except CorruptArtifact as error:
            raise RunnerFailed(f"The runner's report cannot be used: {error.message}") from error
        return _checked(report)


def _checked(report: RunnerReport) -> RunnerReport:
    """The report, unless its samples cannot be true."""
    if not report.samples_ns or len(report.samples_ns) != len(report.sample_cpus):
        raise RunnerFailed(
            f"The runner's report has {len(report.samples_ns)} samples on "
            f"{len(report.sample_cpus)} CPUs; expected one CPU for each of at least one sample."
        )
    if min(report.samples_ns) <= 0:
        raise RunnerFailed(f"The runner's report has a sample of {min(report.samples_ns)} ns.")
    return report


@dataclass(frozen=True)
class RunnerFailure:
    """Why a run gave no report.

    ``kind`` is the runner's own word (usage, model, engine, io), or ``crash`` when it ended
    without one, killed by a signal or otherwise.
    """

    kind: str
    message: str
    exit_code: int | None = None

    @classmethod
    def parse(cls, stdout: str, *, stderr: str = "", exit_code: int | None = None) -> RunnerFailure:
        """Read what a run that failed left behind; never fails itself."""
        data = _document(stdout)
        error = data.get("error") if data else None
        if isinstance(error, dict) and isinstance(error.get("message"), str):
            return cls(str(error.get("kind", "engine")), error["message"], exit_code)
        last_words = _tail(stderr) or _tail(stdout)
        message = _how_it_ended(exit_code) + (f": {last_words}" if last_words else ".")
        return cls(_KINDS.get(exit_code or 0, "crash"), message, exit_code)

    def error(self) -> RunnerFailed:
        """The exception a target raises."""
        hint = "" if self.kind != "crash" else "Run it by hand to see more: seaformer doctor"
        return RunnerFailed(self.message, hint=hint)


def _how_it_ended(exit_code: int | None) -> str:
    if not exit_code:
        return "The runner printed no report"
    # Below zero as subprocess tells it, above 128 as a shell does.
    number = -exit_code if exit_code < 0 else exit_code - 128
    try:
        return f"The runner was killed by {signal.Signals(number).name}"
    except ValueError:
        return f"The runner ended with exit code {exit_code} and no report"


def _document(stdout: str) -> dict[str, Any] | None:
    """The last line that is a JSON object; emulators and loaders may print before it."""
    for line in reversed(stdout.splitlines()):
        if line.startswith("{"):
            try:
                data = json.loads(line)
            except ValueError:
                return None
            return data if isinstance(data, dict) else None
    return None


def _tail(text: str) -> str:
    joined = " ".join(text.split())
    return joined if len(joined) <= _TAIL_CHARACTERS else "... " + joined[-_TAIL_CHARACTERS:]
