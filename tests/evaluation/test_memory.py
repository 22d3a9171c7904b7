"""What an evaluation holds does not grow with the set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from seaformer.data.synth import synthesise

_PEAK = """
import resource, sys
import numpy as np
from seaformer.data.sets import open_set
from seaformer.evaluation.modes import Mode
from seaformer.evaluation.predictor import Predictor
from seaformer.evaluation.run import evaluate_set

data = open_set(sys.argv[1], "train")
one = Predictor("sky", "segmentation", "argmax", (96, 96), lambda image: image,
                lambda image: np.zeros((1, 96, 96), np.int64))
(row,) = evaluate_set(data, [one], [Mode()])
print(row.images, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def grown(source: Path, folder: Path, images: int) -> Path:
    """A set of so many images, which are links to those of another."""
    for kind in ("images", "annotations"):
        files = sorted((source / kind / "training").iterdir())
        (folder / kind / "training").mkdir(parents=True)
        for number in range(images):
            file = files[number % len(files)]
            os.link(file, folder / kind / "training" / f"{number:05d}{file.suffix}")
    os.link(source / "classes.json", folder / "classes.json")
    return folder


def peak_kb(folder: Path) -> tuple[int, int]:
    argv = [sys.executable, "-c", _PEAK, str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)
    images, peak = done.stdout.split()
    return int(images), int(peak)


def test_a_set_ten_times_as_large_needs_the_same_memory(tmp_path: Path) -> None:
    source = synthesise(tmp_path / "set", 10, seed=1).folder
    few, small = peak_kb(grown(source, tmp_path / "few", 100))
    many, large = peak_kb(grown(source, tmp_path / "many", 1000))
    assert (few, many) == (100, 1000)
    # 900 images and masks of at least 96x96 would be 33 MB.
    assert large - small < 12_000, (small, large)
