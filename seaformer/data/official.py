"""How models are officially tested on their data sets: boxes, steps and windows, a row each.

The one home of these rules: ``eval`` follows them, and a manifest states them. Rows that begin with
a star are for models whose own recipe states nothing: they are tested as SeaFormer is.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class OfficialTest:
    """``box`` is what images are fitted into, (long, short), ``None``: they keep their size.

    ``step``: each side goes up to a multiple of it. ``window`` and ``stride`` are in pixels, 0 for
    whole images. ``own``: the model's own recipe states it.
    """

    box: tuple[int, int] | None
    step: int
    window: int
    stride: int
    own: bool

    def __str__(self) -> str:
        """The rule in words; empty where no recipe of the model states it."""
        if not self.own or self.box is None:
            return ""
        size = "x".join(map(str, self.box))
        text = f"bilinear, keeping the aspect ratio, within {size} (longer side, shorter side)"
        if self.step > 1:
            text += f", then each side up to a multiple of {self.step}"
        if self.window:
            text += f", in windows of {self.window}x{self.window} every {self.stride} pixels"
        return text


def official_test(model: str, dataset: str) -> OfficialTest:
    """The first row that fits. On a set that no row names images keep their size, up to 32s."""
    for name, of, test in _tests():
        if fnmatchcase(model, name) and fnmatchcase(dataset, of):
            return test
    raise AssertionError("the last row is of every model and data set")


@cache
def _tests() -> tuple[tuple[str, str, OfficialTest], ...]:
    source = Path(__file__).with_suffix(".csv")
    rows = csv.DictReader(source.read_text(encoding="utf-8").splitlines())
    return tuple((row["model"], row["dataset"], _test(row)) for row in rows)


def _test(row: dict[str, str]) -> OfficialTest:
    long, _, short = row["box"].partition("x")
    box = (int(long), int(short)) if long else None
    return OfficialTest(
        box,
        step=int(row["step"]),
        window=int(row["window"]),
        stride=int(row["stride"]),
        own=not row["model"].startswith("*"),
    )
