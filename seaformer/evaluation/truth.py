"""Ground truth beside predictions: the mask of an image, by its name and its data set's rule.

By the rule of some data sets label 0 is none of the classes and 1 is the first one. 255 is a
pixel that does not count.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seaformer.core.errors import UsageError
from seaformer.data.dataset import IGNORE
from seaformer.data.pictures import read_labels
from seaformer.data.sets import apply_rule
from seaformer.evaluation.inputs import Source, stem
from seaformer.evaluation.network import Network

Array = npt.NDArray[Any]


def read_truth(
    source: Source, folder: Path, size: tuple[int, int], network: Network, reduce: bool | None
) -> Array:
    """The labels of an image of ``size`` (height, width), 255 where none counts.

    ``reduce``: label 0 is none of the classes; ``None``: as the network's data set has it. Raises
    ``UsageError`` where the mask is missing, of another size, or has labels beyond the classes.
    """
    path = _path_of(source, folder)
    if path is None:
        raise UsageError(f"{folder} has no mask for {source.path.name}.")
    labels = read_labels(path).astype(np.int64)
    if labels.shape != size:
        own, expected = ("x".join(map(str, each)) for each in (labels.shape, size))
        raise UsageError(f"{path} must have the size of its image, {expected} (got {own}).")
    reduce = network.reduces_zero if reduce is None else reduce
    labels = apply_rule(labels, reduce_zero=reduce)
    _check(labels, path, network)
    return labels


def _path_of(source: Source, folder: Path) -> Path | None:
    """The mask of the image's name, or as Cityscapes names it; in its folder, or in none."""
    own = stem(Path(source.path.name))
    city = own.removesuffix("_leftImg8bit")
    stems = (own, f"{city}_gtFine_labelTrainIds", f"{own}_labelTrainIds")
    flat = [Path(f"{each}.png") for each in stems]
    paths = [*(Path(source.name).parent / path for path in flat), *flat]
    return next((folder / path for path in paths if (folder / path).is_file()), None)


def _check(labels: Array, path: Path, network: Network) -> None:
    classes = len(network.labels.names) if network.labels else 0
    largest = int(np.where(labels == IGNORE, 0, labels).max())
    if classes and largest >= classes:
        raise UsageError(
            f"{path} must have labels below {classes}, the classes of {network.title} "
            f"(got {largest}).",
            hint="With --reduce-zero-label label 0 of a mask is none of the classes.",
        )
