"""What is looked at before the first iteration, so that a run does not end hours later for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from seaformer.core.checkpoint import LoadedCheckpoint
from seaformer.core.errors import SeaFormerError
from seaformer.core.files import free_bytes, size_bytes
from seaformer.data.check import spaced
from seaformer.data.dataset import SEGMENTATION, DataSet
from seaformer.data.sets import read
from seaformer.models import zoo_entry
from seaformer.training.checkpoints import RunFolder

MASKS = 64  # that are read, spread over the set; all of them: ``seaformer data check``
# Weights in the state and beside it, two moments of the optimiser, averaged weights twice; and the
# files of before, which stay until the new ones are written.
_COPIES, _FLOAT = 2 * 6, 4


def check(data: DataSet, folder: Path, model: str) -> None:
    """Labels of some masks, and room for two checkpoints.

    Raises ``DataError`` for a mask that cannot be trained on, ``SeaFormerError`` for a full disk.
    """
    if data.task == SEGMENTATION:
        for sample in spaced(data.samples, MASKS):
            read(data, sample)
    needed, free = zoo_entry(model).params * _FLOAT * _COPIES, free_bytes(folder) + _held(folder)
    if free < needed:
        raise SeaFormerError(
            f"{folder} must have room for two checkpoints, {needed / 1e6:,.0f} MB "
            f"(got {free / 1e6:,.0f} MB).",
            hint="Free some space or name another folder with --out.",
        )


def untaken(loaded: LoadedCheckpoint | None) -> Iterator[str]:
    """A sentence where a file of weights fills a part of the network alone."""
    if loaded and loaded.seeded:
        named = ", ".join(f"{name} ({count})" for name, count in list(loaded.seeded.items())[:4])
        others = ", ..." if len(loaded.seeded) > 4 else ""
        yield f"Not in {loaded.file}, so begun with the seed: {named}{others} (keys of the model)."


def _held(folder: Path) -> int:
    """Bytes of the checkpoint that is there already, of a run that continues."""
    run = RunFolder(folder)
    return sum(size_bytes(path) for path in (run.state, run.weights) if path.exists())
