"""What each rewrite is worth: a file beside the files that each of its rules was left out of.

    python benchmarks/rules.py [--models seaformer_t,seaformerpp_t_kd] [--formats onnx,ncnn]
                               [--precision fp32] [--rounds 0]

Of every model and format the rules that applied are left out in turn (``--no-rewrite RULE``), and
one inference of each file is counted on an emulated Cortex-A76. Printed are the instructions with
all rules, without each, and the difference. With ``--rounds`` the files are also timed on this
machine, a fresh process of the same C++ runner after another in a shuffled order; printed is the
ratio to the file with all rules, with its 95 % interval. Of a rule that the export needs the reason
of the refusal goes to stderr.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from rewrites import Peer, ratio, timed

from seaformer.agreement import images
from seaformer.bench.run import Bench
from seaformer.bench.target import open_target
from seaformer.core.artifact import FORWARD, Artifact
from seaformer.core.engine import FormatName, engine_of
from seaformer.core.errors import ExportError
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.core.precision import PrecisionName
from seaformer.core.quiet import quiet
from seaformer.export import export_model
from seaformer.models import model_spec
from seaformer.report.zoo import markdown_table
from seaformer.store.results import ResultStore

_PLAN = RunPlan(processes=1, warmup=Warmup(runs=1), stop=Stop(runs=1))
_HEADER = ("model", "format", "without", "times", "instructions M", "more M", "time, ratio")
Row = tuple[str, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", default="seaformer_t")
    parser.add_argument("--formats", default="onnx,executorch,ncnn")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--rounds", type=int, default=0)
    options = parser.parse_args()
    rows: list[Row] = []
    for model in options.models.split(","):
        for format in options.formats.split(","):
            with tempfile.TemporaryDirectory() as folder:
                rows += _rows(model, format, options.precision, options.rounds, Path(folder))
    print(markdown_table(_HEADER, rows))


def _rows(model: str, format: str, precision: str, rounds: int, folder: Path) -> Iterator[Row]:
    whole = _exported(model, format, precision, (), folder)
    left_out: dict[str, Artifact] = {}
    for rule in whole.rewrites:
        try:
            left_out[rule] = _exported(model, format, precision, (rule,), folder)
        except ExportError as error:
            print(f"{model} {format} without {rule}: {error}", file=sys.stderr)
    counts = {rule: _instructions(made, folder) for rule, made in left_out.items()}
    base = _instructions(whole, folder)
    ratios = _ratios(model, [whole, *left_out.values()], rounds, folder) if rounds else {}
    yield (model, format, "none", "", f"{base / 1e6:.1f}", "", "1" if rounds else "")
    for rule, times in whole.rewrites.items():
        if rule not in left_out:
            yield (model, format, rule, str(times), "refused", "", "")
            continue
        count, slower = counts[rule], ratios.get(left_out[rule].path, "")
        more = f"{(count - base) / 1e6:+.1f}"
        yield (model, format, rule, str(times), f"{count / 1e6:.1f}", more, slower)


def _exported(
    model: str, format: str, precision: str, without: tuple[str, ...], folder: Path
) -> Artifact:
    print(f"{model} {format} without {', '.join(without) or 'nothing'}", file=sys.stderr)
    with quiet():
        return export_model(
            model,
            format=cast(FormatName, format),
            precision=cast(PrecisionName, precision),
            no_rewrite=without,
            out=folder,
        )


def _instructions(artifact: Artifact, folder: Path) -> int:
    target = open_target("emulator")
    (run,) = Bench(target, _PLAN, ResultStore(folder / "results")).run([artifact])
    if run.failure is not None:
        raise SystemExit(f"{artifact.path.name}: {run.failure}")
    return run.methods[FORWARD].counts[0].instructions


def _ratios(model: str, files: Sequence[Artifact], rounds: int, folder: Path) -> dict[Path, str]:
    spec = model_spec(model)
    images.photograph("china", spec.height, spec.width).tofile(folder / "image.bin")
    peers = [Peer(made.path.name, engine_of(made.format).name, made.path, "") for made in files]
    timed(peers, rounds, 40)
    return {peer.path: ratio(peer, peers[0]) for peer in peers}


if __name__ == "__main__":
    main()
