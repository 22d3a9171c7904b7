"""``EvalOrder``: one evaluation as it was asked for, and the way from there to its results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from seaformer.core.accuracy import FOLDER
from seaformer.core.artifact import Artifact
from seaformer.core.errors import UsageError
from seaformer.core.files import check_dir, expanded
from seaformer.data.dataset import DataSet
from seaformer.data.sets import open_set
from seaformer.evaluation import part as parts
from seaformer.evaluation.modes import MULTI_SCALE, Mode, official
from seaformer.evaluation.network import ModelSession, NetworkOptions, located
from seaformer.evaluation.outcome import Evaluation, evaluations
from seaformer.evaluation.part import Part
from seaformer.evaluation.predictor import Predictor, of_file, of_session, on_device
from seaformer.evaluation.record import Keeping, keep
from seaformer.evaluation.run import Pass, Progress, count_set
from seaformer.evaluation.subject import Subject, subject_of
from seaformer.evaluation.together import Device
from seaformer.evaluation.work import Work

NetworkMaker = Callable[[int], ModelSession]


@dataclass(frozen=True)
class EvalOrder:
    """Which images, and how they are fed: see ``seaformer.api.evaluate``.

    ``window`` 0 is the whole image, ``None`` what the official test of each model does. ``options``
    are what files state that have no manifest.
    """

    data: Path | str
    split: str = "val"
    kind: str | None = None
    limit: int = 0
    window: int | None = None
    stride: int = 0
    multi_scale: bool = False
    seed: int = 0
    options: NetworkOptions = field(default_factory=NetworkOptions)

    def __post_init__(self) -> None:
        if self.limit < 0:
            raise UsageError(f"--limit must be at least 0 (got {self.limit}).")
        if self.window is not None and self.window < 0:
            raise UsageError(f"--window must be at least 0 (got {self.window}).")
        if self.stride and not self.window:
            raise UsageError(f"--stride requires --window (got {self.stride} and no window).")
        if self.window and not 0 < self.stride <= self.window:
            raise UsageError(
                f"--stride must be from 1 to --window (got {self.stride} and {self.window})."
            )


def evaluate_order(
    order: EvalOrder,
    files: Iterable[Artifact | Path | str],
    network: NetworkMaker | None = None,
    progress: Progress | None = None,
    keeping: Keeping | None = None,
    *,
    work: Work | None = None,
) -> tuple[Evaluation, ...]:
    """Evaluate a network, made for a number of classes, and files; the first is the base.

    With ``keeping`` each result is stored as a record. A part of the images, which ``work``
    asks for, gives none.
    """
    named, work = tuple(files), work or Work()
    if not named and network is None:
        raise UsageError("No model was named.", hint="Name files, or --model NAME.")
    if not named and order.options != NetworkOptions():
        raise UsageError("--size, --mean and --std are for model files, and none is named.")
    work.check(network is not None)
    if keeping is not None:
        check_dir(keeping.results / FOLDER)
    data = open_set(order.data, order.split, order.kind)
    part = _counted(order, data, named, network, progress=progress, work=work)
    return () if part is None else finished(data, part, keeping)


def merge_parts(
    order: EvalOrder, files: Sequence[Path | str], keeping: Keeping | None = None
) -> tuple[Evaluation, ...]:
    """The results of parts that were counted apart, from their files.

    Raises ``UsageError`` for parts that are not of one evaluation of this data, or not all of it.
    """
    if not files:
        raise UsageError("No part was named.", hint="Name the files of --part.")
    data, paths = open_set(order.data, order.split, order.kind), [expanded(one) for one in files]
    part = parts.merged([parts.load(path) for path in paths], [path.name for path in paths])
    whole = part.whole
    if (
        whole.images > len(data.samples)
        or whole.classes != data.classes
        or (whole.files != parts.names_digest(data, whole.images))
    ):
        raise UsageError(f"{paths[0].name} is not of the images in {data.folder} ({data.split}).")
    return finished(data, part, keeping)


def finished(data: DataSet, part: Part, keeping: Keeping | None) -> tuple[Evaluation, ...]:
    """The results of all images, stored with ``keeping``."""
    rows = evaluations(data, part)
    if keeping is not None:
        keep(keeping, data, part.whole.subjects, rows)
    return rows


def _counted(
    order: EvalOrder,
    data: DataSet,
    named: Sequence[Artifact | Path | str],
    network: NetworkMaker | None,
    *,
    progress: Progress | None,
    work: Work,
) -> Part | None:
    """What all images gave; ``None`` in a process that has a part of them alone."""
    located_files = [located(one) for one in named]
    paths = [one.path if isinstance(one, Artifact) else one for one in located_files]
    with work.devices(paths) as devices:
        pairs = [(one, device) for device in devices for one in located_files]
        opened = [_opened(*pair, order.options) for pair in pairs]
        return _count_all(order, data, opened, network, progress=progress, work=work)


def _opened(
    file: Artifact | Path, device: Device | None, options: NetworkOptions
) -> tuple[Predictor, Subject]:
    if device is None:
        one = of_file(file, options)
        return one, subject_of(file, one)
    one = on_device(file, device, options)
    return one, replace(subject_of(file, one), device=device.id)


def _count_all(
    order: EvalOrder,
    data: DataSet,
    opened: Sequence[tuple[Predictor, Subject]],
    network: NetworkMaker | None,
    *,
    progress: Progress | None,
    work: Work,
) -> Part | None:
    predictors, subjects = [one for one, _ in opened], [subject for _, subject in opened]
    if network is not None:
        session = network(data.classes)
        spec = session.spec
        predictors.insert(0, of_session(session))
        subjects.insert(0, Subject(spec.name, spec.input_shape, weights=spec.weights))
    modes = [
        _mode(order, subject.model, data.dataset, fixed=predictor.size is not None)
        for subject, predictor in zip(subjects, predictors, strict=True)
    ]
    how = Pass(order.limit, order.seed, work.share, progress=progress)
    return work.go(how, lambda how: count_set(data, predictors, modes, subjects, how))


def _mode(order: EvalOrder, model: str, dataset: str, *, fixed: bool) -> Mode:
    """The official test of the model, with the order's own windows and scales in it.

    A file of one size is given whole images unless windows are asked for.
    """
    mode = official(model, dataset)
    if order.window is not None or fixed:
        mode = replace(mode, window=order.window or 0, stride=order.stride)
    return replace(mode, ratios=MULTI_SCALE, flip=True) if order.multi_scale else mode
