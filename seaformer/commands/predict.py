"""``seaformer predict``: what a network sees in images and videos, as pictures."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from seaformer.commands import _complete
from seaformer.commands._options import (
    ROWS_SHOWN,
    AsJson,
    Checkpoint,
    Classes,
    Ema,
    Size,
    Wide,
    grouped,
)
from seaformer.commands._parse import colours, image_size
from seaformer.commands._print import COUNTING, notice, print_json, show, steps, warn_seeded
from seaformer.commands._weights import check_weights
from seaformer.core.errors import UsageError

if TYPE_CHECKING:
    from seaformer.evaluation.network import Network, NetworkOptions
    from seaformer.evaluation.predict import PredictOptions
    from seaformer.evaluation.prediction import Prediction
    from seaformer.models._eager import EagerSession


@dataclass(frozen=True)
class NetworkGroup:
    """What predicts."""

    HEADING: ClassVar = "Network"
    artifact: Annotated[
        str, typer.Option("--artifact", metavar="FILE", help="a model file, from here or anywhere")
    ] = ""
    model: Annotated[
        str,
        typer.Option(
            "--model", help="or a model of the zoo, in PyTorch", autocompletion=_complete.models
        ),
    ] = ""
    checkpoint: Checkpoint = ""
    ema: Ema = False
    classes: Classes = 0
    size: Size = ""
    dataset: Annotated[
        str, typer.Option("--dataset", help="whose classes a file has that does not name them")
    ] = ""
    mean: Annotated[str, typer.Option(help="of R,G,B from 0 to 255, where a file has none")] = ""
    std: Annotated[str, typer.Option(help="as --mean")] = ""


@dataclass(frozen=True)
class PictureGroup:
    """What is shown."""

    HEADING: ClassVar = "Pictures"
    truth: Annotated[
        str, typer.Option("--truth", metavar="DIR", help="masks by the names of the images")
    ] = ""
    reduce_zero_label: Annotated[
        bool | None,
        typer.Option(
            "--reduce-zero-label/--keep-zero-label",
            help="label 0 of those masks is none of the classes; as the data set when absent",
        ),
    ] = None
    beside: Annotated[
        str, typer.Option("--beside", metavar="FILE", help="another model file, shown beside")
    ] = ""
    attention: Annotated[
        bool, typer.Option("--attention", help="a heat map of the last attention block (--model)")
    ] = False
    alpha: Annotated[float, typer.Option(help="how much a class' colour covers, 0 to 1")] = 0.5
    score: Annotated[float, typer.Option(help="the least score of a box that is shown")] = 0.3
    limit: Annotated[int, typer.Option(help="frames of a video; 0: all")] = 0
    no_masks: Annotated[
        bool, typer.Option("--no-masks", help="do not write the label of each pixel")
    ] = False


@grouped
def predict(
    network: NetworkGroup,
    pictures: PictureGroup,
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE|DIR|VIDEO...", help="images, folders, videos")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="where the pictures go")] = Path(
        "predictions"
    ),
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Show what a network sees in images and videos: overlays, masks, boxes, best classes.

    A model file is run by its engine, without torch unless it is a .pte. docs/predict.md has the
    rules.
    """
    from seaformer.core import codec
    from seaformer.core.files import check_dir, expanded
    from seaformer.evaluation.inputs import list_sources
    from seaformer.evaluation.network import open_network
    from seaformer.evaluation.page import prediction_page
    from seaformer.evaluation.predict import predict as predict_images

    _check(network, pictures)
    check_weights(network.checkpoint)
    folder = expanded(out)
    with steps(COUNTING) as step:
        sources = list_sources(images, folder)
        options = _options(pictures, folder)
        check_dir(folder)
        step("open the network")
        opened = _open(network, attention=pictures.attention)
        if pictures.beside:
            options = replace(options, beside=open_network(pictures.beside))
        done = predict_images(sources, opened, options, step)
    if as_json:
        print_json(codec.to_json(done))
    else:
        limited = sys.stdout.isatty() and not wide
        show(prediction_page(done, opened.labels, ROWS_SHOWN if limited else 0), wide)
    _report(done, folder)


def _check(network: NetworkGroup, pictures: PictureGroup) -> None:
    """Refuse what does not go together before anything is opened."""
    if bool(network.artifact) == bool(network.model):
        raise UsageError(
            "One of --artifact and --model is required.",
            hint="For example: seaformer predict photo.jpg --artifact FILE --out predictions",
        )
    if pictures.attention and not network.model:
        raise UsageError("--attention requires --model: a model file does not show its attention.")
    for option, value in (
        ("--checkpoint", network.checkpoint),
        ("--ema", network.ema),
        ("--classes", network.classes),
    ):
        if value and not network.model:
            raise UsageError(f"{option} requires --model: a model file has its weights.")


def _open(network: NetworkGroup, *, attention: bool) -> Network:
    from seaformer.evaluation.network import NetworkOptions, from_session, open_network

    options = NetworkOptions(
        size=image_size(network.size),
        dataset=network.dataset,
        mean=colours("--mean", network.mean),
        std=colours("--std", network.std),
    )
    if network.artifact:
        return open_network(network.artifact, options)
    return from_session(_eager(network, options, attention=attention), options)


def _eager(network: NetworkGroup, options: NetworkOptions, *, attention: bool) -> EagerSession:
    from seaformer.models import open_eager

    warn_seeded([network.model], network.checkpoint)
    return open_eager(
        network.model,
        network.checkpoint or None,
        size=options.size,
        classes=network.classes or None,
        ema=network.ema,
        attention=attention,
    )


def _options(pictures: PictureGroup, out: Path) -> PredictOptions:
    from seaformer.core.files import expanded
    from seaformer.data.detections import Thresholds
    from seaformer.evaluation.predict import PredictOptions

    return PredictOptions(
        out=out,
        truth=expanded(pictures.truth) if pictures.truth else None,
        reduce_zero=pictures.reduce_zero_label,
        attention=pictures.attention,
        alpha=pictures.alpha,
        thresholds=Thresholds(score=pictures.score),
        limit=pictures.limit,
        masks=not pictures.no_masks,
    )


def _report(done: Prediction, out: Path) -> None:
    """What was passed over, on stderr; exit code 2 where a file named by the user gave nothing."""
    for skip in done.skipped:
        notice(skip.reason)
    empty = [skip for skip in done.skipped if not skip.frames]
    if empty:
        notice(f"{len(empty)} of {len(empty) + len({f.source for f in done.frames})} were skipped.")
    notice(f"Pictures: {out}")
    if any(skip.named for skip in empty):
        raise typer.Exit(UsageError.exit_code)
