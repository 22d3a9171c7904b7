"""``ExportRequest``: what makes one exported file different from another, and what it may ask for.

What is done with one is in ``seaformer.export``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from seaformer.core.artifact import SCOPES, SCOPES_OF
from seaformer.core.engine import DEFAULT_FORMAT, engine_of, engines
from seaformer.core.errors import UsageError
from seaformer.core.free import BATCH, listed, ordered
from seaformer.core.precision import BASE, find_precision, precisions
from seaformer.core.preprocessing import FLOAT, INPUTS
from seaformer.core.quantization import AUTO, check_cpu, check_max_drop, check_observer
from seaformer.core.registry import unknown
from seaformer.core.spec import ModelSpec

OTHER_TASK = "other"  # of a network whose outputs are not known to score classes


@dataclass(frozen=True)
class ExportRequest:
    """One file to be exported; the fields are ``export_model``'s arguments.

    ``model`` is a name of the zoo, or the name that the network of ``module`` gets: a factory
    (``package.module:factory``) or a file, which takes inputs of ``shape``.
    ``ema`` takes the averaged weights of ``checkpoint``; ``backbone`` is a file that fills a part.
    ``no_rewrite`` names rewrites to leave out; their order is of no consequence and not kept.
    ``input`` is what the file takes (``core/preprocessing.py``); ``mean`` and ``std`` are those of
    a module's input, of pixels from 0 to 255.
    ``opset`` is the version of a format's operators, its default when absent.
    ``calibration`` is a folder of images and ``observer`` the rule that makes ranges of them, for a
    precision that needs some; absent, the shipped photographs and the default rule. ``keep`` names
    modules that stay in float; ``auto`` among them searches for more, until at most ``max_drop``
    points of same class are lost; ``cpu`` is whose kernels it is for. ``dynamic`` names axes of the
    input that are left free.
    """

    model: str
    format: str = DEFAULT_FORMAT
    precision: str = BASE.name
    size: tuple[int, int] | None = None
    scope: str = "logits"
    components: bool = False
    checkpoint: str | None = None
    classes: int | None = None
    seed: int = 0
    no_rewrite: tuple[str, ...] = ()
    module: str = ""
    shape: tuple[int, ...] | None = None
    ema: bool = False
    backbone: str | None = None
    input: str = FLOAT
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    opset: int | None = None
    calibration: str | None = None
    observer: str | None = None
    keep: tuple[str, ...] = ()
    max_drop: float | None = None
    data: str | None = None
    cpu: str | None = None
    dynamic: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "dynamic", ordered(self.dynamic))
        object.__setattr__(self, "keep", tuple(sorted(set(self.keep))))
        object.__setattr__(self, "no_rewrite", tuple(sorted(set(self.no_rewrite))))


def check_scope(spec: ModelSpec, scope: str) -> None:
    """Raise ``UnknownName`` for no scope, ``UsageError`` for one that the task does not have."""
    if scope not in SCOPES:
        raise unknown("scope", scope, SCOPES)
    scopes = SCOPES_OF[spec.task]
    if scope not in scopes:
        tasks = " and ".join(task for task, scopes in SCOPES_OF.items() if scope in scopes)
        *others, last = scopes
        known = f"{', '.join(others)} or {last}" if others else last
        subject = f"{spec.name} is for {spec.task}"
        if spec.task == OTHER_TASK:
            subject = f"The outputs of {spec.name} are not known to score classes"
        raise UsageError(
            f"{subject}: its scope is {known}, not {scope}.",
            hint=f"The scope {scope} is for {tasks}.",
        )
    if scope == "argmax" and spec.classes < 2:
        raise UsageError(
            f"--scope argmax must have 2 classes or more (got {spec.classes}): of one class, "
            "every position is class 0.",
            hint="Use --scope logits, and compare the logits with a threshold.",
        )


def check_input(input: str, format: str) -> None:
    """Raise ``UnknownName`` or ``UsageError`` for an input that files of a format cannot take."""
    if input not in INPUTS:
        raise unknown("input", input, INPUTS)
    if input != FLOAT and (reason := engine_of(format).float_input):
        able = [row.format for row in engines() if not row.float_input]
        raise UsageError(
            f"--input {input} is not supported for {format}: {reason}.",
            hint=f"Use --format {','.join(able)}, or normalise the image before it.",
        )


def check_components(scope: str, format: str, input: str = FLOAT) -> None:
    """Raise ``UsageError`` where an artifact cannot have components."""
    if input != FLOAT:
        raise UsageError(
            f"--components and --input {input} do not go together: components begin with the "
            "normalised image.",
            hint="Leave --input away.",
        )
    if scope != "logits":
        raise UsageError(
            f"--components and --scope {scope} do not go together: the tail is not a component.",
            hint="Leave --scope away: the components end with the logits.",
        )
    if not engine_of(format).components:
        able = [row.format for row in engines() if row.components]
        raise UsageError(
            f"--components is not supported for {format}.", hint=f"Use --format {','.join(able)}"
        )


def check_dynamic(dynamic: Iterable[str], format: str, scope: str, *, components: bool) -> None:
    """Raise ``UsageError`` where a file of the format cannot leave those axes free."""
    axes = ordered(dynamic)
    if not axes:
        return
    engine = engine_of(format)
    if engine.fixed_sizes:
        able = [row.format for row in engines() if not row.fixed_sizes]
        raise UsageError(
            f"--dynamic is not supported for {format}: {engine.fixed_sizes}.",
            hint=f"Use --format {','.join(able)}, or export a file for each size.",
        )
    if components:
        raise UsageError(
            "--components and --dynamic do not go together: a component is cut out at one size.",
            hint="Leave --dynamic away.",
        )
    if scope == "boxes" and axes != (BATCH,):
        raise UsageError(
            f"--scope boxes fixes the size of the image: {listed(axes)} cannot be free, because "
            "the anchors of boxes are constants.",
            hint="Use --dynamic batch, or --scope logits.",
        )


def check_quantization(request: ExportRequest) -> None:
    """Raise ``UsageError`` where options of quantisation and the rest do not go together."""
    if request.observer is not None:
        check_observer(request.observer)
    if request.cpu is not None:
        check_cpu(request.cpu)
    if find_precision(request.precision).calibrated:
        if request.components:
            raise UsageError(
                f"--components is not supported for {request.precision}.",
                hint="Leave --components away.",
            )
        check_max_drop(AUTO in request.keep, request.max_drop, request.data)
        return
    able = ",".join(row.name for row in precisions() if row.calibrated)
    options = {
        "--calibration": request.calibration,
        "--observer": request.observer,
        "--int8-keep": request.keep or None,
        "--max-drop": request.max_drop,
        "--data": request.data,
        "--int8-for": request.cpu,
    }
    for option, value in options.items():
        if value is not None:
            raise UsageError(
                f"{option} is for --precision {able} (got --precision {request.precision})."
            )


def check_search(request: ExportRequest, spec: ModelSpec) -> None:
    """Raise ``UsageError`` where modules cannot be searched for: by classes, so there must be some.

    Of a single class every position has the class of the float model.
    """
    if AUTO not in request.keep:
        return
    reason = ""
    if spec.task == OTHER_TASK:
        reason = f"the outputs of {spec.name} are not known to score classes"
    elif request.scope == "boxes":
        reason = "boxes have no classes by position"
    elif spec.classes < 2:
        reason = f"{spec.name} has {spec.classes} class"
    if reason:
        raise UsageError(
            f"--int8-keep {AUTO} compares classes: {reason}.",
            hint="Name the modules: --int8-keep NAME,...",
        )
