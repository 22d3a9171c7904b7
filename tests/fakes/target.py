"""A machine on which nothing runs: reports are made up, outputs come from the reference file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from seaformer.bench.runner_io import (
    Affinity,
    EngineIdentity,
    Frequencies,
    InputTensor,
    ModelFile,
    OutputTensor,
    RunnerIdentity,
    RunnerReport,
    RunnerRequest,
    StopReport,
    Threads,
    WarmupReport,
)
from seaformer.bench.target import PlainTarget
from seaformer.core import codec, files
from seaformer.core.artifact import (
    SCHEMA,
    Artifact,
    Method,
    Parity,
    Reference,
    TensorInfo,
    load_artifact,
    manifest_path,
)
from seaformer.core.measurement import MEASURED, Conditions, DeviceInfo, Flag
from seaformer.core.spec import ModelSpec, PaperRow
from tests.fakes.measurements import HOST

PAPER = PaperRow("table02", "SeaFormer-T", latency_ms=40.0, latency_fp16_ms=22.0)
SPEC = ModelSpec(
    name="seaformer_t.ade20k",
    family="seaformer",
    task="segmentation",
    dataset="ade20k",
    classes=4,
    input_shape=(1, 3, 8, 8),
    output_shape=(1, 4, 2, 2),
    paper=PAPER,
)
RUNNER = RunnerIdentity("1.0.0", "Release", "GNU 12.2.0", "abc123", "cpp")

# (the how-manieth run, its request, the report it would give) -> the report it gives; may raise.
Change = Callable[[int, RunnerRequest, RunnerReport], RunnerReport]


def artifact(folder: Path, name: str = "a", *, stride: int = 1, **changes: Any) -> Artifact:
    """A made-up ``.onnx`` file with a manifest and a reference that fit it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.onnx"
    path.write_bytes(f"no real model: {name}".encode())
    rng = np.random.default_rng(0)
    image = rng.standard_normal(SPEC.input_shape).astype(np.float32)
    answer = rng.standard_normal(SPEC.output_shape).astype(np.float32)
    np.savez(folder / f"{name}.npz", input=image, output_forward_0=answer[..., ::stride, ::stride])
    told = TensorInfo("image", "float32", SPEC.input_shape)
    answers = TensorInfo("output", "float32", SPEC.output_shape)
    plain = Artifact(
        schema=SCHEMA,
        file=path.name,
        spec=SPEC,
        format="onnx",
        precision="fp32",
        scope="logits",
        sha256=files.sha256_file(path),
        size_bytes=path.stat().st_size,
        methods=(Method("forward", (told,), (answers,)),),
        exporter="made up",
        created_at="2026-07-29T10:11:00+00:00",
        parity=Parity("prediction", "onnxruntime", 0.0, 0.0, None, 1.0, "", ()),
        tools={},
        operators={"Conv": 1},
        reference=Reference(
            f"{name}.npz", files.sha256_file(folder / f"{name}.npz"), "china.jpg", stride
        ),
    )
    files.write_json(manifest_path(path), codec.to_json(replace(plain, **changes)))
    return load_artifact(path)


def answer(model: str) -> np.ndarray[Any, Any]:
    """What the reference beside a made-up artifact says the output is."""
    with np.load(Path(model).with_suffix(".npz")) as stored:
        return np.asarray(stored["output_forward_0"])


def write_output(request: RunnerRequest, values: np.ndarray[Any, Any]) -> tuple[OutputTensor, ...]:
    """Write an output as a runner does, and tell of it."""
    assert request.output_dir is not None
    path = Path(request.output_dir) / "output_0.bin"
    path.write_bytes(values.tobytes())
    return (OutputTensor("output", str(values.dtype), values.shape, str(path)),)


def report(request: RunnerRequest, samples_ns: tuple[int, ...] = (1_000_000,) * 30) -> RunnerReport:
    """What a run gives when all is well."""
    return RunnerReport(
        schema=1,
        runner=RUNNER,
        engine=EngineIdentity(request.engine, "9.9"),
        model=ModelFile(request.model, 20),
        method=request.method,
        methods=("forward",),
        inputs=(InputTensor("image", "float32", SPEC.input_shape, "file"),),
        outputs=write_output(request, answer(request.model)),
        threads=Threads(request.threads, request.threads, request.threads),
        affinity=Affinity(request.cpus, request.cpus),
        load_ns=5_000_000,
        first_ns=2_000_000,
        warmup=WarmupReport(5, (1_000_000,) * 5, "converged"),
        samples_ns=samples_ns,
        sample_cpus=(request.cpus[0],) * len(samples_ns),
        stop=StopReport("interval", 0.001),
        peak_rss_bytes=30_000_000,
        cpu_freq_khz=Frequencies(3_000_000, 3_000_000),
        profiled=False,
        profile_file=None,
        markers=False,
        clock="CLOCK_MONOTONIC_RAW",
    )


def with_samples(plain: RunnerReport, samples_ns: tuple[int, ...]) -> RunnerReport:
    """The same report with other samples, all on the same core."""
    cpus = (plain.sample_cpus[0],) * len(samples_ns)
    return replace(plain, samples_ns=samples_ns, sample_cpus=cpus)


@dataclass
class FakeTarget(PlainTarget):
    """Remembers every request. ``change`` makes a run differ from one that goes well."""

    change: Change = lambda number, request, plain: plain
    info: DeviceInfo = HOST
    flags: tuple[Flag, ...] = ()
    source: str = MEASURED
    runner: str = "cpp"
    runner_build: str = "abc123"
    requests: list[RunnerRequest] = field(default_factory=list)
    asked: int = 0

    @property
    def files(self) -> list[str]:
        """Which model was run, run after run."""
        return [Path(request.model).stem for request in self.requests]

    def device(self) -> DeviceInfo:
        return self.info

    def conditions(self, cpu: int) -> Conditions:
        self.asked += 1
        return Conditions(at=f"look {self.asked} at cpu{cpu}", load=0.1)

    def preflight(self, cpus: tuple[int, ...]) -> tuple[Flag, ...]:
        return self.flags

    def run(self, request: RunnerRequest) -> RunnerReport:
        self.requests.append(request)
        return self.change(len(self.requests) - 1, request, report(request))
