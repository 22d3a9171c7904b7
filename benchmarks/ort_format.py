"""ONNX Runtime's own file format beside ONNX, in instructions on an emulated Cortex-A76.

    python benchmarks/ort_format.py FILE.onnx

The file is written again by ONNX Runtime as ``.ort``, at the two levels of optimisation that hold
on any CPU. Printed are the instructions of the second inference, and those of the process before
it less one inference: of the load.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import onnxruntime as ort

from seaformer.bench.runner_io import RunnerRequest
from seaformer.bench.target import TargetOptions
from seaformer.bench.targets.emulator import open_target
from seaformer.core.plan import Stop, Warmup

LEVELS = {
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
}


def write_ort(source: Path, path: Path, level: ort.GraphOptimizationLevel) -> Path:
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.optimized_model_filepath = str(path)
    options.add_session_config_entry("session.save_model_format", "ORT")
    ort.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    source: Path = parser.parse_args().file
    target = open_target(options=TargetOptions(misses=False))
    print("| file | instructions M | load, instructions M | MB |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        made = [write_ort(source, Path(folder) / f"{n}.ort", level) for n, level in LEVELS.items()]
        for path in (source, *made):
            request = RunnerRequest(
                engine="onnxruntime",
                model=str(path),
                warmup=Warmup(runs=0),
                stop=Stop(runs=1),
            )
            (counts,) = target.run(request).counts
            inference = counts.instructions / 1e6
            load = counts.instructions_before / 1e6 - inference
            size = path.stat().st_size / 1e6
            print(f"| {path.name} | {inference:.2f} | {load:.1f} | {size:.2f} |", flush=True)


if __name__ == "__main__":
    main()
