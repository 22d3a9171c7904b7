"""How far an engine is from the floor of one four-lane multiply-add for every four MACs.

    python benchmarks/floor.py [--variant t,s,b,l] [--format executorch,onnx] [--precision fp32]

Runs each export on an emulated Cortex-A76, which counts what one warm inference executes, and
prints instructions / (MACs / 4). 1.00 would be nothing but full vector FMAs; the same for the FMAs
alone tells what padding and tiling add. In fp16 eight lanes fit, so MACs / 8 is the floor. MACs are
torch's, of convolutions, linears and matrix products. Counts do not depend on this machine or on
its load.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

from seaformer.bench.run import Bench
from seaformer.bench.targets.emulator import open_target
from seaformer.core.artifact import Artifact
from seaformer.core.counts import Counts, spread, typical
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.core.results import ResultStore
from seaformer.export._request import ExportRequest
from seaformer.models import from_variant, zoo_entry

HEADER = (
    "| model | engine | precision | MACs M | instructions M | floor M | instructions / floor "
    "| FMAs / floor | spread | s |\n|---|---|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    """Export, run, print one line for each file as it is done."""
    options = _options()
    target = open_target(lambda what: print(what, file=sys.stderr), options.core)
    plan = RunPlan(processes=options.repeats, warmup=Warmup(runs=1), stop=Stop(runs=1))
    print(HEADER, flush=True)
    for request in _requests(options):
        artifact = request.cached(lambda what: print(what, file=sys.stderr))
        began = time.monotonic()
        (made,) = Bench(target, plan, ResultStore(options.results)).run([artifact])
        if made.failure is not None:
            sys.exit(f"{artifact.file}: {made.failure}")
        counts = made.methods["forward"].counts
        found = typical(counts)
        assert found is not None
        print(_line(artifact, found, spread(counts), time.monotonic() - began), flush=True)


def _requests(options: argparse.Namespace) -> list[ExportRequest]:
    like = ExportRequest(model="", seed=0)
    return [
        replace(like, model=from_variant(variant), format=format, precision=precision)
        for variant in options.variant.split(",")
        for format in options.format.split(",")
        for precision in options.precision.split(",")
    ]


def _line(artifact: Artifact, counts: Counts, differ: float | None, seconds: float) -> str:
    macs = zoo_entry(artifact.model).macs
    floor = macs / (8 if counts.fma_fp16 > counts.fma_fp32 else 4)
    figures = [macs / 1e6, counts.instructions / 1e6, floor / 1e6]
    ratios = [counts.instructions / floor, counts.vector_fma / floor]
    cells = [artifact.model, artifact.runtime, artifact.precision]
    cells += [f"{figure:.1f}" for figure in figures] + [f"{ratio:.3f}" for ratio in ratios]
    cells += ["-" if differ is None else f"{100 * differ:.4f} %", f"{seconds:.0f}"]
    return f"| {' | '.join(cells)} |"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--variant", default="t,s,b,l")
    parser.add_argument("--format", default="executorch,onnx")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--core", default="")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--results", type=Path, default=Path("build/floor"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
