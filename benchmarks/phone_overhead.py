"""What a bench on a phone costs beside the inferences it times, cold and with a warm cache.

    python -m tests.fakes.phone &                                    # or a real phone
    python benchmarks/phone_overhead.py --device 127.0.0.1:PORT artifacts/*.pte

Two benches of the same files. Before the first one ``/data/local/tmp/seaformer`` is removed from
the phone; the second finds everything there. Wall time is from the first call to the phone to the
last; inference is all of them, the first and the warm-up too, as the runner timed them; the rest is
the harness, the start of processes and the loading of models (``load``). Calls are commands and
transfers, each one round trip or more; they and the bytes are better evidence than seconds where
the machine is not quiet. Nothing is stored.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from seaformer.android_bench.connection import Phone
from seaformer.android_bench.finder import Finder
from seaformer.android_bench.place import ANDROID
from seaformer.android_bench.transport import Transport
from seaformer.bench.run import Bench
from seaformer.bench.runner_io import RunnerReport, RunnerRequest
from seaformer.bench.target import TargetOptions
from seaformer.bench.targets.phone import PhoneTarget
from seaformer.core.artifact import Artifact, load_artifact
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.runtime.build.arm64 import build_arm64_bundle
from seaformer.runtime.build.bundle import Bundle
from seaformer.store.results import ResultStore

T = TypeVar("T")
HEADER = (
    "| cache | processes | wall s | inference s | rest s | rest s / process | of it load s "
    "| calls | calls / process | MB pushed |\n|---|---|---|---|---|---|---|---|---|---|"
)


class CountedPhone(Phone):
    """A connection that counts what is asked of it."""

    calls = 0

    def _repeat(self, call: Callable[[Transport], T]) -> T:
        self.calls += 1
        return super()._repeat(call)


class TimedTarget(PhoneTarget):
    """A phone whose runs add up what the runner itself timed."""

    processes, load_ns, inference_ns = 0, 0, 0

    def run(self, request: RunnerRequest) -> RunnerReport:
        """As ``PhoneTarget.run``."""
        report = super().run(request)
        self.processes += 1
        self.load_ns += report.load_ns
        self.inference_ns += report.first_ns
        self.inference_ns += sum((*report.warmup.samples_ns, *report.samples_ns))
        return report


@dataclass(frozen=True)
class Cost:
    """What one bench took; seconds."""

    cache: str
    processes: int
    wall_s: float
    inference_s: float
    load_s: float
    calls: int
    pushed_bytes: int

    def line(self) -> str:
        """One row of ``HEADER``."""
        rest = self.wall_s - self.inference_s
        cells = [self.cache, str(self.processes), f"{self.wall_s:.1f}", f"{self.inference_s:.1f}"]
        cells += [f"{rest:.1f}", f"{rest / self.processes:.2f}", f"{self.load_s:.1f}"]
        cells += [str(self.calls), f"{self.calls / self.processes:.1f}"]
        return f"| {' | '.join([*cells, f'{self.pushed_bytes / 1e6:.1f}'])} |"


def main() -> None:
    """Bench twice, print a line for each as it is done."""
    options = _options()
    artifacts = [load_artifact(path) for path in options.artifacts]
    bundle = build_arm64_bundle(lambda what: print(what, file=sys.stderr))
    _remove(options)
    print(HEADER, flush=True)
    for cache in ("cold", "warm"):
        print(_cost(cache, options, artifacts, bundle).line(), flush=True)


def _connect(options: argparse.Namespace) -> CountedPhone:
    finder = Finder(options.adb_host)
    (attached,) = finder.choose(options.device)
    return CountedPhone(finder, attached)


def _remove(options: argparse.Namespace) -> None:
    phone = _connect(options)
    phone.run(["rm", "-rf", ANDROID.root])
    phone.close()


def _cost(
    cache: str, options: argparse.Namespace, artifacts: list[Artifact], bundle: Bundle
) -> Cost:
    plan = RunPlan(
        processes=options.repeats,
        warmup=Warmup(runs=options.warmup),
        stop=Stop(runs=options.runs),
        components=options.components,
    )
    began = time.monotonic()
    phone = _connect(options)
    target = TimedTarget(phone, bundle, TargetOptions(adb_host=options.adb_host))
    with tempfile.TemporaryDirectory(prefix="seaformer-overhead-") as folder:
        rows = Bench(target, plan, ResultStore(Path(folder))).run(artifacts)
    target.close()
    wall = time.monotonic() - began
    for row in rows:
        if row.failure is not None:
            sys.exit(f"{row.artifact_file}: {row.failure}")
    inference, load = target.inference_ns / 1e9, target.load_ns / 1e9
    return Cost(cache, target.processes, wall, inference, load, phone.calls, phone.bytes_pushed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("artifacts", nargs="+", type=Path)
    parser.add_argument("--device", default="", help="serial or HOST:PORT; the only one without")
    parser.add_argument("--adb-host", default="")
    parser.add_argument("--components", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--warmup", type=int, default=5)
    parser.add_argument("--runs", type=int, default=30)
    return parser.parse_args()


if __name__ == "__main__":
    main()
