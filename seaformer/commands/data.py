"""``seaformer data``: generated data sets, and what is missing or wrong in one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seaformer.commands._options import AsJson
from seaformer.commands._print import next_step, notice, print_json, say
from seaformer.core.plan import MOST_SEED
from seaformer.core.plural import counted

app = typer.Typer(help="Make a data set, or check one.", no_args_is_help=True)
_FEW = 50  # images: fewer may lack one of at most 12 classes
Kind = Annotated[
    str, typer.Option("--kind", help="layout, where several fit: ade20k, cityscapes, coco, ...")
]


@app.command()
def synth(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a new or empty folder")],
    images: Annotated[int, typer.Option(help="images in all; one fifth is for validation")] = 200,
    seed: Annotated[
        int, typer.Option(min=0, max=MOST_SEED, help="the same seed gives the same files")
    ] = 0,
    task: Annotated[
        str, typer.Option(help="segmentation, classification or detection")
    ] = "segmentation",
    as_json: AsJson = False,
) -> None:
    """Generate a seeded data set in the layout of ADE20K, ImageNet folders or COCO."""
    import shlex

    from seaformer.core import codec
    from seaformer.data.synth import synthesise

    made = synthesise(folder, images, seed, task)
    if as_json:
        print_json(codec.to_json(made) | {"folder": str(made.folder)})
        return
    say(f"{made.folder}: {made.train} images to train, {made.val} to validate.")
    if images < _FEW:
        notice("With so few images some classes may be in none; data check reports those.")
    next_step(f"seaformer data check {shlex.quote(str(folder))}")


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="the data set's folder")],
    kind: Kind = "",
    limit: Annotated[int, typer.Option(help="files to read of each split; 0: all")] = 500,
    as_json: AsJson = False,
) -> None:
    """Report what a data set lacks or has wrong. Ends with 3 where something is."""
    import sys

    from seaformer.core import codec
    from seaformer.core.errors import DataError, UsageError
    from seaformer.data.check import check_set

    if limit < 0:
        raise UsageError(f"--limit must be at least 0 (got {limit}).")
    result = check_set(folder, kind or None, limit or sys.maxsize)
    if as_json:
        print_json(codec.to_json(result) | {"passed": result.passed})
    else:
        for split in result.splits:
            images = counted(split.images, "image")
            say(f"{result.title}, {split.split}: {images}, {split.read:,} read.")
        for fault in result.faults:
            notice(fault)
    if not result.passed:
        many = len(result.faults)
        what = "1 thing is" if many == 1 else f"{many} things are"
        raise DataError(f"{result.folder}: {what} missing or wrong. {result.faults[0]}")
    if not as_json:
        say(f"Nothing is missing or wrong ({result.classes} classes).")
