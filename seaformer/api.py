"""The verbs of the command line as functions: what ``import seaformer`` offers.

They take and give the same nouns, write to the same store and raise the same errors; none prints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from pathlib import Path

from seaformer.bench.answers import choose_devices
from seaformer.bench.fleet import BenchOrder, Fleet
from seaformer.bench.foreign import FileOptions, described_file, open_file
from seaformer.bench.target import TargetOptions, list_targets
from seaformer.compare.rows import Comparison, Side
from seaformer.compare.rows import compare as compare_sides
from seaformer.compare.sides import load_side
from seaformer.compare.verdict import Limits
from seaformer.core import engine
from seaformer.core.artifact import Artifact
from seaformer.core.errors import UsageError
from seaformer.core.estimate import Estimate
from seaformer.core.measurement import Measurement
from seaformer.core.plan import RunPlan, Stop, Warmup, default_runs
from seaformer.core.precision import BASE
from seaformer.core.preprocessing import FLOAT
from seaformer.core.request import ExportRequest, check_input
from seaformer.core.runs import Measurements
from seaformer.estimate.counted import report_store
from seaformer.estimate.run import open_estimator
from seaformer.evaluation.network import NetworkOptions
from seaformer.evaluation.order import EvalOrder, evaluate_order
from seaformer.evaluation.outcome import Evaluation
from seaformer.evaluation.record import Keeping
from seaformer.evaluation.work import Work
from seaformer.export import cached_export
from seaformer.models import find_models
from seaformer.report import ReportFiles
from seaformer.runtime import engine_for
from seaformer.store.accuracy import check_holds_results
from seaformer.store.results import ResultStore, results_dir

Model = str | Path | Artifact
_SUFFIXES = tuple(each.suffix for each in engine.engines())
Progress = Callable[[str], None]


def bench(
    models: Model | Iterable[Model],
    *,
    device: str = "host",
    format: str | Sequence[str] = (),
    precision: str | Sequence[str] = BASE.name,
    size: tuple[int, int] | None = None,
    scope: str = "logits",
    components: bool = False,
    checkpoint: Path | str | None = None,
    classes: int | None = None,
    ema: bool = False,
    backbone: Path | str | None = None,
    input: str = FLOAT,
    threads: int = 1,
    core: str = "prime",
    warmup: int | None = None,
    runs: int | None = None,
    min_secs: float = Stop().min_seconds,
    max_secs: float = Stop().max_seconds,
    repeats: int = RunPlan().processes,
    tail: str = "",
    seed: int = 0,
    resume: bool = False,
    force: bool = False,
    adb_host: str = "",
    about: FileOptions | None = None,
    results: Path | str | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> Measurements:
    """Time models or exported files on one core, in fresh processes; every result is stored.

    Args:
        models: names or globs of the zoo, model files (``Path``), artifacts, or several of them.
            Names are exported first where the cache lacks them, which needs torch; a file needs no
            manifest.
        device: ``host``, ``emulator[:CORE]``, ``phone``, serials, ``HOST:PORT``, or ``all``.
        format: of models given by name; those of the ``export`` extra when absent.
        precision, scope, checkpoint, classes, ema, backbone, input: of models given by name, as in
            ``export_model``; size, components: of files too.
        threads, core: 1 is the calling thread, without a pool; ``prime``, ``big``, ``little``, a
            core's number, or a list for several threads.
        warmup, runs: exact numbers; ``None`` is the adaptive rule.
        min_secs, max_secs: seconds to time at least and at most, with the adaptive rule.
        tail: ``argmax``, the upsampling and argmax of the logits, as a method of its own.
        repeats, seed: fresh processes per artifact; of their order and of seeded weights.
        resume, force, adb_host: for phones, as on the command line.
        about: inputs, sizes and expected outputs of files without a manifest.
        results: the store's folder; ``$SEAFORMER_RESULTS`` or ``./results`` when absent.
        command, progress: kept in every measurement; called with a sentence as each step begins.

    Returns the measurements; a run that failed is one with a ``failure``. Raises ``UsageError`` for
    a choice for models by name where there are files alone, and the error of the first device that
    could not be used.

        >>> measured = bench("seaformer_t", format="onnx", size=(64, 64),
        ...                  warmup=1, runs=3, repeats=1, force=True)
        >>> [one.model for one in measured]
        ['seaformer_t.ade20k']
        >>> measured[0].failure is None
        True
    """
    step = progress or (lambda _: None)
    once = default_runs(device)
    plan = RunPlan(
        threads=threads,
        core=core,
        processes=repeats,
        seed=seed,
        components=components,
        tail=tail,
        warmup=Warmup(runs=once if warmup is None else warmup),
        stop=Stop(min_seconds=min_secs, max_seconds=max_secs, runs=once if runs is None else runs),
    )
    models = tuple(_several(models))
    engines = _engines(models, _names(format))
    options = TargetOptions(adb_host, resume=resume, force=force, notice=step, engines=engines)
    order = BenchOrder(plan, ResultStore(results_dir(results)), command, (), options)
    making = _Making(
        _names(format), _names(precision), size, scope, components, checkpoint, classes, seed, ema,
        backbone, input,
    )  # fmt: skip
    making.check_used(models)
    targets = list_targets(device, options)
    about = about or FileOptions(size=size, seed=seed, here="host" in targets)
    fleet = Fleet(targets, order, step)
    artifacts = [each for model in models for each in making.artifacts(model, about, step)]
    outcomes = fleet.run(artifacts)
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
        if outcome.interrupted:
            raise KeyboardInterrupt
    return Measurements(one for outcome in outcomes for one in outcome.measured)


def compare(
    base: str | Path | Iterable[Measurement],
    new: str | Path | Iterable[Measurement],
    *,
    results: Path | str | None = None,
    limits: Limits | None = None,
    allow: Iterable[str] = (),
) -> Comparison:
    """Compare two sets of measurements, row by row: what got worse, what got better.

    Each side is a results folder, a run file, a commit of this repository (its ``results``
    folder), or measurements. ``limits`` are the gate's; facts named in ``allow`` may get worse.
    ``Comparison.regressions`` is empty when nothing did. Raises ``UsageError`` when a side is empty
    or no row is on both.

        >>> measured = bench("seaformer_t", format="onnx", size=(64, 64),
        ...                  warmup=1, runs=3, repeats=1, force=True)
        >>> compare(measured, measured).regressions
        ()
    """
    folder = results_dir(results)
    sides = [_side(label, side, folder) for label, side in (("base", base), ("new", new))]
    return compare_sides(sides[0], sides[1], limits, allow=allow)


def evaluate(
    files: Artifact | Path | str | Iterable[Artifact | Path | str] = (),
    *,
    data: Path | str,
    model: str = "",
    checkpoint: Path | str | None = None,
    ema: bool = False,
    split: str = "val",
    kind: str | None = None,
    limit: int = 0,
    window: int | None = None,
    stride: int = 0,
    multi_scale: bool = False,
    size: tuple[int, int] | None = None,
    mean: tuple[float, float, float] | None = None,
    std: tuple[float, float, float] | None = None,
    seed: int = 0,
    device: str = "host",
    results: Path | str | None = None,
    progress: Progress | None = None,
) -> tuple[Evaluation, ...]:
    """Accuracy of a model, of model files, or of both, on a data set.

    Args:
        files: model files, or artifacts; data: a folder, its layout is recognised without ``kind``.
        model, checkpoint, ema: a model of the zoo, with which the others are compared.
        split, limit: which images, and how many at most (0: all); multi_scale: six, flipped too.
        window, stride: of sliding windows, in pixels; 0: whole images; ``None``: the official test.
        size, mean, std: of files that do not state them; R, G, B from 0 to 255.
        seed: of the intervals' resamples; device: where files run, as of ``bench``; several: A,B.
        results: the store's folder, as of ``bench``; it keeps each result in ``accuracy/``.
        progress: called with a sentence for each image.

    Raises ``UsageError`` for values out of range, ``DataError`` for data that cannot be read.
    """
    options = NetworkOptions(size, mean=mean, std=std)
    order = EvalOrder(data, split, kind, limit, window, stride, multi_scale, seed, options)
    network = None
    if model:
        from seaformer.models import network_maker  # here: it brings torch

        network = network_maker(model, checkpoint, ema=ema)
    work = None if device == "host" else Work(devices=choose_devices(device, progress=progress))
    keeping = Keeping(results_dir(results))
    return evaluate_order(order, _several(files), network, progress, keeping, work=work)


def estimate(
    models: Model | Iterable[Model], *, core: str = "", calibration: Path | str | None = None,
    format: str | Sequence[str] = (), precision: str | Sequence[str] = BASE.name,
    size: tuple[int, int] | None = None, components: bool = False, operators: bool = False,
    progress: Progress | None = None,
) -> tuple[Estimate, ...]:  # fmt: skip
    """Estimate latency on a core that is not at hand (docs/estimate.md); nothing is stored.

    ``core`` is ``sd865`` when absent, or that of ``calibration``, a file of ``seaformer estimate
    calibrate``; the other parameters are those of ``bench``, but for a model by name: one format
    when absent. Raises ``UsageError`` for a core or an engine that no calibration covers.
    """
    step = progress or (lambda _: None)
    models = tuple(_several(models))
    making = _Making(_names(format), _names(precision), size, components=components)
    making.check_used(models)
    making = replace(making, formats=making.formats or (engine.DEFAULT_FORMAT,))
    estimator = open_estimator(core, calibration, _engines(models, making.formats), step, step)
    about = FileOptions(size=size)
    artifacts = [each for model in models for each in making.artifacts(model, about, step)]
    kinds = {"components": components, "operators": operators}
    return tuple(estimator.estimate(each, **kinds, progress=step) for each in artifacts)


def report(results: Path | str | None = None) -> ReportFiles:
    """Rebuild report.html, report.md, report.svg and tables/*.csv from the stored runs.

    Returns its ``paths`` and its ``report``. Raises ``UsageError`` for a folder without results.

        >>> _ = bench("seaformer_t", format="onnx", size=(64, 64),
        ...           warmup=1, runs=3, repeats=1, force=True)
        >>> any(path.name == "report.html" for path in report().paths)
        True
    """
    check_holds_results(root := results_dir(results))
    return report_store(root)


def _side(label: str, side: str | Path | Iterable[Measurement], results: Path) -> Side:
    if isinstance(side, (str, Path)):
        return load_side(str(side), results)
    return Side(label, tuple(side))


def _several(models: Model | Iterable[Model]) -> Iterable[Model]:
    return (models,) if isinstance(models, (str, Path, Artifact)) else models


def _names(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _engines(models: Iterable[Model], formats: Sequence[str]) -> tuple[str, ...]:
    """The engines that these models are run by."""
    names: list[str] = []
    for model in models:
        if isinstance(model, Artifact):
            names.append(model.runtime)
        elif _is_file(model):
            names.append(engine_for(Path(model)).name)
        else:
            names += (engine.engine_of(each).name for each in formats or engine.default_formats())
    return tuple(dict.fromkeys(names))


def _is_file(model: Model) -> bool:
    return not isinstance(model, str) or Path(model).suffix in _SUFFIXES


@dataclass(frozen=True)
class _Making:
    """How files are made of models by name; all but sizes and components are of no use to files."""

    formats: tuple[str, ...] = ()
    precisions: tuple[str, ...] = (BASE.name,)
    size: tuple[int, int] | None = None
    scope: str = "logits"
    components: bool = False
    checkpoint: Path | str | None = None
    classes: int | None = None
    seed: int = 0
    ema: bool = False
    backbone: Path | str | None = None
    input: str = FLOAT

    def check_used(self, models: Sequence[Model]) -> None:
        """Raise ``UsageError`` where only files are named, for what was chosen."""
        if not models or not all(map(_is_file, models)):
            return
        usual = _Making()
        named = {"formats": "format", "precisions": "precision"}
        for field in fields(self):
            both = field.name in ("size", "components", "seed")
            if not both and getattr(self, field.name) != getattr(usual, field.name):
                raise UsageError(
                    f"{named.get(field.name, field.name)} is for models by name: a file is timed "
                    "as it is.",
                    hint="Name models, or leave it out.",
                )

    def artifacts(self, model: Model, about: FileOptions, step: Progress) -> Iterator[Artifact]:
        """An artifact as it is, any file, or every file of the models of a name."""
        if isinstance(model, Artifact):
            yield described_file(model, about)
        elif isinstance(model, Path) or _is_file(model):
            yield open_file(Path(model), about, step)
        else:
            pairs = product(
                find_models(model), self.formats or engine.default_formats(), self.precisions
            )
            for name, format, precision in pairs:
                request = self._request(name, format, precision)
                check_input(self.input, format)
                yield cached_export(request, step)

    def _request(self, name: str, format: str, precision: str) -> ExportRequest:
        return ExportRequest(
            model=name,
            format=format,
            precision=precision,
            size=self.size,
            scope=self.scope,
            components=self.components,
            checkpoint=None if self.checkpoint is None else str(self.checkpoint),
            classes=self.classes,
            seed=self.seed,
            ema=self.ema,
            backbone=None if self.backbone is None else str(self.backbone),
            input=self.input,
        )
