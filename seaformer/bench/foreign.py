"""A file without a manifest as an ``Artifact``, so that the rest of a bench treats it alike.

Its engine reports inputs and outputs; ``foreign_inputs`` chooses what goes in.
The expected output is the one the user gives, or what another engine computes for the same input
on this machine. Inputs, expected output and operators are kept in the cache, under a digest of all
that they depend on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seaformer.bench.foreign_inputs import Input, by_name, choose_inputs, image_shape, load_array
from seaformer.bench.inputs import external_files
from seaformer.bench.sized import at_size
from seaformer.core import codec, files
from seaformer.core.artifact import (
    FORWARD,
    SCHEMA,
    Artifact,
    Method,
    Parity,
    Reference,
    SideFile,
    TensorInfo,
    beside,
    load_artifact,
    manifest_path,
    model_path,
)
from seaformer.core.engine import engines, runner_engine
from seaformer.core.errors import CorruptArtifact, UsageError
from seaformer.core.files import expanded
from seaformer.core.foreign import Foreign
from seaformer.core.model_file import ModelFile
from seaformer.core.operators import SCHEMA as MAP_SCHEMA
from seaformer.core.operators import OperatorMap
from seaformer.core.request import OTHER_TASK
from seaformer.core.spec import ModelSpec
from seaformer.runtime import answer_of, describe_file, engine_for

Array = npt.NDArray[Any]
SCOPE = "file"  # the graph as it is
_GIVEN = "--reference"


@dataclass(frozen=True)
class FileOptions:
    """What a user may state about files without a manifest.

    Args:
        size: (height, width) of an image input that leaves them free, with a manifest or without.
        shapes: (name, sizes): of one free dimension by its name, or of an input by its.
        inputs: (input, ``.npy`` file); an empty name is the next input in order.
        references: (output, ``.npy`` file) with the expected output, in the same way.
        seed: of inputs that are not images.
        here: this machine is among the targets, so its own engine judges nothing.
    """

    size: tuple[int, int] | None = None
    shapes: tuple[tuple[str, tuple[int, ...]], ...] = ()
    inputs: tuple[tuple[str, Path], ...] = ()
    references: tuple[tuple[str, Path], ...] = ()
    seed: int = 0
    here: bool = True


@dataclass(frozen=True)
class Expected:
    """The outputs to compare with; none, and why, where nothing can judge."""

    outputs: tuple[Array, ...] = ()
    by: str = ""
    unchecked: str = ""


def open_file(
    path: Path, options: FileOptions = FileOptions(), progress: Callable[[str], None] | None = None
) -> Artifact:
    """An exported file with its manifest, or any other that an engine runs without one.

    Raises ``ArtifactError`` for a file that cannot be run, ``UsageError`` for sizes and inputs that
    it does not take.
    """
    path = expanded(path)
    bare = model_path(path)
    inside = bare.parent.name.endswith(".parts") and beside(bare.parent) is not None
    described = manifest_path(bare).exists() or inside
    if described or not bare.exists():
        return described_file(load_artifact(path), options)
    (progress or (lambda _: None))(f"read {path.name}")
    return foreign_artifact(bare, options)


def described_file(artifact: Artifact, options: FileOptions) -> Artifact:
    """A file with its manifest, at the size that the options state.

    Raises ``UsageError`` for what the manifest states already.
    """
    shapes = options.shapes if not artifact.free_axes else ()
    if options.inputs or options.references or shapes:
        raise UsageError(
            f"{artifact.file} has a manifest, which states its inputs and its output.",
            hint="--input and --reference are for files without one, --shape for those and for "
            "files with free sizes.",
        )
    return at_size(artifact, options) if artifact.free_axes or options.size else artifact


def open_files(
    paths: Iterable[Path],
    options: FileOptions = FileOptions(),
    progress: Callable[[str], None] | None = None,
) -> list[Artifact]:
    """Every model file of ``paths``; files that hold the weights of another are passed over.

    Raises as ``open_file``, and ``CorruptArtifact`` for anything else.
    """
    paths, suffixes = tuple(paths), {row.suffix for row in engines()}
    models = [p for p in paths if p.suffix in suffixes or manifest_path(p).exists()]
    models += [path for path in paths if not path.exists()]
    opened = [open_file(path, options, progress) for path in models]
    external = {Path(file).resolve() for one in opened for file in external_files(one)}
    for path in paths:
        if path not in models and path.resolve() not in external:
            engine_for(path)  # which raises
    return opened


def foreign_artifact(path: Path, options: FileOptions = FileOptions()) -> Artifact:
    """The artifact of a file without a manifest, as a manifest would describe it."""
    path = path.resolve()
    model = describe_file(path)
    runner_engine(model.format, model.file)
    if FORWARD not in model.methods:
        raise CorruptArtifact(f"{path} has no method {FORWARD}; it has {', '.join(model.methods)}.")
    inputs = choose_inputs(model, options)
    expected = expected_of(path, model, inputs, options)
    free = any(tensor.free or tensor.bounded for tensor in model.inputs)
    shapes = tuple(one.array.shape for one in inputs)
    folder = keep(model, inputs, expected)
    return Artifact(
        schema=SCHEMA,
        file=path.name,
        spec=_spec(model, inputs, free),
        format=model.format,
        precision=model.precision,
        scope=SCOPE,
        sha256=model.sha256,
        size_bytes=model.size_bytes,
        methods=(Method(FORWARD, infos(model.inputs, shapes), _outputs(model, expected)),),
        exporter=model.producer,
        created_at="",
        parity=Parity("none", "none: the file has no manifest", None, None, None, None, "", ()),
        tools={},
        operators=model.operators,
        opset=model.opset,
        reference=reference_in(folder, inputs, expected),
        operator_map=_side(folder / "operators.json"),
        path=path,
        foreign=Foreign(
            shapes=shapes if free else (),
            external=model.external,
            fed="; ".join(f"{one.tensor.name}: {one.source}" for one in inputs),
            judged_by=expected.by,
            unchecked=expected.unchecked,
        ),
    )


def _spec(model: ModelFile, inputs: Sequence[Input], free: bool) -> ModelSpec:
    """Named after the file and its content; with its sizes where ``HxW`` does not state them."""
    shapes = [image_shape(one) or one.array.shape for one in inputs] or [()]
    plain = len(shapes) == 1 and len(shapes[0]) == 4 and shapes[0][0] == 1
    sizes = ",".join("x".join(map(str, shape)) for shape in shapes)
    name = f"{model.file}@{model.sha256[:8]}" + (f"[{sizes}]" if free and not plain else "")
    return ModelSpec(
        name=name,
        family="foreign",
        task=OTHER_TASK,
        dataset="",
        classes=0,
        input_shape=shapes[0],
        output_shape=(),
        weights=f"sha256:{model.sha256}",
    )


def expected_of(
    path: Path, model: ModelFile, inputs: Sequence[Input], options: FileOptions
) -> Expected:
    """The user's reference, or what another engine computes; this machine runs the file anyway."""
    arrays = [one.array for one in inputs]
    answer = answer_of(path, model.engine, arrays, model.precision)
    if options.references:
        names = [tensor.name for tensor in model.outputs]
        given = dict(by_name(options.references, names, "output", model.file))
        outputs = [
            load_array(given[name], value.shape, f"output {name!r} of {model.file}")
            for name, value in zip(names, answer.outputs, strict=True)
            if name in given
        ]
        if len(outputs) != len(names):
            missing = ", ".join(name for name in names if name not in given)
            raise UsageError(f"{_GIVEN} must name every output of {model.file} (lacks {missing}).")
        return Expected(tuple(outputs), f"the {_GIVEN} given")
    if answer.independent or not options.here:
        return Expected(answer.outputs, answer.by)
    return Expected(unchecked=f"no other engine runs {model.file}; give its output: {_GIVEN}")


def infos(tensors: Sequence[Any], shapes: Sequence[tuple[int, ...]]) -> tuple[TensorInfo, ...]:
    return tuple(
        TensorInfo(tensor.name, tensor.dtype, shape)
        for tensor, shape in zip(tensors, shapes, strict=True)
    )


def _outputs(model: ModelFile, expected: Expected) -> tuple[TensorInfo, ...]:
    """With the sizes computed, or those that the file states (0: it leaves one free)."""
    stated = [tuple(n if isinstance(n, int) else 0 for n in one.shape) for one in model.outputs]
    shapes = [array.shape for array in expected.outputs] or stated
    return infos(model.outputs, shapes)


def keep(model: ModelFile, inputs: Sequence[Input], expected: Expected) -> Path:
    """Write arrays and operators to the cache; the folder's name depends on all of them."""
    digest = hashlib.sha256(model.sha256.encode())
    for array in (*(one.array for one in inputs), *expected.outputs):
        digest.update(f"{array.dtype} {array.shape} ".encode() + array.tobytes())
    folder = files.make_dir(files.cache_dir() / "foreign") / digest.hexdigest()[:32]
    if folder.is_dir():
        return folder
    arrays = {f"input_{i}": one.array for i, one in enumerate(inputs)}
    arrays |= {f"output_{FORWARD}_{i}": array for i, array in enumerate(expected.outputs)}
    with files.staging(folder.parent) as scratch:
        made = files.make_dir(scratch / "made")
        np.savez_compressed(made / "reference.npz", allow_pickle=False, **arrays)
        operators = OperatorMap(MAP_SCHEMA, {FORWARD: model.graph})
        files.write_json(made / "operators.json", codec.to_json(operators))
        files.publish(made, folder)
    return folder


def _side(path: Path) -> SideFile:
    return SideFile(str(path), files.sha256_file(path))


def reference_in(folder: Path, inputs: Sequence[Input], expected: Expected) -> Reference:
    side = _side(folder / "reference.npz")
    return Reference(
        file=side.file,
        sha256=side.sha256,
        photograph="; ".join(one.source for one in inputs),
        stride=1,
        inputs={FORWARD: tuple(f"input_{i}" for i in range(len(inputs)))},
        outputs={FORWARD: tuple(f"output_{FORWARD}_{i}" for i in range(len(expected.outputs)))},
    )
