"""Pictures of answers: classes in their colours over the image, boxes, heat, side by side.

A legend lists classes by name, not by colour: two classes of a data set may share a colour.
"""

from __future__ import annotations

import colorsys
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from seaformer.core.preprocessing import Labels
from seaformer.evaluation.answers import Boxes, ClassShare, Ranking, name_of

Pixels = npt.NDArray[np.uint8]
Array = npt.NDArray[Any]
Colour = tuple[int, int, int]

_PAPER, _INK = (255, 255, 255), (20, 20, 20)
_SMALLEST_TEXT, _LARGEST_TEXT, _TEXT_SHARE = 11, 26, 28  # pixels; the image's height over
_LONGEST_NAME = 24
_GOLDEN = 0.618033988749895
_LIGHT = 150.0


@dataclass(frozen=True, eq=False)
class Panel:
    """One picture (H, W, 3) with its caption above it."""

    caption: str
    picture: Pixels


@dataclass(frozen=True)
class Entry:
    """A line of a legend: a colour, or none, and its text."""

    text: str
    colour: Colour | None = None


def colour_of(labels: Labels | None, label: int) -> Colour:
    """The colour that the data set gives a class, else one that its neighbours do not have."""
    if labels is not None and label < len(labels.palette):
        text = labels.palette[label]
        try:
            return int(text[0:2], 16), int(text[2:4], 16), int(text[4:6], 16)
        except ValueError:
            pass  # a palette of a file from anywhere; the colour below is as good
    hue, level = (label * _GOLDEN) % 1, 0.95 - 0.15 * (label % 3)
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, level)
    return int(red * 255), int(green * 255), int(blue * 255)


def painted(
    image: Pixels, mask: Array, labels: Labels | None, alpha: float, ignore: int | None = None
) -> Pixels:
    """The image with each class in its colour, ``alpha`` of it; ``ignore`` stays as it is."""
    table = np.array([colour_of(labels, i) for i in range(int(mask.max()) + 1)], dtype=np.float32)
    mixed = image * np.float32(1 - alpha) + table[mask] * np.float32(alpha)
    result = np.rint(mixed).astype(np.uint8)
    if ignore is not None:
        result[mask == ignore] = image[mask == ignore]
    return result


def heated(image: Pixels, heat: Array, alpha: float = 0.6) -> Pixels:
    """The image under a map (h, w) of any range: from blue, the least, to red, the most."""
    low, high = float(heat.min()), float(heat.max())
    scaled = (heat - low) / (high - low) if high > low else np.zeros_like(heat)
    size = (image.shape[1], image.shape[0])
    grown = Image.fromarray(scaled.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    warm = np.clip(np.asarray(grown), 0, 1)[..., None]
    centres = np.array([0.75, 0.5, 0.25], dtype=np.float32)  # red, green, blue
    colours = np.clip(1.5 - np.abs(warm - centres) * 4, 0, 1) * 255
    mixed: Pixels = np.rint(image * np.float32(1 - alpha) + colours * alpha).astype(np.uint8)
    return mixed


def boxed(image: Pixels, answer: Boxes, labels: Labels | None) -> Pixels:
    """The image with a rectangle, a name and a score for each box."""
    canvas = Image.fromarray(image)
    draw = ImageDraw.Draw(canvas)
    size = _text_size(image.shape[0])
    line = max(1, round(size / 7))
    for box in reversed(answer.boxes):  # the best one on top
        colour = colour_of(labels, box.label)
        corners = _inside((box.x1, box.y1, box.x2, box.y2), canvas.size)
        draw.rectangle(corners, outline=colour, width=line)
        text = f"{_short(name_of(labels, box.label))} {box.score:.2f}"
        _label(draw, (corners[0], corners[1]), text, colour, size)
    return np.asarray(canvas)


def legend_of_shares(classes: Sequence[ClassShare], labels: Labels | None) -> tuple[Entry, ...]:
    """The classes of a map with the share of each."""
    return tuple(
        Entry(f"{_short(each.name)} {each.share:.1%}", colour_of(labels, each.label))
        for each in classes
    )


def legend_of_ranking(answer: Ranking, labels: Labels | None) -> tuple[Entry, ...]:
    """The best classes with their probabilities."""
    entries = []
    for score in answer.scores:
        rate = "" if score.probability is None else f" {score.probability:.1%}"
        entries.append(Entry(f"{_short(name_of(labels, score.label))}{rate}"))
    return tuple(entries)


def sheet(panels: Sequence[Panel], legend: Sequence[Entry] = (), lines: int = 0) -> Image.Image:
    """Panels in a row with the legend on the right.

    ``lines`` is how many lines the legend has room for, whatever it holds (frames of a video have
    one size); 0: as many as it needs, up to 24.
    """
    height, width = panels[0].picture.shape[:2]
    size = _text_size(height)
    pitch, margin = round(size * 1.5), round(size * 0.5)
    rows = lines or min(len(legend), 24)
    side = round(size * 0.62 * (_LONGEST_NAME + 10)) if legend or lines else 0
    tall = max(height + pitch, pitch * (rows + 1))
    canvas = Image.new("RGB", ((width + margin) * len(panels) + side, tall), _PAPER)
    draw = ImageDraw.Draw(canvas)
    for place, panel in enumerate(panels):
        left = place * (width + margin)
        canvas.paste(Image.fromarray(panel.picture), (left, pitch))
        caption = _fitted(draw, panel.caption, width, size)
        draw.text((left + 2, pitch / 2), caption, _INK, _font(size), anchor="lm")
    shown = list(legend[:rows])
    if len(legend) > rows:
        shown[-1] = Entry(f"and {len(legend) - rows + 1} more")
    for place, entry in enumerate(shown):
        top = pitch * (place + 1)
        left = (width + margin) * len(panels)
        if entry.colour is not None:
            box = (left, top + 2, left + size, top + 2 + size)
            draw.rectangle(box, fill=entry.colour, outline=_INK)
        draw.text(
            (left + size + margin, top + 2 + size / 2), entry.text, _INK, _font(size), anchor="lm"
        )
    return canvas


def _inside(
    box: tuple[float, float, float, float], size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """A box with its corners in order and within the image."""
    width, height = size
    x1, x2 = (min(max(x, 0), width - 1) for x in (box[0], box[2]))
    y1, y2 = (min(max(y, 0), height - 1) for y in (box[1], box[3]))
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _label(
    draw: ImageDraw.ImageDraw, corner: tuple[float, float], text: str, colour: Colour, size: int
) -> None:
    x, y = corner
    y = max(0.0, y - size - 3)
    left, top, right, bottom = draw.textbbox((x + 2, y), text, font=_font(size))
    draw.rectangle((left - 2, top - 1, right + 2, bottom + 1), fill=colour)
    light = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > _LIGHT
    draw.text((x + 2, y), text, _INK if light else _PAPER, _font(size))


def _short(name: str) -> str:
    clean = "".join(character if character.isprintable() else "?" for character in name)
    return clean if len(clean) <= _LONGEST_NAME else f"{clean[: _LONGEST_NAME - 3]}..."


def _fitted(draw: ImageDraw.ImageDraw, text: str, width: int, size: int) -> str:
    text = "".join(character if character.isprintable() else "?" for character in text)
    while len(text) > 1 and draw.textlength(text, _font(size)) > width - 4:
        text = text[:-1]
    return text


def _text_size(height: int) -> int:
    return min(max(height // _TEXT_SHARE, _SMALLEST_TEXT), _LARGEST_TEXT)


@functools.cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size)
