"""One measurement in lines of text: everything in its file that a table has no room for."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import fields

from seaformer.core.counts import typical
from seaformer.core.facts import ArtifactFacts
from seaformer.core.measurement import Conditions, Measurement, MethodRun
from seaformer.core.plural import counted
from seaformer.report import words


def lines(measurement: Measurement) -> list[str]:
    """``name: what`` per line; text from files and devices is cleaned."""
    device = measurement.device
    texts = [
        f"made by: {measurement.command or words.UNKNOWN}",
        f"at: {measurement.created_at}, schema {measurement.schema}",
        f"commit: {measurement.commit or words.UNKNOWN}",
        f"file measured: {measurement.artifact_file}, sha256 {measurement.artifact_sha256}",
        f"device: {device.id}, {device.model}, {device.system}, {device.architecture}",
        f"runner: {measurement.runner}, build {measurement.runner_build or words.UNKNOWN}",
        f"before: {_conditions(measurement.before)}",
        f"after: {_conditions(measurement.after)}",
    ]
    for name, run in measurement.methods.items():
        texts += _method(name, run)
    texts += [
        f"flag: {flag.name}{' (fatal)' * flag.fatal}: {flag.detail}" for flag in measurement.flags
    ]
    texts += [f"failure: {measurement.failure}"] if measurement.failure is not None else []
    texts += list(_facts(measurement.facts)) if measurement.facts else []
    return [words.clean(line) for line in texts]


def _conditions(state: Conditions) -> str:
    known = [(field.name, getattr(state, field.name)) for field in fields(state)]
    return ", ".join(f"{name} {value}" for name, value in known if value is not None)


def _method(name: str, run: MethodRun) -> Iterator[str]:
    pairs = zip(run.processes, run.by_process(), strict=True)
    for number, (process, samples) in enumerate(pairs, 1):
        median = f"median {statistics.median(samples) / 1e6:.3f} ms" if samples else "no samples"
        cpus = ",".join(map(str, process.affinity))
        yield (
            f"{name}, process {number}: {counted(process.count, 'sample')}, {median}, load "
            f"{process.load_ns / 1e6:.2f} ms, first {process.first_ns / 1e6:.2f} ms, "
            f"{counted(process.warmup_runs, 'warm-up run')} ({process.warmup_reason}), stopped by "
            f"{process.stop_reason}, cpu {cpus}"
        )
    if run.counts:
        counts = typical(run.counts)
        yield f"{name}: {counts.instructions if counts else 0} instructions in an inference"
    if run.output is not None:
        good = "agrees" if run.output.passed else "is wrong"
        yield f"{name}: the output {good}, max abs {run.output.max_abs:.1e}"


def _facts(facts: ArtifactFacts) -> Iterator[str]:
    parity = facts.parity
    yield f"exported by {facts.exporter}, weights {facts.weights}"
    largest = "" if parity.max_abs is None else f", max abs {parity.max_abs}"
    none = parity.verified_by == "none"
    yield "not verified by an export" if none else f"verified by {parity.verified_by}{largest}"
    if facts.delegation is not None:
        taken = facts.delegation
        yield (
            f"{taken.backend}: {counted(taken.subgraphs, 'subgraph')}, "
            f"{counted(taken.delegated_ops, 'operator')}, "
            f"{taken.outside_compute} outside that compute"
        )
    yield f"{counted(sum(facts.operators.values()), 'operator')} in the file"
