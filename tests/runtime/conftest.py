"""Tiny real models in both formats, the real runner, and a way to run either runner on them."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seaformer.bench.runner_io import RunnerReport
from seaformer.core.errors import MissingExtra
from seaformer.runtime.build.runner import RunnerBuild, build_host_runner
from tests.exports import shared
from tests.requirements import skip_for

SHAPE = (1, 3, 32, 32)
FAST = ("--warmup", "1", "--runs", "3")


@dataclass(frozen=True)
class Models:
    """One two-layer network in every form, its input as raw float32, and the eager output."""

    pte: Path
    half_pte: Path
    onnx: Path
    image: Path
    expected: np.ndarray[Any, Any]


@dataclass(frozen=True)
class Done:
    """What one runner process left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def report(self) -> RunnerReport:
        return RunnerReport.parse(self.stdout, exit_code=self.code, stderr=self.stderr)

    @property
    def error(self) -> tuple[int, str, str]:
        """Exit code, kind, message."""
        error = json.loads(self.stdout)["error"]
        assert error["message"] in self.stderr
        return self.code, error["kind"], error["message"]


def run_process(argv: list[str], cwd: Path | None = None) -> Done:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, cwd=cwd)
    return Done(done.returncode, done.stdout, done.stderr)


class CppRunner:
    """The C++ runner as a callable: flags in, what it left out."""

    def __init__(self, build: RunnerBuild) -> None:
        self.build = build

    def __call__(self, engine: str, model: Path, *flags: object, fast: bool = True) -> Done:
        argv = [str(self.build.binary), "--engine", engine, "--model", str(model)]
        if (library := self.build.library(engine)) is not None:
            argv += ["--library", str(library)]
        return run_process([*argv, *(FAST if fast else ()), *(str(flag) for flag in flags)])


class PythonRunner:
    """The Python runner, called the same way."""

    def __call__(self, engine: str, model: Path, *flags: object, fast: bool = True) -> Done:
        program = [sys.executable, "-m", "seaformer.runtime.python_runner"]
        argv = [*program, "--engine", engine, "--model", str(model)]
        return run_process([*argv, *(FAST if fast else ()), *(str(flag) for flag in flags)])


@pytest.fixture(scope="session")
def cpp() -> CppRunner:
    """The runner of this machine, built at most once and cached."""
    try:
        return CppRunner(build_host_runner())
    except MissingExtra as error:
        skip_for(error)


@pytest.fixture(scope="session")
def python() -> PythonRunner:
    return PythonRunner()


@pytest.fixture(scope="session")
def models() -> Models:
    """Made with the real exporters, once in a session."""
    folder = Path(shared("tiny", _make))
    return Models(
        pte=folder / "tiny.pte",
        half_pte=folder / "half.pte",
        onnx=folder / "tiny.onnx",
        image=folder / "image.bin",
        expected=np.load(folder / "expected.npy"),
    )


def _make(folder: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _export(folder)
    return str(folder)


def _export(folder: Path) -> None:
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    torch.manual_seed(0)
    stem = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, 2, 1), torch.nn.ReLU()).eval()
    network = torch.nn.Sequential(stem, torch.nn.Conv2d(8, 4, 1)).eval()
    image = torch.rand(SHAPE)

    def lower(methods: Mapping[str, tuple[torch.nn.Module, torch.Tensor]], path: Path) -> None:
        programs = {name: torch.export.export(m, (x,)) for name, (m, x) in methods.items()}
        partitioner = {name: [XnnpackPartitioner()] for name in methods}
        lowered = to_edge_transform_and_lower(programs, partitioner=partitioner)
        path.write_bytes(lowered.to_executorch().buffer)

    with torch.no_grad():
        np.save(folder / "expected.npy", network(image).numpy())
    lower({"forward": (network, image), "stem": (stem, image)}, folder / "tiny.pte")
    _onnx(network, folder / "tiny.onnx")
    lower({"forward": (network.half(), image.half())}, folder / "half.pte")
    (folder / "image.bin").write_bytes(image.numpy().tobytes())


def _onnx(network: Any, path: Path) -> None:
    """The same network written node by node: the exporter is not what is tested here."""
    import onnx
    from onnx import helper, numpy_helper

    def weights(name: str) -> Any:
        return numpy_helper.from_array(network.state_dict()[name].float().numpy(), name)

    def image(name: str, *shape: int) -> Any:
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)

    first, second = ["input", "0.0.weight", "0.0.bias"], ["r", "1.weight", "1.bias"]
    graph = helper.make_graph(
        [
            helper.make_node("Conv", first, ["c"], strides=[2, 2], pads=[1, 1, 1, 1], name="/0/0"),
            helper.make_node("Relu", ["c"], ["r"], name="/0/1"),
            helper.make_node("Conv", second, ["logits"], name="/1"),
        ],
        "tiny",
        [image("input", *SHAPE)],
        [image("logits", 1, 4, SHAPE[2] // 2, SHAPE[3] // 2)],
        [weights(name) for name in ("0.0.weight", "0.0.bias", "1.weight", "1.bias")],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[opset]), str(path))


def output(report: RunnerReport, index: int = 0) -> np.ndarray[Any, Any]:
    """An output the runner wrote, as the report describes it."""
    told = report.outputs[index]
    assert told.file is not None
    return np.fromfile(told.file, told.dtype).reshape(told.shape)
