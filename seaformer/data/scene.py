"""Generated scenes: textures, shapes over each other and thin lines, each pixel with its class.

Every scene follows from its generator alone. Three backgrounds share an image, shapes are strewn
over it with depth, some pixels belong to no class. Shapes share their hues in pairs, so colour
alone is not enough, and a class's hue, size, angle and lighting vary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Random = np.random.Generator

OTHER = 0  # the label of pixels of no class; classes count from 1
BACKGROUNDS = ("sky", "grass", "water")
SHAPES = ("disc", "square", "triangle", "ring", "cross", "star", "crescent")
THIN = ("pole", "wire")
SCENE_CLASSES = (*BACKGROUNDS, *SHAPES, *THIN)
SCENE_COLOURS = (
    "6EB4FF", "3C9B46", "2850B4",
    "E63C3C", "F0962D", "F0D732", "AA2D6E", "8C5A28", "F5F5A0", "C878F0",
    "505050", "00DCC8",
)  # fmt: skip
_HUES = {  # pairs share one: disc and ring, square and cross, triangle and star
    "sky": 0.58, "grass": 0.32, "water": 0.62,
    "disc": 0.00, "ring": 0.02, "square": 0.09, "cross": 0.08,
    "triangle": 0.15, "star": 0.16, "crescent": 0.80, "pole": 0.70, "wire": 0.48,
    "hexagon": 0.90, "diamond": 0.42, "ellipse": 0.25,
}  # fmt: skip
_HUE_SPREAD = 0.025
_COMMON = np.array([0.30, 0.22, 0.16, 0.12, 0.09, 0.06, 0.05])  # of SHAPES: a class imbalance


@dataclass(frozen=True)
class Placed:
    """One object of a scene: its class (1 from up), and the box of what is seen of it."""

    label: int
    box: tuple[int, int, int, int]
    area: int


@dataclass(frozen=True, eq=False)
class Scene:
    """An image (H, W, 3) in 8-bit RGB, the class of each pixel (H, W), and its objects."""

    image: Pixels
    mask: Pixels
    objects: tuple[Placed, ...]


class Canvas:
    """An image in the making: floats from 0 to 1, classes, and which object each pixel shows."""

    def __init__(self, height: int, width: int, rng: Random) -> None:
        self.rng = rng
        self.y, self.x = np.mgrid[0:height, 0:width].astype(np.float64)
        self.image = np.zeros((height, width, 3))
        self.mask = np.zeros((height, width), dtype=np.uint8)
        self.owner = np.full((height, width), -1, dtype=np.int64)
        self.labels: list[int] = []

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.mask.shape[0], self.mask.shape[1]

    def paint(self, where: npt.NDArray[np.bool_], hue: float, label: int, grain: Floats) -> None:
        """Fill an area with a textured colour; it belongs to a class from now on."""
        saturation, value = self.rng.uniform(0.45, 0.95), self.rng.uniform(0.55, 0.95)
        colour = hsv(hue + self.rng.normal(0, _HUE_SPREAD), saturation, value)
        shade = (0.8 + 0.4 * grain)[..., None] * colour
        self.image[where] = shade[where]
        self.mask[where] = label
        self.owner[where] = len(self.labels)
        self.labels.append(label)

    def finish(self) -> Scene:
        """Light from one side, noise, 8 bits."""
        height, width = self.size
        angle = self.rng.uniform(0, 2 * math.pi)
        slope = (self.x / width - 0.5) * math.cos(angle) + (self.y / height - 0.5) * math.sin(angle)
        lit = self.image * (1 + 0.35 * slope)[..., None]
        lit = lit + self.rng.normal(0, 0.03, lit.shape)
        image = np.clip(np.rint(lit * 255), 0, 255).astype(np.uint8)
        return Scene(image, self.mask, tuple(self._objects()))

    def _objects(self) -> list[Placed]:
        placed = []
        for index, label in enumerate(self.labels):
            rows, columns = np.nonzero(self.owner == index)
            if len(rows) and label > len(BACKGROUNDS):
                box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
                left, top, right, bottom = map(int, box)
                placed.append(Placed(label, (left, top, right, bottom), len(rows)))
        return placed


def scene(height: int, width: int, rng: Random, objects: tuple[int, int] = (3, 8)) -> Scene:
    """A scene of all classes: between ``objects[0]`` and ``objects[1]`` shapes, and thin lines."""
    canvas = Canvas(height, width, rng)
    _backgrounds(canvas)
    count = int(rng.integers(objects[0], objects[1] + 1))
    for _ in range(count):
        name = SHAPES[int(rng.choice(len(SHAPES), p=_COMMON / _COMMON.sum()))]
        _shape(canvas, name, rng.uniform(0.10, 0.26), SCENE_CLASSES.index(name) + 1)
    if rng.random() < 0.4:
        _other(canvas)
    if rng.random() < 0.6:
        _pole(canvas, SCENE_CLASSES.index("pole") + 1)
    if rng.random() < 0.35:
        _wire(canvas, SCENE_CLASSES.index("wire") + 1)
    return canvas.finish()


def portrait(name: str, height: int, width: int, rng: Random) -> Scene:
    """A scene with one large object of a class, for classification."""
    canvas = Canvas(height, width, rng)
    _backgrounds(canvas)
    _other(canvas)
    _shape(canvas, name, rng.uniform(0.22, 0.38), len(SCENE_CLASSES), centre=(0.3, 0.7))
    return canvas.finish()


def hsv(hue: float, saturation: float, value: float) -> Floats:
    """One colour as red, green and blue from 0 to 1."""
    places = (np.array([5.0, 3.0, 1.0]) + hue * 6) % 6
    return value - value * saturation * np.clip(np.minimum(places, 4 - places), 0, 1)


def _grain(canvas: Canvas, cells: int) -> Floats:
    """Smooth noise from 0 to 1 with about ``cells`` blobs a side."""
    coarse = canvas.rng.random((cells + 2, cells + 2))
    rows = canvas.y / canvas.size[0] * cells
    columns = canvas.x / canvas.size[1] * cells
    i, j = rows.astype(np.int64), columns.astype(np.int64)
    a, b = rows - i, columns - j
    top = coarse[i, j] * (1 - b) + coarse[i, j + 1] * b
    bottom = coarse[i + 1, j] * (1 - b) + coarse[i + 1, j + 1] * b
    grain: Floats = top * (1 - a) + bottom * a
    return grain


def _waves(canvas: Canvas, length: float) -> Floats:
    """Stripes from 0 to 1 across a random direction, ``length`` pixels each."""
    angle = canvas.rng.uniform(-0.4, 0.4)
    phase = canvas.rng.uniform(0, 2 * math.pi)
    along = canvas.y * math.cos(angle) + canvas.x * math.sin(angle)
    waves: Floats = 0.5 + 0.5 * np.sin(along * 2 * math.pi / length + phase)
    return waves


def _backgrounds(canvas: Canvas) -> None:
    """Sky above a wavy horizon, grass below it, and water in a corner of the ground."""
    height, width = canvas.size
    rng = canvas.rng
    horizon = height * rng.uniform(0.3, 0.6)
    hills = (_grain(canvas, 4)[0] - 0.5) * height * 0.2
    above = canvas.y < horizon + hills[None, :]
    canvas.paint(above, _HUES["sky"], 1, 1 - canvas.y / height)
    canvas.paint(~above, _HUES["grass"], 2, _grain(canvas, max(height, width) // 5))
    if rng.random() < 0.6:
        shore = width * rng.uniform(0.3, 0.7) + (_grain(canvas, 5)[:, 0] - 0.5) * width * 0.3
        side = canvas.x < shore[:, None] if rng.random() < 0.5 else canvas.x > shore[:, None]
        canvas.paint(~above & side, _HUES["water"], 3, _waves(canvas, rng.uniform(5, 9)))


def _shape(
    canvas: Canvas,
    name: str,
    scale: float,
    label: int,
    centre: tuple[float, float] = (0.05, 0.95),
) -> None:
    height, width = canvas.size
    radius = max(scale * min(height, width), 4.0)
    cy = height * canvas.rng.uniform(*centre)
    cx = width * canvas.rng.uniform(*centre)
    angle = canvas.rng.uniform(0, 2 * math.pi)
    dx, dy = (canvas.x - cx) / radius, (canvas.y - cy) / radius
    u = dx * math.cos(angle) + dy * math.sin(angle)
    v = dy * math.cos(angle) - dx * math.sin(angle)
    grain = _grain(canvas, 12) if canvas.rng.random() < 0.5 else _waves(canvas, 7.0)
    canvas.paint(_inside(name, u, v), _HUES[name], label, grain)


def _inside(name: str, u: Floats, v: Floats) -> npt.NDArray[np.bool_]:
    """Where a shape of radius 1 is, in its own axes."""
    distance, angle = np.hypot(u, v), np.arctan2(v, u)
    tests: dict[str, Any] = {
        "disc": lambda: distance < 0.85,
        "ellipse": lambda: np.hypot(u, v * 2.2) < 1,
        "ring": lambda: (distance < 1) & (distance > 0.55),
        "square": lambda: np.maximum(abs(u), abs(v)) < 0.75,
        "diamond": lambda: abs(u) + 1.8 * abs(v) < 1,
        "cross": lambda: (np.minimum(abs(u), abs(v)) < 0.28) & (np.maximum(abs(u), abs(v)) < 1),
        "triangle": lambda: distance < _polygon(angle, 3),
        "hexagon": lambda: distance < _polygon(angle, 6),
        "star": lambda: distance < 0.66 + 0.36 * np.cos(5 * angle),
        "crescent": lambda: (distance < 1) & (np.hypot(u - 0.5, v) > 0.8),
    }
    inside: npt.NDArray[np.bool_] = tests[name]()
    return inside


def _polygon(angle: Floats, sides: int) -> Floats:
    """How far the edge of a regular polygon is from its centre, by angle."""
    sector = 2 * math.pi / sides
    edge: Floats = math.cos(sector / 2) / np.cos(angle % sector - sector / 2)
    return edge


def _other(canvas: Canvas) -> None:
    """A grey blob that belongs to no class."""
    height, width = canvas.size
    cy, cx = canvas.rng.random(2) * (height, width)
    radius = canvas.rng.uniform(0.06, 0.14) * min(height, width)
    blob = np.hypot(canvas.y - cy, canvas.x - cx) < radius * (0.6 + 0.8 * _grain(canvas, 6))
    shade = canvas.rng.uniform(0.3, 0.8) * (0.7 + 0.6 * _grain(canvas, 14))
    canvas.image[blob] = shade[blob, None]
    canvas.mask[blob] = OTHER
    canvas.owner[blob] = -1


def _pole(canvas: Canvas, label: int) -> None:
    """An upright line, two to four pixels wide."""
    height, width = canvas.size
    x = width * canvas.rng.uniform(0.05, 0.95)
    top, bottom = height * canvas.rng.uniform(0.05, 0.4), height * canvas.rng.uniform(0.6, 1.0)
    lean = canvas.rng.uniform(-0.05, 0.05)
    half = canvas.rng.uniform(1.0, 2.0)
    line = abs(canvas.x - x - (canvas.y - top) * lean) < half
    where = line & (canvas.y > top) & (canvas.y < bottom)
    canvas.paint(where, _HUES["pole"], label, _waves(canvas, 11.0))


def _wire(canvas: Canvas, label: int) -> None:
    """A sagging line across the image, two pixels wide."""
    height, width = canvas.size
    y, sag = height * canvas.rng.uniform(0.05, 0.4), height * canvas.rng.uniform(0.02, 0.15)
    along = canvas.x / width
    curve = y + 4 * sag * along * (1 - along) + canvas.rng.uniform(-0.2, 0.2) * height * along
    where = abs(canvas.y - curve) < 1.2
    canvas.paint(where, _HUES["wire"], label, np.full(canvas.size, 0.5))
