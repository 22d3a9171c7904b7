"""What networks answer for images and videos, as pictures, masks and records.

    network = open_network(Path("seaformer_t.ade20k__512x512__fp32.onnx"))
    done = predict(list_sources([Path("photos")], out), network, PredictOptions(out=out))

An image that cannot be read is reported and passed over; a video that ends early keeps the frames
that were done. Files appear whole, under their names in ``out``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from seaformer.core import files
from seaformer.core.errors import UsageError
from seaformer.data.dataset import IGNORE
from seaformer.data.detections import Thresholds
from seaformer.data.pictures import read_picture
from seaformer.evaluation.answers import (
    Answer,
    Boxes,
    ClassShare,
    Mask,
    Ranking,
    as_image,
    read_answer,
    shares,
)
from seaformer.evaluation.inputs import Source, target
from seaformer.evaluation.network import Network
from seaformer.evaluation.overlay import (
    Panel,
    boxed,
    heated,
    legend_of_ranking,
    legend_of_shares,
    painted,
    sheet,
)
from seaformer.evaluation.prediction import Frame, Prediction, Skip, Times
from seaformer.evaluation.truth import read_truth
from seaformer.evaluation.video import VideoReader, VideoWriter

Pixels = npt.NDArray[np.uint8]
Array = npt.NDArray[Any]
Progress = Callable[[str], None]
SHOWN = Thresholds(score=0.3)
_VIDEO_LINES = 14  # of a legend, in every frame


@dataclass(frozen=True)
class PredictOptions:
    """What is made, and where.

    Args:
        out: the folder of outputs.
        truth: a folder with the masks of the images, beside which predictions are shown.
        reduce_zero: label 0 of those masks is none of the classes; ``None``: as the data set has.
        beside: a second network, shown beside the first.
        attention: a picture of the last attention block.
        alpha: how much of a class' colour covers the image, 0 to 1.
        thresholds: which boxes of a detector are shown.
        limit: of a video, the frames that are read; 0: all.
        masks: write the label of each pixel.
    """

    out: Path
    truth: Path | None = None
    reduce_zero: bool | None = None
    beside: Network | None = None
    attention: bool = False
    alpha: float = 0.5
    thresholds: Thresholds = SHOWN
    limit: int = 0
    masks: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise UsageError(f"--alpha must be between 0 and 1 (got {self.alpha}).")
        if self.limit < 0:
            raise UsageError(f"--limit must be at least 0 (got {self.limit}).")
        if self.truth is not None and not self.truth.is_dir():
            raise UsageError(f"--truth {self.truth} is not a folder.")


@dataclass(frozen=True, eq=False)
class _Seen:
    """An answer, and the pictures that show it."""

    answer: Answer
    classes: tuple[ClassShare, ...]
    overlay: Image.Image
    attention: Image.Image | None
    agreement: float | None
    accuracy: float | None


@dataclass
class _Watch:
    """Milliseconds since the last look."""

    last: float = field(default_factory=time.perf_counter)

    def lap(self) -> float:
        now = time.perf_counter()
        taken, self.last = (now - self.last) * 1e3, now
        return taken


def predict(
    sources: Sequence[Source],
    network: Network,
    options: PredictOptions,
    progress: Progress | None = None,
) -> Prediction:
    """Answers for every source, written to ``options.out``.

    Raises ``UsageError`` where no source gave anything, and for a network whose output is not one
    that can be shown; the error of a folder that cannot be written to.
    """
    step = progress or (lambda _: None)
    frames: list[Frame] = []
    skipped: list[Skip] = []
    with files.without_empty(options.out), ExitStack() as stack:
        scratch = stack.enter_context(files.staging(options.out))
        for place, source in enumerate(sources):
            step(f"{place + 1} of {len(sources)}: {source.path.name}")
            worker = _Worker(source, network, options, scratch, step)
            frames += worker.frames()
            skipped += worker.skips
    if not frames and skipped:
        raise UsageError(f"Nothing was predicted: {skipped[0].reason}")
    return Prediction(network.title, tuple(frames), tuple(skipped))


class _Worker:
    """One source."""

    def __init__(
        self,
        source: Source,
        network: Network,
        options: PredictOptions,
        scratch: Path,
        progress: Progress,
    ) -> None:
        self._source = source
        self._network = network
        self._options = options
        self._scratch = scratch
        self._progress = progress
        self.skips: list[Skip] = []

    def frames(self) -> Iterator[Frame]:
        """Each frame, once its files are written."""
        if self._source.video:
            yield from self._video()
            return
        watch = _Watch()
        try:
            image = read_picture(self._source.path)
            truth = self._truth(image)
        except UsageError as error:
            self._skip(error.message)
            return
        yield self._frame(image, truth, watch, number=None)

    def _video(self) -> Iterator[Frame]:
        try:
            reader = VideoReader(self._source.path)
        except UsageError as error:
            self._skip(error.message)
            return
        clip = self._scratch / "clip.mp4"
        final = target(self._options.out, self._source.name, ".overlay.mp4")
        done = 0
        with files.os_errors(str(final)), VideoWriter(clip, reader.rate) as writer:
            watch = _Watch()
            for image in reader:
                done += 1
                yield self._frame(image, None, watch, number=done, writer=writer, clip=final)
                if done == self._options.limit:
                    break
                self._progress(f"{self._source.path.name}: frame {done + 1}")
                watch = _Watch()
        if done:
            self._publish(clip, final)
        if reader.end:
            self._skip(f"{self._source.path}: {reader.end}.", done)

    def _frame(
        self,
        image: Pixels,
        truth: Array | None,
        watch: _Watch,
        *,
        number: int | None,
        writer: VideoWriter | None = None,
        clip: Path | None = None,
    ) -> Frame:
        read_ms = watch.lap()
        tensor = self._network.tensor(image)
        prepare_ms = watch.lap()
        outputs = self._network.run(tensor)
        network_ms = watch.lap()
        answer = read_answer(
            self._network, outputs, (image.shape[0], image.shape[1]), self._options.thresholds
        )
        answer_ms = watch.lap()
        seen = self._look(image, answer, truth, video=writer is not None)
        draw_ms = watch.lap()
        written = self._write(seen, number, writer, clip)
        times = Times(read_ms, prepare_ms, network_ms, answer_ms, draw_ms, watch.lap())
        return self._record(image, seen, times, number, written)

    def _look(self, image: Pixels, answer: Answer, truth: Array | None, *, video: bool) -> _Seen:
        options, network = self._options, self._network
        panels = [self._panel(image, answer, network)]
        agreement = accuracy = None
        if options.beside is not None:
            other = _answer_of(options.beside, image, options.thresholds)
            panels.append(self._panel(image, other, options.beside))
            if isinstance(answer, Mask) and isinstance(other, Mask):
                agreement = float((answer.labels == other.labels).mean())
        if truth is not None and isinstance(answer, Mask):
            shown = painted(image, truth, network.labels, options.alpha, ignore=IGNORE)
            panels.append(Panel("ground truth", shown))
            counted = truth != IGNORE
            right = (answer.labels == truth)[counted]
            accuracy = float(right.mean()) if right.size else None
        if len(panels) > 1:
            panels.insert(0, Panel("image", image))
        classes = shares(answer.labels, network.labels) if isinstance(answer, Mask) else ()
        legend = legend_of_shares(classes, network.labels)
        if isinstance(answer, Ranking):
            legend = legend_of_ranking(answer, network.labels)
        overlay = sheet(panels, legend, _VIDEO_LINES if video and legend else 0)
        return _Seen(answer, classes, overlay, self._attention(image), agreement, accuracy)

    def _truth(self, image: Pixels) -> Array | None:
        options = self._options
        if options.truth is None:
            return None
        size = (image.shape[0], image.shape[1])
        return read_truth(self._source, options.truth, size, self._network, options.reduce_zero)

    def _panel(self, image: Pixels, answer: Answer, network: Network) -> Panel:
        if isinstance(answer, Mask):
            shown = painted(image, answer.labels, network.labels, self._options.alpha)
        elif isinstance(answer, Boxes):
            shown = boxed(image, answer, network.labels)
        else:
            shown = image
        return Panel(network.title, shown)

    def _attention(self, image: Pixels) -> Image.Image | None:
        if not self._options.attention or self._network.heat is None:
            return None
        heat = self._network.heat()
        if heat is None:
            return None
        panels = [Panel("image", image), Panel("last attention block", heated(image, heat))]
        return sheet(panels)

    def _write(
        self, seen: _Seen, number: int | None, writer: VideoWriter | None, clip: Path | None
    ) -> tuple[str, ...]:
        name, written = self._source.name, []
        if number is not None:
            name = f"{name}.frames/{number:06d}"
        if writer is not None and clip is not None:
            writer.add(seen.overlay)
            written.append(str(clip))
        else:
            written.append(self._save(seen.overlay, name, ".overlay.png"))
        if self._options.masks and isinstance(seen.answer, Mask):
            written.append(self._save(as_image(seen.answer.labels), name, ".mask.png"))
        if seen.attention is not None:
            written.append(self._save(seen.attention, name, ".attention.png"))
        return tuple(written)

    def _save(self, picture: Image.Image, name: str, suffix: str) -> str:
        path = target(self._options.out, name, suffix)
        scratch = self._scratch / "picture.png"
        with files.os_errors(str(path)):
            picture.save(scratch)
            self._publish(scratch, path)
        return str(path)

    def _publish(self, scratch: Path, path: Path) -> None:
        with files.os_errors(str(path)):
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch.replace(path)  # unlike ``files.publish``, which would delete a folder there

    def _record(
        self,
        image: Pixels,
        seen: _Seen,
        times: Times,
        number: int | None,
        written: tuple[str, ...],
    ) -> Frame:
        answer = seen.answer
        mask = answer if isinstance(answer, Mask) else None
        return Frame(
            source=str(self._source.path),
            number=number,
            height=image.shape[0],
            width=image.shape[1],
            times=times,
            classes=seen.classes,
            top=answer.scores if isinstance(answer, Ranking) else (),
            boxes=answer.boxes if isinstance(answer, Boxes) else (),
            agreement=seen.agreement,
            accuracy=seen.accuracy,
            tail=mask.by if mask else "",
            survivors=mask.survivors if mask else 0.0,
            files=written,
        )

    def _skip(self, reason: str, frames: int = 0) -> None:
        self.skips.append(Skip(str(self._source.path), reason, self._source.named, frames))


def _answer_of(network: Network, image: Pixels, thresholds: Thresholds) -> Answer:
    outputs = network.run(network.tensor(image))
    return read_answer(network, outputs, (image.shape[0], image.shape[1]), thresholds)
