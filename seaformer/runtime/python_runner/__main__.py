"""The runner for machines without a C++ compiler: the same flags, the same JSON, ``host: python``.

    python -m seaformer.runtime.python_runner --engine onnxruntime --model m.onnx --threads 1

A fresh process through the engines' Python packages, pinned before anything is loaded. It shares
the rules with ``runner/`` and no code. A call through Python adds some tens of microseconds to a
sample and the interpreter's memory to the peak, so its rows are marked. Not here: markers.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from seaformer.core.plan import Stop, Warmup
from seaformer.runtime.python_runner import rules
from seaformer.runtime.python_runner.engines import ENGINES
from seaformer.runtime.python_runner.engines._engine import (
    Array,
    Engine,
    Spec,
    chosen_shapes,
    random_array,
)
from seaformer.runtime.python_runner.flags import (
    ENGINE,
    IO,
    MODEL,
    USAGE,
    RunnerProblem,
    parse_flags,
)
from seaformer.runtime.python_runner.model_file import check_model

_KINDS = {USAGE: "usage", MODEL: "model", ENGINE: "engine", IO: "io"}
_WARMUP_SAMPLES_KEPT = 1000
Json = dict[str, Any]


@dataclass
class _Timed:
    """What the loops found."""

    first_ns: int
    warmup: rules.WarmupJudge
    warmup_ns: list[int]
    stop: rules.StopJudge
    cpus: list[int]
    freq: tuple[int | None, int | None]


def main(argv: Sequence[str]) -> int:
    """Print one JSON line and give back the exit code."""
    out = _claim_stdout()
    try:
        line, code = _answer(parse_flags(argv)), 0
    except RunnerProblem as problem:
        sys.stderr.write(f"python runner: {problem.message}\n")
        line = {"schema": 1, "error": {"kind": _KINDS[problem.code], "message": problem.message}}
        code = problem.code
    with os.fdopen(out, "w", encoding="utf-8") as stream:
        stream.write(json.dumps(line, allow_nan=False) + "\n")
    return code


def _claim_stdout() -> int:
    """Keep the real stdout for the one line; what libraries print there goes to stderr."""
    out = os.dup(1)
    os.dup2(2, 1)
    return out


def _answer(flags: argparse.Namespace) -> Json:
    version = _version()
    runner = {
        "version": version,
        "build_type": "Release",
        "host": "python",
        "compiler": f"{platform.python_implementation()} {platform.python_version()}",
        "build_id": f"python-{version}",
    }
    if flags.version:
        return {"schema": 1, "runner": runner, "engines": list(ENGINES.names())}
    check_model(flags.model, flags.engine)
    _pin(flags.cpus)
    if flags.output_dir is not None:
        _make_writable(flags.output_dir)
    engine: Engine = ENGINES.load(flags.engine).open_engine(
        flags.model, int(flags.threads), flags.profile_ops
    )
    report: Json = {
        "schema": 1,
        "runner": runner,
        "engine": {"name": engine.name, "version": engine.version},
        "model": {"path": str(flags.model), "size_bytes": flags.model.stat().st_size},
        "method": flags.method,
        "methods": list(engine.methods),
    }
    return report if flags.list_methods else report | _measure(flags, engine)


def _version() -> str:
    try:
        return metadata.version("seaformer")
    except metadata.PackageNotFoundError:
        return "not installed"


def _pin(cpus: list[int]) -> None:
    if not cpus:
        return
    try:
        os.sched_setaffinity(0, cpus)
    except OSError as error:
        there = ",".join(str(cpu) for cpu in sorted(os.sched_getaffinity(0)))
        asked = ",".join(str(cpu) for cpu in cpus)
        raise RunnerProblem(
            USAGE, f"--cpus {asked} was refused: {error.strerror}; this process may use {there}."
        ) from error


def _make_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise RunnerProblem(IO, f"--output-dir {folder}: {error.strerror}.") from error


def _measure(flags: argparse.Namespace, engine: Engine) -> Json:
    if flags.method not in engine.methods:
        known = ", ".join(engine.methods)
        raise RunnerProblem(MODEL, f"{flags.model} has no method '{flags.method}': it has {known}.")
    begin = _now()
    specs = engine.load(flags.method)
    load_ns = _now() - begin
    specs = chosen_shapes(specs, flags.shape, bounded=engine.bounded)
    _check_types(specs)
    engine.set_inputs(_inputs(flags, specs))
    try:
        timed = _loops(flags, engine)
    except Exception as error:  # the engines' exceptions share no base class
        raise RunnerProblem(ENGINE, f"Method '{flags.method}' failed: {error}") from error
    peak, threads = rules.peak_rss_bytes(), rules.os_threads()
    source = "file" if flags.input else "random"
    return {
        "inputs": [
            {"name": s.name, "dtype": s.dtype, "shape": s.shape, "source": source} for s in specs
        ],
        "outputs": _outputs(flags.output_dir, engine),
        "threads": {
            "requested": int(flags.threads),
            "effective": engine.threads,
            "os_threads": threads,
        },
        "affinity": {"requested": flags.cpus, "effective": sorted(os.sched_getaffinity(0))},
        "load_ns": load_ns,
        "first_ns": timed.first_ns,
        "peak_rss_bytes": peak,
        **_times(timed),
        "profiled": flags.profile_ops is not None,
        "profile_file": _profile(flags, engine),
        "markers": False,
        "clock": "CLOCK_MONOTONIC_RAW",
    }


def _times(timed: _Timed) -> Json:
    samples = timed.stop.samples_ns
    return {
        "warmup": {
            "runs": timed.warmup.runs,
            "samples_ns": timed.warmup_ns,
            "reason": timed.warmup.reason,
        },
        "samples_ns": samples,
        "sample_cpus": timed.cpus,
        "stop": {
            "reason": timed.stop.reason,
            "ci_half_width_rel": rules.half_width_rel(samples),
        },
        "cpu_freq_khz": {"before": timed.freq[0], "after": timed.freq[1]},
    }


def _now() -> int:
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


def _timed_run(engine: Engine) -> int:
    begin = _now()
    engine.run()
    return _now() - begin


def _loops(flags: argparse.Namespace, engine: Engine) -> _Timed:
    first_ns = _timed_run(engine)
    warmup = rules.WarmupJudge(
        Warmup(
            int(flags.warmup_min_runs),
            flags.warmup_min_secs,
            flags.warmup_max_secs,
            flags.warmup_tolerance,
            flags.warmup,
        )
    )
    stop = rules.StopJudge(
        Stop(
            int(flags.min_runs),
            flags.min_secs,
            int(flags.max_runs),
            flags.max_secs,
            flags.ci_width,
            flags.runs,
        )
    )
    warmup_ns: list[int] = []
    cpus: list[int] = []
    while not warmup.reason:
        duration_ns = _timed_run(engine)
        warmup.add(duration_ns)
        if len(warmup_ns) < _WARMUP_SAMPLES_KEPT:
            warmup_ns.append(duration_ns)
    before = rules.cpu_freq_khz(rules.current_cpu())
    while not stop.reason:
        duration_ns = _timed_run(engine)
        cpus.append(rules.current_cpu())
        stop.add(duration_ns)
    after = rules.cpu_freq_khz(rules.current_cpu())
    return _Timed(first_ns, warmup, warmup_ns, stop, cpus, (before, after))


def _inputs(flags: argparse.Namespace, specs: tuple[Spec, ...]) -> list[Array]:
    if not flags.input:
        return [random_array(spec, int(flags.seed), i) for i, spec in enumerate(specs)]
    if len(flags.input) != len(specs):
        raise RunnerProblem(
            MODEL,
            f"Method '{flags.method}' takes {len(specs)} inputs, --input names {len(flags.input)}.",
        )
    return [_read(path, spec) for path, spec in zip(flags.input, specs, strict=True)]


def _check_types(specs: tuple[Spec, ...]) -> None:
    """numpy has no bfloat16, and none that the program's table lacks."""
    for spec in specs:
        if spec.dtype in ("bfloat16", "unknown"):
            raise RunnerProblem(
                MODEL,
                f"Input '{spec.name}' is {spec.dtype}: the Python runner cannot feed that; the C++ "
                "runner feeds bfloat16.",
            )


def _read(path: Path, spec: Spec) -> Array:
    stored = np.dtype("float32" if spec.dtype.startswith("float") else spec.dtype)
    expected = int(np.prod(spec.shape, dtype=np.int64)) * stored.itemsize
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunnerProblem(MODEL, f"Input file {path}: {error.strerror}.") from error
    if len(data) != expected:
        shape = ",".join(str(size) for size in spec.shape)
        raise RunnerProblem(
            MODEL,
            f"Input '{spec.name}' {spec.dtype} [{shape}] expects {expected} bytes, "
            f"{path} has {len(data)}.",
        )
    return np.frombuffer(data, stored).reshape(spec.shape).astype(spec.dtype)


def _outputs(folder: Path | None, engine: Engine) -> list[Json]:
    written = []
    for i, (name, value) in enumerate(engine.outputs()):
        file = None if folder is None else folder / f"output_{i}.bin"
        if file is not None:
            try:
                file.write_bytes(np.ascontiguousarray(value).tobytes())
            except OSError as error:
                raise RunnerProblem(IO, f"{file}: {error.strerror}.") from error
        written.append(
            {
                "name": name,
                "dtype": str(value.dtype),
                "shape": list(value.shape),
                "file": None if file is None else str(file),
            }
        )
    return written


def _profile(flags: argparse.Namespace, engine: Engine) -> str | None:
    if flags.profile_ops is None:
        return None
    written = engine.finish_profile()
    if written is not None:
        try:
            Path(written).replace(flags.profile_ops)
        except OSError as error:
            raise RunnerProblem(
                IO, f"--profile-ops {flags.profile_ops}: {error.strerror}."
            ) from error
    return str(flags.profile_ops)


if __name__ == "__main__":
    # os._exit: the engines' threads and static objects have nothing to add to a printed report.
    _code = main(sys.argv[1:])
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os._exit(_code)
