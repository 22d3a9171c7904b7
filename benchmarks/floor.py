"""How far an engine is from the floor of one four-lane multiply-add for every four MACs.

    python benchmarks/floor.py [--variant t,s,b,l] [--format executorch,onnx] [--precision fp32]
                               [--known results]

Runs each export on an emulated Cortex-A76, which counts what one warm inference executes, and
prints instructions / (MACs / 4). 1.00 would be nothing but full vector FMAs; the same for the FMAs
alone shows what padding and tiling add. In fp16 eight lanes fit, so MACs / 8 is the floor. MACs are
torch's, of convolutions, linears and matrix products. Counts do not depend on this machine or on
its load; ``--known`` takes those that a results folder has of the same core (a bench of the
components counts ``forward`` too), and runs the rest. Cache misses are not counted.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

from seaformer.bench.run import Bench
from seaformer.bench.target import TargetOptions
from seaformer.bench.targets.emulator import EmulatorTarget, open_target
from seaformer.core.artifact import FORWARD
from seaformer.core.counts import Counts, floor, spread, typical
from seaformer.core.measurement import EMULATED, Measurement
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.core.precision import BASE
from seaformer.core.request import ExportRequest
from seaformer.export import cached_export
from seaformer.models import from_variant, zoo_entry
from seaformer.store.results import ResultStore

HEADER = (
    "| model | engine | precision | MACs M | instructions M | floor M | instructions / floor "
    "| FMAs / floor | repeats | spread | s |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    """One line for each file: looked up, or exported, run and printed as it is done."""
    options = _options()
    target = open_target(_say, options.core, options=TargetOptions(misses=False))
    known = ResultStore(options.known).load().measurements if options.known else ()
    print(HEADER, flush=True)
    for request in _requests(options):
        began = time.monotonic()
        measurement = _stored(known, request, target.device().id)
        seconds = ""
        if measurement is None:
            measurement = _counted(target, request, options)
            seconds = f"{time.monotonic() - began:.0f}"
        print(_line(measurement, seconds), flush=True)


def _counted(
    target: EmulatorTarget, request: ExportRequest, options: argparse.Namespace
) -> Measurement:
    """Export and run now; the first inference of a process is its warm-up."""
    artifact = cached_export(request, _say)
    plan = RunPlan(processes=options.repeats, warmup=Warmup(runs=0), stop=Stop(runs=1))
    (made,) = Bench(target, plan, ResultStore(options.results)).run([artifact])
    if made.failure is not None:
        sys.exit(f"{artifact.file}: {made.failure}")
    return made


def _stored(
    known: tuple[Measurement, ...], request: ExportRequest, device: str
) -> Measurement | None:
    """The newest valid one of the same network on the same core."""
    key = (EMULATED, device, request.model, request.format, request.precision, "logits")
    shape = zoo_entry(request.model).spec.input_shape
    same = [
        one
        for one in known
        if (one.source, one.device.id, one.model, one.format, one.precision, one.scope) == key
        and (one.input_shape, one.valid) == (shape, True)
        and FORWARD in one.methods
    ]
    return same[-1] if same else None


def _requests(options: argparse.Namespace) -> list[ExportRequest]:
    like = ExportRequest(model="", seed=0)
    return [
        replace(like, model=from_variant(variant), format=format, precision=precision)
        for variant in options.variant.split(",")
        for format in options.format.split(",")
        for precision in options.precision.split(",")
    ]


def _line(made: Measurement, seconds: str) -> str:
    repeats = made.methods[FORWARD].counts
    counts = typical(repeats)
    assert counts is not None
    differ = spread(repeats)
    cells = [made.model, made.runtime, made.precision, *_figures(made.model, counts)]
    cells += [str(len(repeats)), "-" if differ is None else f"{100 * differ:.4f} %", seconds or "-"]
    return f"| {' | '.join(cells)} |"


def _figures(model: str, counts: Counts) -> list[str]:
    macs = zoo_entry(model).macs
    least = floor(counts, macs)
    figures = [macs / 1e6, counts.instructions / 1e6, least / 1e6]
    ratios = [counts.instructions / least, counts.vector_fma / least]
    return [f"{figure:.1f}" for figure in figures] + [f"{ratio:.3f}" for ratio in ratios]


def _say(what: str) -> None:
    print(what, file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--variant", default="t,s,b,l")
    parser.add_argument("--format", default="executorch,onnx")
    parser.add_argument("--precision", default=BASE.name)
    parser.add_argument("--core", default="")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--known", type=Path, help="a results folder to take counts from")
    parser.add_argument("--results", type=Path, default=Path("build/floor"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
