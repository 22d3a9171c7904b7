"""Made-up measurements: nothing ran, the samples come from a seeded generator."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from seaformer.core.counts import CacheMisses, Counts
from seaformer.core.measurement import (
    MEASURED,
    SCHEMA,
    Cluster,
    Conditions,
    DeviceInfo,
    Flag,
    Measurement,
    MethodRun,
    OutputCheck,
    ProcessRun,
)
from seaformer.core.plan import RunPlan

HOST = DeviceInfo(
    id="host-example",
    target="host",
    model="Example CPU 9",
    system="Linux 6.1",
    architecture="x86_64",
    cores=2,
    clusters=(Cluster((0, 1), "Example CPU 9", 3_000_000),),
    memory_bytes=8_000_000_000,
)
EMULATOR = DeviceInfo(
    id="emulator-cortex-a76",
    target="emulator",
    model="qemu Cortex-A76",
    system="qemu-user 9.0",
    architecture="aarch64",
    cores=1,
    clusters=(Cluster((0,), "Cortex-A76"),),
)
IS_EMULATED = Flag("emulated", False, "times are the emulator's, peak memory includes it")
NOISY = Flag("noisy", False, "the load was 0.81 on 2 cores")
OFF_CORE = Flag("pinning_broken", True, "3 of 120 samples were taken off cpu1")
SHA256 = "0123456789abcdef" * 4


def process(count: int = 40, **changes: Any) -> ProcessRun:
    plain = ProcessRun(
        count=count,
        load_ns=12_000_000,
        first_ns=31_000_000,
        warmup_runs=7,
        warmup_reason="steady",
        stop_reason="interval",
        peak_rss_bytes=64_000_000,
        threads=1,
        affinity=(1,),
        sample_cpus=(1,) * count,
        freq_before_khz=2_990_000,
        freq_after_khz=3_000_000,
    )
    return replace(plain, **changes)


def method(
    median_ms: float = 20.0, processes: int = 3, count: int = 40, seed: int = 0
) -> MethodRun:
    rng = random.Random(seed)
    samples = [round(median_ms * 1e6 * rng.gauss(1, 0.01)) for _ in range(processes * count)]
    return MethodRun(tuple(samples), tuple(process(count) for _ in range(processes)))


def measurement(number: int = 1, **changes: Any) -> Measurement:
    """The ``number``-th measurement of a day; fields as in ``Measurement``."""
    plain = Measurement(
        schema=SCHEMA,
        id=f"20260729T1011{number:02d}000-0000000{number % 10}",
        created_at=f"2026-07-29T10:11:{number:02d}+00:00",
        source=MEASURED,
        model="seaformer_t.ade20k",
        format="executorch",
        runtime="executorch",
        runtime_version="1.5.1",
        precision="fp32",
        scope="logits",
        input_shape=(1, 3, 512, 512),
        artifact_file="seaformer_t.ade20k__512x512__fp32.pte",
        artifact_sha256=SHA256,
        artifact_size_bytes=6_900_000,
        target="host",
        device=HOST,
        plan=RunPlan(),
        runner="cpp release",
        runner_build="abc123",
        methods={"forward": method(seed=number)},
        flags=(),
        before=Conditions(at="2026-07-29T10:11:00+00:00", governor="performance", load=0.1),
        after=Conditions(at="2026-07-29T10:12:00+00:00", governor="performance", load=1.0),
        command="seaformer bench --variant t --threads 1",
        paper_latency_ms=40.0,
    )
    return replace(plain, **changes)


def failed(number: int = 1, reason: str = "The runner was killed by signal 9.") -> Measurement:
    return measurement(number, methods={}, failure=reason)


def counts(instructions: int = 264_728_048, half: int = 0) -> Counts:
    """One inference; over half of its instructions are multiply-adds."""
    fma = instructions * 54 // 100
    return Counts(
        instructions=instructions,
        vector_fma=fma,
        vector_other=instructions - fma - 5_000_000,
        scalar=1_000_000,
        branch=1_000_000,
        load=2_000_000,
        store=1_000_000,
        loaded_bytes=1_231_790_283,
        stored_bytes=109_452_047,
        fma_fp16=half,
        fma_fp32=fma - half,
        instructions_before=568_176_740,
        caches=CacheMisses(4_577_000, 2_946_000, 2_212_000, 1_943_000, 1_102_000, 1, 1),
    )


def counted(instructions: int = 264_728_048, processes: int = 3) -> MethodRun:
    """One counted inference in each process; the last one executed 300 instructions more."""
    found = [counts(instructions)] * (processes - 1) + [counts(instructions + 300)]
    output = OutputCheck(5.7e-05, 3.3e-05, 1.0, True, 132.5)
    return replace(method(6000.0, processes, 1), output=output, counts=tuple(found))


def emulated(number: int = 1, **changes: Any) -> Measurement:
    there = {"source": "emulated", "target": "emulator", "device": EMULATOR}
    there |= {"methods": {"forward": counted()}, "flags": (IS_EMULATED,)}
    return measurement(number, **(there | changes))
