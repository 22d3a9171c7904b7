"""Videos through PyAV: their frames as 8-bit RGB, and frames as an MP4 file. No camera is opened.

PyAV is the extra ``video``; it is imported when the first video is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from seaformer.core.errors import SeaFormerError, UsageError
from seaformer.core.registry import missing

Pixels = npt.NDArray[np.uint8]
SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ogv", ".wmv")
_ENCODERS = ("libx264", "mpeg4")
_DEFAULT_RATE = Fraction(25)


class VideoReader:
    """The frames of the first video stream. After the last one ``end`` is empty, or states where
    and why the video ended before its own end."""

    def __init__(self, path: Path) -> None:
        self._av = _package()
        self._path = path
        self.end = ""
        self.frames = 0
        try:
            self._container = self._av.open(str(path), metadata_errors="replace")
        except (self._av.error.FFmpegError, OSError, ValueError) as error:
            raise UsageError(f"{path} is not a video that can be read: {_reason(error)}.") from (
                error
            )
        if not self._container.streams.video:
            self._container.close()
            raise UsageError(f"{path} must have a video stream.")
        self._stream = self._container.streams.video[0]
        self.rate = Fraction(self._stream.average_rate or _DEFAULT_RATE)

    def __iter__(self) -> Iterator[Pixels]:
        try:
            for frame in self._container.decode(self._stream):
                picture = frame.to_ndarray(format="rgb24")
                self.frames += 1
                yield np.ascontiguousarray(np.rot90(picture, _quarters(frame)))
        except (self._av.error.FFmpegError, OSError) as error:
            self.end = f"the video is damaged after frame {self.frames} ({_reason(error)})"
        finally:
            self._container.close()
        stated = int(self._stream.frames or 0)
        if not self.end and self.frames < stated:
            self.end = f"the video ended after frame {self.frames} of {stated}"
        if not self.end and not self.frames:
            self.end = "the video has no frames"


class VideoWriter:
    """An MP4 file; every frame has the size of the first one, with even sides."""

    def __init__(self, path: Path, rate: Fraction) -> None:
        self._av = _package()
        self._path = path
        self._rate = rate
        self._container = self._av.open(str(path), "w", format="mp4")
        self._stream: Any = None

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            with suppress(self._av.error.FFmpegError, OSError):
                self._container.close()

    def add(self, picture: Image.Image) -> None:
        """Append one frame; a picture of another size is cropped or filled with white."""
        if self._stream is None:
            self._open(picture.width, picture.height)
        size = (self._stream.width, self._stream.height)
        if picture.size != size:
            canvas = Image.new("RGB", size, (255, 255, 255))
            canvas.paste(picture)
            picture = canvas
        frame = self._av.VideoFrame.from_image(picture)
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what is left and the index at the end of the file."""
        if self._stream is not None:
            self._container.mux(self._stream.encode())
        self._container.close()

    def _open(self, width: int, height: int) -> None:
        encoder = next((e for e in _ENCODERS if e in self._av.codecs_available), "")
        if not encoder:
            raise SeaFormerError(f"This PyAV has none of the encoders {', '.join(_ENCODERS)}.")
        self._stream = self._container.add_stream(encoder, rate=self._rate)
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"


def is_video(path: Path) -> bool:
    """Whether a file is read as a video, by its suffix."""
    return path.suffix.lower() in SUFFIXES


def _package() -> Any:
    try:
        import av
        import av.error
    except ImportError as error:
        raise missing("av", "a video", "video") from error
    return av


def _quarters(frame: Any) -> int:
    """Quarter turns, counter-clockwise, that the file asks a player for."""
    return round(float(getattr(frame, "rotation", 0) or 0) / 90) % 4


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).rstrip(".")
