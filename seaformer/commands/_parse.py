"""From the text of options to the nouns a command asks for. Nothing is printed or run here.

Errors are ``UsageError`` and ``UnknownName``. What a function needs is imported inside it, so that
``--help`` answers at once.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from seaformer.commands._integers import check_integers, options_for
from seaformer.commands._source import ModuleSource
from seaformer.commands._weights import check_weights
from seaformer.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from seaformer.bench.foreign import FileOptions
    from seaformer.commands._options import FileGroup, ModelOptions, PlanOptions, QuantizeOptions
    from seaformer.core.artifact import Artifact
    from seaformer.core.plan import RunPlan
    from seaformer.core.request import ExportRequest

EVERY_FORMAT = "all"  # of those that can be timed and whose packages are installed
_LONGEST_SIZE = 30
_LONGEST_TEXT = 80


def export_requests(
    models: ModelOptions,
    formats: str,
    seed: int,
    no_rewrite: tuple[str, ...] = (),
    source: ModuleSource = ModuleSource(),
    input: str = "float",
    integers: QuantizeOptions | None = None,
) -> list[ExportRequest]:
    """Every combination of models, formats, precisions; bad sizes and scopes are refused here."""
    from seaformer.core import engine
    from seaformer.core.request import ExportRequest

    formats = ",".join(engine.installed_formats()) if formats == EVERY_FORMAT else formats
    size, classes = image_size(models.size), models.classes or None
    names = [_module_name(source, models)] if source.module else _zoo_names(source, models)
    _check_files(models, _list(formats), source, input)
    if integers:
        check_integers(integers, models.precision)
    _check_scopes(models, () if source.module else names)
    check_weights(models.checkpoint, models.backbone)

    return [
        ExportRequest(
            model=name,
            format=format,
            precision=precision,
            size=size,
            scope=models.scope,
            components=models.components,
            checkpoint=models.checkpoint or None,
            classes=classes,
            seed=seed,
            no_rewrite=no_rewrite,
            module=source.module,
            shape=_shape(source.shape),
            ema=models.ema,
            backbone=models.backbone or None,
            input=input,
            mean=colours("--mean", source.mean),
            std=colours("--std", source.std),
            opset=source.graph.opset,
            dynamic=source.graph.dynamic,
            calibration=own.calibration or None,
            observer=own.observer or None,
            keep=tuple(_list(own.int8_keep)),
            max_drop=own.max_drop,
            data=own.data or None,
            cpu=own.int8_for or None,
        )
        for name in names
        for format in _list(formats)
        for precision in _list(models.precision)
        for own in (options_for(precision, integers),)
    ]


def _check_files(
    models: ModelOptions, formats: Sequence[str], source: ModuleSource, input: str
) -> None:
    """Refuse unknown formats, precisions and scopes, and what a format does not support."""
    from seaformer.core import engine
    from seaformer.core import precision as rows
    from seaformer.core.artifact import SCOPES
    from seaformer.core.request import check_components, check_dynamic, check_input

    known("scope", [models.scope], SCOPES)
    known("format", formats, engine.formats())
    known("precision", _list(models.precision), rows.names())
    if not (formats and _list(models.precision)):
        hint = f"For example: --format {engine.formats()[0]}"
        raise UsageError("No format or no precision was named.", hint=hint)
    for format in formats:
        check_input(input, format)
        check_dynamic(source.graph.dynamic, format, models.scope, components=models.components)
        if models.components:
            check_components(models.scope, format, input)


def _check_scopes(models: ModelOptions, names: Iterable[str]) -> None:
    """Refuse a scope that a model of the zoo does not have."""
    from seaformer.core.request import check_scope
    from seaformer.models import model_spec

    size, classes = image_size(models.size), models.classes or None
    for name in names:
        check_scope(model_spec(name, size=size, classes=classes), models.scope)


def _zoo_names(source: ModuleSource, models: ModelOptions) -> list[str]:
    for option, value in (("--shape", source.shape), ("--name", source.name)):
        if value:
            raise UsageError(f"{option} is for --module (got {value}).", hint="Use --size HxW.")
    for option, value in (("--mean", source.mean), ("--std", source.std)):
        if value:
            raise UsageError(
                f"{option} is for --module (got {value[:_LONGEST_SIZE]}).",
                hint="A model of the zoo has its own: seaformer inspect FILE",
            )
    return model_names(models.variant, models.model)


def _module_name(source: ModuleSource, models: ModelOptions) -> str:
    """The name of a module's files. Raises ``UsageError`` where a model is named as well."""
    from seaformer.export import module_name

    if models.variant or models.model:
        raise UsageError("--module and a model of the zoo are exported by a command each.")
    return module_name(source.name or source.module)


def _shape(text: str) -> tuple[int, ...] | None:
    """``1x3x512x512`` as numbers."""
    if not text:
        return None
    sides = text.lower().split("x")
    if len(text) > _LONGEST_SIZE or not all(side.isdecimal() for side in sides):
        raise UsageError(
            f"--shape must be 1xCxHxW (got {text[:_LONGEST_SIZE]!r}).",
            hint="For example: --shape 1x3x512x512",
        )
    return tuple(int(side) for side in sides)


def colours(option: str, text: str) -> tuple[float, float, float] | None:
    """Three numbers, of red, green and blue."""
    if not text:
        return None
    try:
        red, green, blue = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(
            f"{option} must be three numbers, of red, green and blue from 0 to 255 "
            f"(got {text[:_LONGEST_TEXT]!r}).",
            hint=f"For example: {option} 123.675,116.28,103.53",
        ) from error
    return red, green, blue


def input_kind(stated: Iterable[str], files: Iterable[object]) -> str:
    """What models by name take, where ``--input`` of a bench names that and not a file."""
    from seaformer.core.preprocessing import FLOAT, INPUTS

    kinds = [text for text in stated if text in INPUTS]
    if not kinds:
        return FLOAT
    if list(files) or len(kinds) < len(list(stated)):
        raise UsageError(
            f"--input {kinds[0]} is for models by name: a file states what it takes.",
            hint="Feed a file with --input [NAME=]FILE.npy",
        )
    return kinds[-1]


def artifact_files(
    paths: Iterable[Path],
    options: FileOptions | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[Artifact]:
    """The model files among what a shell made of ``artifacts/*``, each once.

    Files beside an artifact are passed over, and so are the external weights of a model. Raises
    ``UsageError`` when nothing else is there.
    """
    from seaformer.bench.foreign import FileOptions, open_files
    from seaformer.core.artifact import beside, model_path
    from seaformer.core.files import expanded

    named = [expanded(path) for path in paths]
    models = [path for path in named if beside(path) is None]
    if named and not models:
        owner = beside(named[0])
        raise UsageError(
            f"{named[0]} is not a model: it belongs to {owner}.",
            hint=f"seaformer bench {shlex.quote(str(owner))}",
        )
    files = dict.fromkeys(map(model_path, models))
    return open_files(files, options or FileOptions(), progress)


def engine_names(
    requests: Iterable[ExportRequest], artifacts: Iterable[Artifact]
) -> tuple[str, ...]:
    """The engines that files to be exported, and files that exist, are run by."""
    from seaformer.core.engine import engine_of

    names = [engine_of(request.format).name for request in requests]
    return tuple(dict.fromkeys([*names, *(artifact.runtime for artifact in artifacts)]))


def file_options(stated: FileGroup, size: str, targets: Iterable[str], seed: int) -> FileOptions:
    """What was stated about files without a manifest."""
    from seaformer.bench.foreign import FileOptions
    from seaformer.core.preprocessing import INPUTS

    return FileOptions(
        size=image_size(size),
        shapes=tuple(_named_shape(text) for text in stated.shape or ()),
        inputs=tuple(_named_file(text) for text in stated.input or () if text not in INPUTS),
        references=tuple(_named_file(text) for text in stated.reference or ()),
        seed=seed,
        here="host" in targets,
    )


def _named_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """``batch=1`` of a free dimension, ``image=1x3x512x512`` of an input."""
    name, _, sizes = text.rpartition("=")
    parts = sizes.lower().split("x")
    if not name or not all(part.isdecimal() and len(part) < _LONGEST_SIZE for part in parts):
        raise UsageError(
            f"--shape must be NAME=N or NAME=NxN... (got {text[:_LONGEST_TEXT]!r}).",
            hint="For example: --shape batch=1, --shape image=1x3x512x512",
        )
    return name, tuple(int(part) for part in parts)


def _named_file(text: str) -> tuple[str, Path]:
    """``FILE``, or ``NAME=FILE``; a name of a tensor may hold a slash or a colon."""
    from pathlib import Path

    from seaformer.core.files import expanded

    name, equals, file = text.partition("=")
    if not equals or expanded(text).exists():
        return "", Path(text)
    return name, Path(file)


def rewrites_left_out(options: Iterable[str]) -> tuple[str, ...]:
    """The rules that ``--no-rewrite`` names; it may be repeated, and takes several at once."""
    names = tuple(name for option in options for name in _list(option))
    if names:
        from seaformer.export.rewrites import check_rules

        check_rules(names)
    return names


def run_plan(
    how: PlanOptions, device: str, *, seed: int, components: bool, tail: str = ""
) -> RunPlan:
    """The plan of one bench; an impossible one is refused before a model is exported for it.

    -1 runs or warm-up runs are the default of the device (``default_runs``).
    """
    from seaformer.core.plan import TAILS, RunPlan, Stop, Warmup, check_plan, default_runs

    known("tail", [tail] if tail else [], TAILS)
    default = default_runs(device)
    warmup, runs = (default if given == -1 else given for given in (how.warmup, how.runs))
    plan = RunPlan(
        threads=how.threads,
        core=how.core,
        processes=how.repeats,
        seed=seed,
        components=components,
        tail=tail,
        warmup=Warmup(runs=warmup),
        stop=Stop(
            min_seconds=how.min_secs,
            max_seconds=how.max_secs,
            runs=runs,
        ),
    )
    if device == "host":
        check_plan(plan, os.cpu_count() or 1)
    return plan


def profile_kinds(text: str) -> tuple[str, ...]:
    """What ``--profile`` asks for: ``ops``, ``blocks``, both or nothing."""
    kinds = tuple(_list(text))
    known("profile", kinds, ("ops", "blocks"))
    return kinds


def model_names(variant: str, model: str) -> list[str]:
    from seaformer.models import find_models, from_variant

    names = [from_variant(item) for item in _list(variant)]
    names += [name for item in _list(model) for name in find_models(item)]
    if not names:
        raise UsageError(
            "No model was named.",
            hint="For example: --variant t, or --model seaformer_t.cityscapes",
        )
    return list(dict.fromkeys(names))


def known(noun: str, values: Iterable[str], known: tuple[str, ...]) -> None:
    from seaformer.core.registry import unknown

    for value in values:
        if value not in known:
            raise unknown(noun, value, known)


def image_size(text: str) -> tuple[int, int] | None:
    """``512x1024`` is height 512, width 1024."""
    if not text:
        return None
    height, cross, width = text.lower().partition("x")
    digits = height.isdecimal() and width.isdecimal() and len(text) <= _LONGEST_SIZE
    if not (cross and digits):
        raise UsageError(
            f"--size {text[:_LONGEST_SIZE]!r} is not a size: expected HEIGHTxWIDTH in pixels.",
            hint="For example: --size 512x1024",
        )
    return int(height), int(width)


def _list(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]
