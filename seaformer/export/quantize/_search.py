"""Sensitivity search: which modules stay in float, so that few positions change their class.

Every candidate is measured alone: the fake-quantised model with that one in float, beside the float
model, on a few calibration images or as many of a data set. Then they are added, the one of the
largest effect first, each where it still raises the signal-to-noise ratio, until the loss is small
enough: of the classes, or by all images of the data set of its metric. How a model with some
modules in float is made, and run, is the quantizer's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from seaformer.core.errors import ParityError, UsageError
from seaformer.core.quantization import (
    AUTO,
    MAX_DROP,
    SAME_CLASS,
    SEARCHED,
    Candidate,
    Keep,
    Score,
    Sensitivity,
)
from seaformer.export.quantize._kept import is_kept
from seaformer.export.quantize._observers import Array
from seaformer.export.quantize._proof import sqnr_db
from seaformer.export.quantize._task import TaskData

IMAGES = SEARCHED
# A module with more operators in integers is searched by its children: this part of all, and never
# so few that the tensors between two children are most of what there is.
_LARGE, _FEW = 1 / 12, 4
_LEAST_GAIN_DB = 0.1
_CLASSES_AXIS = 1

Answers = Callable[[tuple[str, ...], int], Sequence[Array]]


@dataclass(frozen=True)
class Network:
    """What is searched: ``modules`` has the module of each operator in integers.

    ``answers`` gives the first output of the fake-quantised model for the first images, as many as
    asked for, with the modules named in float; ``expected`` are the float model's for all of them.
    """

    modules: tuple[str, ...]
    answers: Answers
    expected: Sequence[Array]
    task: TaskData | None = None

    def score(self, kept: tuple[str, ...]) -> Score:
        """Beside the float model, on every image."""
        seen = self.answers(kept, len(self.expected))
        compared = score(seen, self.expected)
        if self.task is None:
            return compared
        lost = self.task.points(self.expected) - self.task.points(seen)
        return replace(compared, lost=lost)

    def quick_score(self, kept: tuple[str, ...]) -> Score:
        """Beside the float model on a few images, too few for a metric."""
        if not self.has_more:
            return self.score(kept)
        few = self.expected[:IMAGES]
        return score(self.answers(kept, len(few)), few)

    @property
    def has_more(self) -> bool:
        """Whether there are more images than one candidate is measured on."""
        return len(self.expected) > IMAGES

    @property
    def metric(self) -> str:
        """What points are of."""
        return SAME_CLASS if self.task is None else self.task.metric


def score(seen: Sequence[Array], expected: Sequence[Array]) -> Score:
    """First outputs beside the float model's, over all images; class maps by their one-hot form."""
    if np.issubdtype(expected[0].dtype, np.integer):
        same = float(np.mean([np.mean(a == b) for a, b in zip(seen, expected, strict=True)]))
        ratio = math.inf if same == 1 else -10 * math.log10(2 * (1 - same))
    else:
        pairs = zip(seen, expected, strict=True)
        classes = [(a.argmax(_CLASSES_AXIS), b.argmax(_CLASSES_AXIS)) for a, b in pairs]
        same = float(np.mean([np.mean(a == b) for a, b in classes]))
        ratio = sqnr_db(np.stack(seen), np.stack(expected))
    return Score(ratio if math.isfinite(ratio) else None, 100 * same)


def candidates(modules: Sequence[str], kept: Sequence[str]) -> tuple[str, ...]:
    """Modules that a search tries: children of the network; of large ones their children.

    ``modules`` has one entry for each operator in integers.
    """
    paths = [path for path in modules if path and not is_kept(path, kept)]
    return tuple(_below("", paths, max(_FEW, _LARGE * len(paths))))


def _below(parent: str, paths: Sequence[str], large: float) -> list[str]:
    """Children of a module, or what is below those that hold more than ``large`` operators."""
    start = len(parent) + 1 if parent else 0
    inside = [path for path in paths if not parent or path.startswith(f"{parent}.")]
    names = dict.fromkeys(path[: _end(path, start)] for path in inside)
    chosen = []
    for name in names:
        held = [path for path in inside if is_kept(path, (name,))]
        deeper = [path for path in held if path != name]
        splits = len(held) > large and 2 * len(deeper) >= len(held)
        chosen += _below(name, deeper, large) if splits else [name]
    return chosen


def _end(path: str, start: int) -> int:
    dot = path.find(".", start)
    return len(path) if dot < 0 else dot


def search(network: Network, keep: Keep, step: Callable[[str], None]) -> Sensitivity:
    """The modules to keep in float besides those named.

    Raises ``UsageError`` where no operator is in a module, and ``ParityError`` where more than the
    limit stated is lost with all that helps.
    """
    names = candidates(network.modules, keep.names)
    if not names:
        raise UsageError(
            f"--int8-keep {AUTO} requires operators inside of modules: this graph has none.",
            hint="Export the module that the graph was made from.",
        )
    before = network.score(keep.names)
    results = []
    for number, name in enumerate(names, 1):
        step(f"search for modules in float, {number} of {len(names)}: {name}")
        results.append(Candidate(name, network.quick_score((*keep.names, name))))
    results.sort(key=lambda each: each.score.ratio_db, reverse=True)
    limit = MAX_DROP if keep.max_drop is None else keep.max_drop
    added, after = _added(network, keep.names, results, before=before, limit=limit, step=step)
    if keep.max_drop is not None and after.drop > limit:
        raise _exceeded(after, keep, added, results, network.metric)
    folder = "" if network.task is None else network.task.data.folder.name
    return Sensitivity(
        limit, len(network.expected), before, after, added, tuple(results), network.metric, folder
    )


def _added(
    network: Network,
    named: tuple[str, ...],
    results: Sequence[Candidate],
    *,
    before: Score,
    limit: float,
    step: Callable[[str], None],
) -> tuple[tuple[str, ...], Score]:
    """Candidates in their order while too much is lost, and what the model is with them."""
    added: tuple[str, ...] = ()
    current = before
    for each in results:
        if current.drop <= limit:
            break
        trial = each.score
        if added or network.has_more:
            step(f"search for modules in float: {', '.join((*added, each.module))}")
            trial = network.score((*named, *added, each.module))
        if trial.ratio_db > current.ratio_db + _LEAST_GAIN_DB:
            added, current = (*added, each.module), trial
    return added, current


def _exceeded(
    after: Score, keep: Keep, added: Sequence[str], results: Sequence[Candidate], metric: str
) -> ParityError:
    floats = ", ".join((*keep.names, *added)) or "nothing"
    return ParityError(
        f"--max-drop allows {keep.max_drop:g} points of {metric}, and {after.drop:.2f} are lost "
        f"with {floats} in float; {results[0].module} has the largest effect.",
        hint="Nothing was kept. Calibrate on more images of your own, or allow more.",
    )


def search_note(result: Sensitivity | None) -> tuple[str, ...]:
    """What a search chose and reached, in a sentence."""
    if result is None:
        return ()
    before, after = result.before, result.after
    chosen = f"{AUTO} keeps {', '.join(result.added) or 'nothing'} in float"
    note = (
        f"{chosen}: same class {before.same_class:.2f} -> {after.same_class:.2f} %, "
        f"SQNR {_shown(before)} -> {_shown(after)}"
    )
    if result.data:
        note += f", {result.metric} lost {before.drop:+.2f} -> {after.drop:+.2f} points"
        note += f", on {result.images} images of {result.data}"
    else:
        note += f", on {result.images} calibration images"
    if after.drop > result.max_drop:
        note += f"; {after.drop:.2f} points are lost and nothing else helps"
    return (note,)


def _shown(score: Score) -> str:
    return "bit-equal" if score.sqnr_db is None else f"{score.sqnr_db:.1f} dB"
