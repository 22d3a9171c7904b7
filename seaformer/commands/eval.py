"""``seaformer eval``: how accurate models and model files are on a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from seaformer.commands import _complete
from seaformer.commands._kept import keep_elsewhere
from seaformer.commands._options import AdbHost, AsJson, Checkpoint, Ema, Results, grouped
from seaformer.commands._parse import colours, image_size
from seaformer.commands._print import (
    COUNTING,
    command_line,
    notice,
    print_json,
    show,
    steps,
    warn_seeded,
)
from seaformer.commands._weights import check_weights
from seaformer.core.plural import counted

if TYPE_CHECKING:
    from seaformer.core.accuracy import Accuracy
    from seaformer.evaluation.outcome import Evaluation
    from seaformer.evaluation.part import Part, Share
    from seaformer.evaluation.work import Gather, Work


@dataclass(frozen=True)
class Parts:
    """Where files run; and parts: several machines, several processes, or a run that was killed."""

    HEADING: ClassVar = "Devices and parts"
    device: Annotated[
        str,
        typer.Option(
            help="host, emulator[:CORE], phone, a serial, ssh:HOST; several: A,B",
            autocompletion=_complete.devices,
        ),
    ] = "host"
    adb_host: AdbHost = ""
    shard: Annotated[str, typer.Option(metavar="I/N", help="of N parts the Ith: 1/4")] = ""
    part: Annotated[
        str, typer.Option(metavar="FILE", help="the counts of these images, instead of a result")
    ] = ""
    resume: Annotated[bool, typer.Option("--resume", help="continue the counts in --part")] = False
    merge: Annotated[bool, typer.Option("--merge", help="FILE... are all parts: their result")] = (
        False
    )

    def work(self) -> Work:
        """As the options ask, and one share for each process of torchrun."""
        from seaformer.core.errors import UsageError
        from seaformer.core.files import expanded
        from seaformer.evaluation.part import Share
        from seaformer.evaluation.work import Work

        part = expanded(self.part) if self.part else None
        gather, share = torchrun()
        if gather is None:
            share = Share.parse(self.shard) if self.shard else share
        elif self.shard:
            raise UsageError("--shard is not for torchrun, which divides the images itself.")
        work = Work(share, part, self.resume, gather)
        return work if self.device == "host" else self._on_devices(work)

    def _on_devices(self, work: Work) -> Work:
        """With the devices, whose counts are kept after each batch: a cable is pulled easily."""
        from seaformer.bench.answers import choose_devices
        from seaformer.bench.target import TargetOptions

        options = TargetOptions(adb_host=self.adb_host, resume=self.resume, notice=notice)
        devices = choose_devices(self.device, options, notice)
        return replace(work, devices=devices, keep_seconds=0.0)


def torchrun() -> tuple[Gather | None, Share]:
    """How the processes of torchrun put their parts together; nothing in a process alone."""
    import os

    from seaformer.evaluation.part import Share, decoded, encoded

    if not {"RANK", "WORLD_SIZE"} <= set(os.environ):
        return None, Share()
    from seaformer.training.parallel import divided, gathered

    share = Share(*divided())
    if share.of == 1:
        return None, share

    def gather(part: Part) -> Sequence[Part] | None:
        contents = gathered(encoded(part))
        if contents is None:
            return None
        return [decoded(each, f"process {i}") for i, each in enumerate(contents)]

    return gather, share


@grouped
def evaluate(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE...", help="model files, from here or anywhere"),
    ] = None,
    data: Annotated[str, typer.Option(help="the data set's folder (docs/accuracy.md)")] = "",
    model: Annotated[str, typer.Option(help="a model by name, with its weights")] = "",
    checkpoint: Checkpoint = "",
    ema: Ema = False,
    split: Annotated[str, typer.Option(help="train or val")] = "val",
    kind: Annotated[str, typer.Option(help="layout of the data, where several fit")] = "",
    limit: Annotated[int, typer.Option(help="images at most; 0: all")] = 0,
    window: Annotated[
        int | None,
        typer.Option(help="side of sliding windows; 0: whole; the official test's when absent"),
    ] = None,
    stride: Annotated[int, typer.Option(help="pixels between windows")] = 0,
    multi_scale: Annotated[
        bool, typer.Option("--multi-scale", help="six scales from 0.5 to 1.75, each flipped too")
    ] = False,
    size: Annotated[str, typer.Option(help="HxW of a file that leaves it free")] = "",
    mean: Annotated[str, typer.Option(help="of R,G,B from 0 to 255, where a file has none")] = "",
    std: Annotated[str, typer.Option(help="as --mean")] = "",
    results: Results = "",
    as_json: AsJson = False,
    *,
    parts: Parts,
) -> None:
    """Evaluate models and model files: mIoU, mAcc, aAcc, or top-1 and top-5, or COCO's AP.

    Each result is kept in the results folder, where report and compare read it.
    """
    from seaformer.core.errors import UsageError
    from seaformer.evaluation.network import NetworkOptions
    from seaformer.evaluation.order import EvalOrder, evaluate_order, merge_parts
    from seaformer.evaluation.record import Keeping
    from seaformer.store.results import results_dir

    if not data:
        raise UsageError("--data must name a folder (got none).", hint="seaformer data synth DIR")
    if (checkpoint or ema) and not model:
        raise UsageError("--checkpoint and --ema require --model NAME.")
    check_weights(checkpoint)
    options = NetworkOptions(
        image_size(size), mean=colours("--mean", mean), std=colours("--std", std)
    )
    order = EvalOrder(
        data, split, kind or None, limit, window, stride, multi_scale, options=options
    )
    root = results_dir(results or None)
    unkept = partial(_show_unkept, root, as_json=as_json)
    keeping = Keeping(root, command_line(), unkept)
    if parts.merge:
        if model or parts != Parts(merge=True):
            raise UsageError("--merge takes files of --part, --data and --split alone.")
        _print_rows(merge_parts(order, files or (), keeping), as_json=as_json)
        return
    work, network = parts.work(), None
    if model:
        from seaformer.models import network_maker

        warn_seeded([model], checkpoint)
        network = network_maker(model, checkpoint or None, ema=ema)
    with steps(COUNTING) as step:
        rows = evaluate_order(order, files or (), network, step, keeping, work=work)
    if rows:
        _print_rows(rows, as_json=as_json)
    elif work.part is not None:
        notice(f"{work.part}: part {work.share} of the images")


def _show_unkept(
    root: Path, rows: Sequence[Evaluation], left: Sequence[Accuracy], *, as_json: bool
) -> None:
    """An evaluation may have taken hours: it is printed, and its record is kept elsewhere."""
    from seaformer.core import codec

    _print_rows(rows, as_json=as_json)
    for one in left:
        keep_elsewhere("evaluation", one.id, codec.to_json(one), root)


def _print_rows(rows: Sequence[Evaluation], *, as_json: bool) -> None:
    from seaformer.core import codec
    from seaformer.report.terminal import Block, Line

    if as_json:
        print_json([codec.to_json(row) for row in rows])
        return
    page: list[Block] = []
    for row in rows:
        pairs = [("mIoU", row.miou), ("mAcc", row.macc), ("aAcc", row.aacc)]
        pairs += [("top-1", row.top1), ("top-5", row.top5), ("AP", row.ap)]
        scores = ", ".join(f"{name} {value:.2f}" for name, value in pairs if value is not None)
        images = counted(row.images, "image")
        text = f"{row.model}: {scores} ({images}, {row.skipped:,} skipped; {row.mode})"
        page.append(Line(text, hang=2))
        if (gap := row.difference) is not None:
            low, high = gap.miou_ci95.low, gap.miou_ci95.high
            interval = f" (95 % {low:+.2f} to {high:+.2f})" if row.images > 1 else ""
            text = (
                f"{gap.miou:+.2f} mIoU to {gap.base}{interval}, "
                f"{100 * gap.argmax_agreement:.2f} % of pixels agree"
            )
            page.append(Line(text, indent=2, hang=4))
    show(page)
    for reason in rows[0].broken:
        notice(f"Skipped: {reason}")
