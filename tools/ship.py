"""Make a training run one of the weights that come with seaformer.

    python tools/ship.py RUN... --data 'seaformer data synth set --images 1500 --seed 0'

The run's last weights, in half precision, become ``seaformer/models/trained/NAME.pth`` with
the losses of the run beside it; its row in ``trained.csv`` has the commands that repeat it, and the
accuracy of the file itself on the validation images of the set. NAME is the model's, and a model
has one such file. A run that began with the checkpoint of another (``--checkpoint RUN/last.pth``)
has the commands and losses of both.
"""

from __future__ import annotations

import argparse
import csv
import io
import shlex
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from pathlib import Path

import torch

from seaformer import evaluate
from seaformer.core import codec, files
from seaformer.core.accuracy import MIOU, TOP1
from seaformer.core.files import sha256_file
from seaformer.models import trained
from seaformer.models.trained import TrainedWeights, trained_weights
from seaformer.training import checkpoints
from seaformer.training.checkpoints import RunFolder
from seaformer.training.distillation import DEFAULT_METHOD, Distillation, method_of
from seaformer.training.loop import TrainPlan

_BETWEEN = 20  # iterations to a row of the curve


def main() -> int:
    """Ship every run that is named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--data", required=True, help="the command that generated the set")
    given = parser.parse_args()
    for run in given.runs:
        _ship(RunFolder(run), given.data)
    return 0


def _ship(run: RunFolder, data: str) -> None:
    chain = list(_chain(run))
    plan, commands = _plan(run), " && ".join(_command(_plan(each)) for each in chain)
    blank = TrainedWeights(plan.model, plan.model, data, commands, "", 0, "", "", "")
    state = checkpoints.load(run.weights)["state_dict"]
    halves = {key: _half(value) for key, value in state.items()}
    checkpoints.save(blank.path, {"state_dict": halves})
    files.write_text(blank.curve, _curve([each.log for each in chain]))
    row = _judged(blank, plan.data)
    _write(dict(trained_weights()) | {row.name: row})
    print(f"{row.path}: {row.metric} {row.value:.2f}, {row.path.stat().st_size / 1e6:.1f} MB")


def _plan(run: RunFolder) -> TrainPlan:
    return codec.decode(TrainPlan, files.read_bytes(run.plan), where=str(run.plan))


def _chain(run: RunFolder) -> Iterator[RunFolder]:
    """The runs whose weights it began with, the first one first, and itself."""
    before = RunFolder(run.folder.parent / Path(_plan(run).checkpoint).parent)
    if _plan(run).checkpoint and before.plan.exists():
        yield from _chain(before)
    yield run


def _half(value: torch.Tensor) -> torch.Tensor:
    return (value.half() if value.is_floating_point() else value).contiguous()


def _judged(row: TrainedWeights, data: str) -> TrainedWeights:
    """The row with the file's accuracy, evaluated as ``seaformer eval`` does."""
    with tempfile.TemporaryDirectory() as results:
        (one,) = evaluate(data=data, model=row.model, checkpoint=row.path, results=results)
    bounds = one.miou_ci95
    low, high = ("", "") if bounds is None else (f"{bounds.low:.2f}", f"{bounds.high:.2f}")
    metric, value = (MIOU, one.miou) if one.miou is not None else (TOP1, one.top1)
    assert value is not None
    known = asdict(row) | {"metric": metric, "value": round(value, 2), "low": low, "high": high}
    return TrainedWeights(**known | {"sha256": sha256_file(row.path)})


_OPTIONS = {
    "iterations": "--iters",
    "recipe": "--recipe",
    "corrected": "--corrected",
    "batch": "--batch",
    "lr": "--lr",
    "scale_lr": "--scale-lr",
    "checkpoint": "--checkpoint",
    "backbone": "--backbone",
}


def _command(plan: TrainPlan) -> str:
    """The line that trains it again; paths are those of the set's and the run's folders."""
    words = ["seaformer", "train", "--model", plan.model]
    if plan.distillation is not None:
        words = ["seaformer", "distill", "--student", plan.model, *_teaching(plan.distillation)]
    words += ["--data", Path(plan.data).name, "--seed", str(plan.seed)]
    for field, option in _OPTIONS.items():
        value = getattr(plan, field)
        if value:
            words += [option] if value is True else [option, str(value)]
    return shlex.join([*words, "--out", Path(plan.out).name])


def _teaching(how: Distillation) -> list[str]:
    """The options of a distillation that are not the defaults, or not the method's."""
    row, words = method_of(how.method), ["--teacher", how.teacher]
    words += ["--teacher-checkpoint", how.checkpoint] if how.checkpoint else []
    words += ["--teacher-ema"] if how.ema else []
    words += ["--method", how.method] if how.method != DEFAULT_METHOD else []
    words += ["--teacher-resolution", how.resolution] if how.resolution != row.resolution else []
    for name, weight in vars(how.weights).items():
        if weight != getattr(row.weights, name):
            words += [f"--weight-{name}", f"{weight:g}"]
    return words


def _curve(logs: Iterable[Path]) -> str:
    rows = [row for log in logs for row in csv.DictReader(log.read_text().splitlines())]
    losses = [float(row["loss"]) for row in rows]
    lines = ["iteration,loss"]
    for start in range(0, len(losses), _BETWEEN):
        part = losses[start : start + _BETWEEN]
        lines.append(f"{start + len(part)},{sum(part) / len(part):.4f}")
    return "".join(f"{line}\n" for line in lines)


def _write(rows: dict[str, TrainedWeights]) -> None:
    text = io.StringIO()
    names = [each.name for each in fields(TrainedWeights)]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(rows[name]) for name in sorted(rows))
    files.write_text(Path(trained.__file__).with_name("trained.csv"), text.getvalue())
    trained_weights.cache_clear()


if __name__ == "__main__":
    raise SystemExit(main())
