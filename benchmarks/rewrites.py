"""What the export rewrites are worth: our files against plain exports of the same eager model.

    python benchmarks/rewrites.py [--variant t] [--rounds 5] [--runs 40]

Peers, all from one seeded model, timed by the same C++ runner on one pinned core, fresh process
after fresh process, interleaved in a shuffled order:

- plain ONNX: ``torch.onnx.export`` of the eager model, nothing else
- plain ExecuTorch: ``to_edge_transform_and_lower`` with the XNNPACK partitioner, nothing else
- ours: ``seaformer export`` in both formats

Prints the median of process medians, and the ratio to the plain file of the same format with the
95 % bootstrap interval of that ratio. Only ratios of one run mean anything on a shared machine.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower

from seaformer import create_model, export_model
from seaformer.agreement import images
from seaformer.bench.runner_io import RunnerRequest
from seaformer.bench.target import choose_cores
from seaformer.bench.targets.host import HostTarget
from seaformer.core import stats
from seaformer.core.artifact import Delegation
from seaformer.core.plan import Stop, Warmup
from seaformer.core.quiet import quiet
from seaformer.export._executorch.delegation import xnnpack_report
from seaformer.models import from_variant

RESAMPLES = 2000


@dataclass
class Peer:
    """One file in the comparison, and the samples of each of its processes."""

    name: str
    engine: str
    path: Path
    note: str
    processes: list[list[float]] = field(default_factory=list)

    @property
    def median_ms(self) -> float:
        return statistics.median(statistics.median(samples) for samples in self.processes)


def main() -> None:
    """Make the files, time them, print the table."""
    options = _options()
    name = from_variant(options.variant)
    with tempfile.TemporaryDirectory() as folder:
        peers = _peers(name, Path(folder))
        timed(peers, options.rounds, options.runs)
    print(f"{name}, one thread, {options.rounds} processes of {options.runs} runs each")
    print(f"{'file':20} {'median ms':>10} {'ratio to plain':>26}  what")
    for peer in peers:
        plain = next(p for p in peers if p.engine == peer.engine)
        print(f"{peer.name:20} {peer.median_ms:10.2f} {ratio(peer, plain):>26}  {peer.note}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--variant", default="t")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=40)
    return parser.parse_args()


def _peers(name: str, folder: Path) -> list[Peer]:
    model = create_model(name)
    image = torch.from_numpy(images.photograph("china", model.spec.height, model.spec.width))
    image.numpy().tofile(folder / "image.bin")
    plain_onnx, plain_pte = folder / "plain.onnx", folder / "plain.pte"
    with quiet(), torch.no_grad():
        torch.onnx.export(model, (image,), str(plain_onnx), dynamo=False, opset_version=17)
        captured = torch.export.export(model, (image,))
        edge = to_edge_transform_and_lower(captured, partitioner=[XnnpackPartitioner()])
        plain_pte.write_bytes(edge.to_executorch().buffer)
    plain = xnnpack_report(edge.exported_program().graph_module)
    ours = {f: export_model(name, format=f, out=folder) for f in ("onnx", "executorch")}
    delegation = ours["executorch"].delegation
    assert delegation is not None
    return [
        Peer("plain ONNX", "onnxruntime", plain_onnx, "torch.onnx.export"),
        Peer("our ONNX", "onnxruntime", ours["onnx"].path, "; ".join(ours["onnx"].notes)),
        Peer("plain ExecuTorch", "executorch", plain_pte, _delegated(plain)),
        Peer("our ExecuTorch", "executorch", ours["executorch"].path, _delegated(delegation)),
    ]


def _delegated(report: Delegation) -> str:
    return f"{report.subgraphs} subgraphs, {report.outside_compute} computing operators outside"


def timed(peers: list[Peer], rounds: int, runs: int) -> None:
    target = HostTarget(lambda what: print(what, file=sys.stderr))
    cpus = choose_cores(target.device(), "prime", 1).cpus
    rng = random.Random(0)
    for done in range(rounds):
        for peer in rng.sample(peers, len(peers)):
            print(f"round {done + 1} of {rounds}: {peer.name}", file=sys.stderr)
            request = RunnerRequest(
                engine=peer.engine,
                model=str(peer.path),
                cpus=cpus,
                inputs=(str(peers[0].path.with_name("image.bin")),),
                warmup=Warmup(runs=10),
                stop=Stop(runs=runs),
            )
            report = target.run(request)
            peer.processes.append([ns / 1e6 for ns in report.samples_ns])


def ratio(peer: Peer, plain: Peer) -> str:
    """The ratio of medians with its bootstrap interval."""
    rng = random.Random(1)
    ratios = sorted(_resampled(peer, rng) / _resampled(plain, rng) for _ in range(RESAMPLES))
    low, high = stats.quantile(ratios, 0.025), stats.quantile(ratios, 0.975)
    return f"{peer.median_ms / plain.median_ms:.3f} [{low:.3f}, {high:.3f}]"


def _resampled(peer: Peer, rng: random.Random) -> float:
    ordered = [sorted(samples) for samples in peer.processes]
    return statistics.median(
        stats.bootstrap_median(rng.choice(ordered), rng) for _ in peer.processes
    )


if __name__ == "__main__":
    main()
