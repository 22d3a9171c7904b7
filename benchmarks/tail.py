"""Upsampling and argmax of one map of logits: the compiled tail beside others, in one run.

    python benchmarks/tail.py [--classes 150] [--cells 64] [--side 512] [--rounds 7]

Prints the median milliseconds of the processor of each on one thread, and its ratio to the compiled
tail of the same run. PP-MobileSeg's shortcut, which is not exact, is beside them with the pixels it
gets right. Logits are noise, the worst case, and smooth fields, in which few classes can win in a
cell.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from seaformer.runtime.tail import argmax

Array = npt.NDArray[Any]


def fields(classes: int, cells: int) -> Iterator[tuple[str, Array]]:
    """Noise, and noise of an eighth of the resolution, resized."""
    rng = np.random.default_rng(0)
    yield "noise", rng.standard_normal((classes, cells, cells)).astype(np.float32)
    coarse = torch.from_numpy(rng.standard_normal((1, classes, cells // 8, cells // 8))).float()
    smooth = torch.nn.functional.interpolate(coarse, (cells, cells), mode="bicubic")
    yield "smooth", smooth[0].numpy() * 5


def milliseconds(work: Callable[[], object], rounds: int) -> list[float]:
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        taken.append((time.process_time() - start) * 1e3)
    return taken


def by_torch(logits: Array, side: int) -> Array:
    wide = torch.nn.functional.interpolate(
        torch.from_numpy(logits)[None], (side, side), mode="bilinear", align_corners=False
    )
    return wide.argmax(1).numpy()


def by_classes_seen(logits: Array, side: int) -> Array:
    """PP-MobileSeg's shortcut: only classes that win somewhere in the small map. Not exact."""
    seen = np.unique(logits.argmax(0))
    wide: Array = seen[by_torch(logits[seen], side)]
    return wide


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("classes", 150), ("cells", 64), ("side", 512), ("rounds", 7)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    size = (asked.side, asked.side)
    for title, logits in fields(asked.classes, asked.cells):
        first = argmax(logits, size)
        same = float((by_torch(logits, asked.side)[0] == first.classes).mean())
        print(
            f"{title}: {first.survivors:.1f} of {asked.classes} classes interpolated in a cell; "
            f"{same:.4%} of the pixels as torch"
        )
        near = float((by_classes_seen(logits, asked.side)[0] == first.classes).mean())
        seen = len(np.unique(logits.argmax(0)))
        print(f"  shortcut: {seen} classes seen; {near:.4%} of the pixels as the exact map")
        ways: dict[str, Callable[[], object]] = {
            first.by: partial(argmax, logits, size),
            "numpy": partial(argmax, logits, size, library=False),
            "torch": partial(by_torch, logits, asked.side),
            "shortcut": partial(by_classes_seen, logits, asked.side),
        }
        medians = {
            name: statistics.median(milliseconds(work, asked.rounds)) for name, work in ways.items()
        }
        for name, median in medians.items():
            print(f"  {name:8} {median:8.1f} ms  {median / medians[first.by]:6.1f}x")


if __name__ == "__main__":
    main()
