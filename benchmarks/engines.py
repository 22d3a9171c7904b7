"""Our exports beside plain conversions in every engine at hand, interleaved in one process.

    python benchmarks/engines.py [--model seaformer_t] [--size 512x512] [--rounds 15]
                                 [--formats onnx,litert] [--json FILE]

Each engine runs on one thread of one core, in rounds of a random order. Printed are the ratio of
each median to that of the fastest, with its 95 % interval over rounds, and how far its output is
from torch's. The time of one machine is not that of another one, so none is printed.

"ours" is what ``seaformer export`` writes; "plain" is the same engine without any rewrite. Peers,
where their packages are installed, take the plain ONNX file: OpenVINO (``pip install openvino``)
and MNN (``pip install MNN``). A format whose extra is not installed is left out.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from seaformer.core.artifact import FORWARD
from seaformer.core.engine import FormatName
from seaformer.core.errors import SeaFormerError
from seaformer.core.precision import BASE
from seaformer.core.quiet import quiet
from seaformer.core.ratio import ratio_of_medians
from seaformer.export import export_model
from seaformer.export.rewrites import list_rules
from seaformer.models import create_model
from seaformer.runtime.python_runner.engines import ENGINES
from seaformer.runtime.python_runner.flags import RunnerProblem

Array = npt.NDArray[Any]
Run = Callable[[], object]
Way = tuple[Run, Callable[[], Array]]  # one inference, and the output of the last one


@dataclass
class Contender:
    """One way to run the network; ``samples_ns`` has the inferences of each round."""

    name: str
    run: Run
    max_abs: float = 0.0
    samples_ns: list[list[int]] = field(default_factory=list)

    @property
    def median_ns(self) -> float:
        return statistics.median(map(statistics.median, self.samples_ns))


@dataclass(frozen=True)
class Subject:
    """What is raced: the network, its input and the plain ONNX file."""

    model: str
    size: tuple[int, int]
    network: nn.Module
    image: Array
    onnx: Path


def exported(subject: Subject, format: FormatName, folder: Path, *, plain: bool) -> Way:
    without = tuple(rule.name for rule in list_rules()) if plain else ()
    out = folder / ("plain" if plain else "ours")
    artifact = export_model(
        subject.model, size=subject.size, format=format, no_rewrite=without, out=out
    )
    engine = ENGINES.load(artifact.runtime).open_engine(artifact.path, 1, None)
    engine.load(FORWARD)
    engine.set_inputs([subject.image])
    return engine.run, lambda: np.asarray(engine.outputs()[0][1])


def openvino(subject: Subject) -> Way:
    ov = importlib.import_module("openvino")
    options = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = ov.compile_model(str(subject.onnx), "CPU", options)
    request = compiled.create_infer_request()
    request.set_tensor(compiled.input(0), ov.Tensor(subject.image))
    return request.infer, lambda: np.asarray(request.get_output_tensor(0).data)


def convert_to_mnn(onnx: Path) -> Path:
    """The file that MNN's own converter makes of an ONNX file, beside it.

    Not by ``MNN.tools.mnnconvert``, which installs a logging package into the environment whose
    pip is first in PATH, and reports to its makers.
    """
    path = onnx.with_suffix(".mnn")
    argv = ["-f", "ONNX", "--modelFile", str(onnx), "--MNNModel", str(path)]
    code = "import sys, _tools; _tools.mnnconvert(sys.argv)"
    subprocess.run([sys.executable, "-c", code, *argv], check=True, capture_output=True)
    return path


def mnn(subject: Subject) -> Way:
    package = importlib.import_module("MNN")
    path = convert_to_mnn(subject.onnx)
    interpreter = package.Interpreter(str(path))
    session = interpreter.createSession({"numThread": 1, "backend": "CPU"})
    given = interpreter.getSessionInput(session)
    kind = package.Tensor_DimensionType_Caffe
    shape = subject.image.shape
    image = package.Tensor(shape, package.Halide_Type_Float, subject.image, kind)

    def run() -> None:
        given.copyFrom(image)  # an inference may reuse the memory of the input
        interpreter.runSession(session)

    def output() -> Array:
        result = interpreter.getSessionOutput(session)
        host = package.Tensor(result.getShape(), package.Halide_Type_Float, kind)
        result.copyToHostTensor(host)
        return np.asarray(host.getNumpyData())

    return run, output


PROBLEMS = (ImportError, SeaFormerError, RunnerProblem, subprocess.CalledProcessError)
PEERS = {"OpenVINO, plain": openvino, "MNN, plain": mnn}


def subject_of(model: str, size: tuple[int, int], folder: Path) -> Subject:
    network = create_model(model, size=size).eval()
    image = np.random.default_rng(0).standard_normal((1, 3, *size)).astype(np.float32)
    path = folder / "plain.onnx"
    torch.onnx.export(
        network, (torch.from_numpy(image),), str(path), dynamo=False, opset_version=17
    )
    return Subject(model, size, network, image, path)


def contenders(
    subject: Subject, formats: Sequence[FormatName], folder: Path
) -> Iterator[Contender]:
    """Those that can be opened here; why another one cannot goes to stderr."""
    ways: dict[str, Callable[[], Way]] = {}
    for format in formats:
        for plain in (False, True):
            name = f"{format}, {'plain' if plain else 'ours'}"
            ways[name] = partial(exported, subject, format, folder, plain=plain)
    ways |= {name: partial(make, subject) for name, make in PEERS.items()}
    with torch.no_grad():
        expected = subject.network(torch.from_numpy(subject.image)).numpy()
    for name, make in ways.items():
        try:
            with quiet():
                run, result = make()
                run()
                output = result()
        except PROBLEMS as error:
            print(f"{name}: left out ({type(error).__name__}: {error})", file=sys.stderr)
            continue
        yield Contender(name, run, float(np.abs(output.reshape(expected.shape) - expected).max()))


def race(all_of_them: list[Contender], rounds: int, inferences: int) -> None:
    order, rng = list(all_of_them), random.Random(0)
    for _ in range(rounds):
        rng.shuffle(order)
        for one in order:
            one.run()  # what the others left in the caches is not its own
            taken = []
            for _ in range(inferences):
                start = time.perf_counter_ns()
                one.run()
                taken.append(time.perf_counter_ns() - start)
            one.samples_ns.append(taken)


def lines(all_of_them: list[Contender]) -> Iterator[dict[str, Any]]:
    ranked = sorted(all_of_them, key=lambda one: one.median_ns)
    for one in ranked:
        ratio = ratio_of_medians(ranked[0].samples_ns, one.samples_ns)
        assert ratio is not None
        yield {
            "name": one.name,
            "ms": round(one.median_ns / 1e6, 2),
            "ratio": round(ratio.value, 3),
            "low": round(ratio.low, 3),
            "high": round(ratio.high, 3),
            "max_abs": one.max_abs,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="seaformer_t")
    parser.add_argument("--size", default="512x512")
    parser.add_argument("--formats", default="onnx,executorch,ncnn,litert")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--inferences", type=int, default=3, help="in each round")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    height, width = map(int, asked.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        subject = subject_of(asked.model, (height, width), Path(folder))
        formats: list[FormatName] = asked.formats.split(",")
        ready = list(contenders(subject, formats, Path(folder)))
        race(ready, asked.rounds, asked.inferences)
    table = list(lines(ready))
    print(f"{asked.model} {asked.size} {BASE.name}, one thread, {asked.rounds} rounds")
    for line in table:
        interval = f"{line['low']:.3f} to {line['high']:.3f}"
        worst = f"max abs {line['max_abs']:.1e}"
        print(f"  {line['name']:20} {line['ratio']:6.3f}x  ({interval})  {worst}")
    if asked.json:
        asked.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
