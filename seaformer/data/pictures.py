"""A picture of any size and mode as 8-bit RGB, as a viewer shows it.

Turned as its EXIF orientation states; grey, palette and CMYK as RGB; transparent parts on white;
16-bit values by their upper byte. Of an animation the first frame.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from seaformer.core.errors import UsageError
from seaformer.core.files import open_regular

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.uint16]
LARGEST_PIXELS = 1 << 27  # 134 million: 400 MB in RGB
_DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_OPAQUE = ("RGB", "L", "1", "CMYK", "YCbCr", "HSV", "P")
_WIDE = 65535
_DAMAGES = (OSError, UnidentifiedImageError, ValueError, SyntaxError, OverflowError, EOFError)


def read_picture(path: Path) -> Pixels:
    """(H, W, 3) 8-bit RGB. Raises ``UsageError`` for what is not an image that can be shown."""
    return np.asarray(_opened(path, shown=True), dtype=np.uint8)


def read_labels(path: Path) -> Labels:
    """The label of each pixel, (H, W): values of an 8- or 16-bit grey or palette image as they are.

    Raises ``UsageError`` for an image in colour.
    """
    image = _opened(path, shown=False)
    if image.mode not in ("L", "P", *_DEEP):
        raise UsageError(
            f"{path} must hold a label for each pixel (got an image of mode {image.mode}).",
            hint="Labels are an 8- or 16-bit grey or palette PNG.",
        )
    values = np.asarray(image)
    if values.min() < 0 or values.max() > _WIDE:
        raise UsageError(f"{path} must hold labels from 0 to {_WIDE} (got {values.max()}).")
    return values.astype(np.uint16)


def _opened(path: Path, *, shown: bool) -> Image.Image:
    try:
        with open_regular(path) as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged metadata, and of sizes checked here
            with Image.open(stream) as image:
                _check_size(image, path)
                image.load()
                return _shown(image, path) if shown else image.copy()
    except Image.DecompressionBombError as error:
        raise UsageError(f"{path} must have at most {LARGEST_PIXELS} pixels.") from error
    except UnidentifiedImageError as error:
        raise UsageError(f"{path} is not an image that can be read.") from error
    except _DAMAGES as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(f"{path} cannot be read as an image: {reason}.") from error


def _check_size(image: Image.Image, path: Path) -> None:
    if image.width * image.height > LARGEST_PIXELS:
        size = f"{image.width}x{image.height}"
        raise UsageError(f"{path} must have at most {LARGEST_PIXELS} pixels (got {size}).")


def _shown(image: Image.Image, path: Path) -> Image.Image:
    # The rotation of a picture without any is what was given, not a copy of it.
    turned = ImageOps.exif_transpose(image)
    if turned.mode in _DEEP:
        return _from_deep(turned, path).convert("RGB")
    if turned.has_transparency_data:
        return _on_white(turned)
    if turned.mode not in _OPAQUE:
        raise UsageError(
            f"{path} must be an image in grey or in colour (got mode {turned.mode}).",
            hint="Convert it to 8-bit RGB.",
        )
    return turned.convert("RGB")


def _from_deep(image: Image.Image, path: Path) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > _WIDE:
        raise UsageError(f"{path} must have values from 0 to {_WIDE} (got {values.max()}).")
    return Image.fromarray((values >> 8).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, layer).convert("RGB")
