"""The door for manifests: what a file names and counts is checked before anything is opened.

A manifest may come from anybody. The codec has checked the types; here a name has to be a bare file
name, a format, precision or scope one that has a row, a number in its range, and shapes that are
stated twice have to agree. Everything else is refused with the field's name.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seaformer.core import codec
from seaformer.core.engine import formats
from seaformer.core.errors import CorruptArtifact
from seaformer.core.free import AXES
from seaformer.core.precision import names
from seaformer.core.preprocessing import fault_of

if TYPE_CHECKING:
    from seaformer.core.artifact import Artifact, Method, TensorInfo

DTYPES = (
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
)
_BARE = re.compile(r"[^/\\\x00-\x1f\x7f]{1,255}")
LARGEST_TENSOR = 1 << 31  # values: 8 GB of float32, more than any network here takes


@dataclass(frozen=True)
class _Fault:
    """One field, the rule it breaks, and its value."""

    field: str
    rule: str
    value: object


def check_manifest(
    artifact: Artifact, where: str, scopes: Mapping[str, Sequence[str]], parts: str
) -> None:
    """Raise ``CorruptArtifact`` for the first field of a manifest that cannot be used.

    Args:
        artifact: the manifest, of the right types.
        where: the manifest's name in messages.
        scopes: what a graph may end with, by task.
        parts: what the folder of components ends with.
    """
    for fault in _faults(artifact, scopes, parts):
        value = codec.shortened(repr(fault.value))
        raise CorruptArtifact(
            f"{where}: {fault.field} must be {fault.rule} (got {value}).",
            hint="The manifest was changed, or is of another version: export the model again.",
        )


def is_bare(name: str) -> bool:
    """Whether a name stays in the folder it is joined to: no separator, and not a folder above."""
    try:
        os.fsencode(name)  # half of a surrogate pair names no file
    except UnicodeEncodeError:
        return False
    return bool(_BARE.fullmatch(name)) and name not in (".", "..")


def _faults(
    artifact: Artifact, scopes: Mapping[str, Sequence[str]], parts: str
) -> Iterator[_Fault]:
    spec = artifact.spec
    yield from _one_of("format", artifact.format, formats())
    yield from _one_of("precision", artifact.precision, names())
    yield from _one_of("spec.task", spec.task, scopes)
    yield from _one_of("scope", artifact.scope, scopes.get(spec.task, ()))
    for place, axis in enumerate(artifact.free_axes):
        yield from _one_of(f"free_axes[{place}].name", axis.name, AXES)
    yield from _files(artifact, parts)
    yield from _counts(artifact)
    yield from _tensor("spec.input_shape", spec.input_shape)
    yield from _tensor("spec.output_shape", spec.output_shape)
    for place, method in enumerate(artifact.methods):
        yield from _tensors(f"methods[{place}].inputs", method.inputs)
        yield from _tensors(f"methods[{place}].outputs", method.outputs)
    if artifact.preprocessing and (fault := fault_of(artifact.preprocessing)):
        yield _Fault(f"preprocessing.{fault[0]}", *fault[1:])
    yield from _agreement(artifact)


def _one_of(field: str, value: str, known: Collection[str]) -> Iterator[_Fault]:
    if value not in known:
        yield _Fault(field, f"one of {', '.join(known)}", value)


def _files(artifact: Artifact, parts: str) -> Iterator[_Fault]:
    """Names are joined to the artifact's folder, and some become file names of a bench."""
    bare = "a bare file name"
    reference, operators = artifact.reference, artifact.operator_map
    named = [("file", artifact.file)]
    named += [("reference.file", reference.file)] if reference else []
    named += [("operator_map.file", operators.file)] if operators else []
    named += [(f"external[{i}].file", side.file) for i, side in enumerate(artifact.external)]
    yield from (_Fault(field, bare, name) for field, name in named if not is_bare(name))
    for place, method in enumerate(artifact.methods):
        folder, slash, name = method.file.rpartition("/")
        inside = is_bare(name) and (not slash or (is_bare(folder) and folder.endswith(parts)))
        if method.file and not inside:
            yield _Fault(f"methods[{place}].file", f"a file in a folder *{parts}", method.file)
    for field in ("inputs", "outputs") if reference else ():
        arrays = [name for each in getattr(reference, field).values() for name in each]
        yield from (_Fault(f"reference.{field}", bare, n) for n in arrays if not is_bare(n))


def _counts(artifact: Artifact) -> Iterator[_Fault]:
    spec, reference, delegation = artifact.spec, artifact.reference, artifact.delegation
    positive = [("spec.classes", spec.classes), ("spec.size_step", spec.size_step)]
    positive += [(f"free_axes.{axis.name}.step", axis.step) for axis in artifact.free_axes]
    positive += [("reference.stride", reference.stride)] if reference else []
    natural = [("size_bytes", artifact.size_bytes)]
    natural += [(f"operators.{name}", count) for name, count in artifact.operators.items()]
    natural += [(f"rewrites.{name}", count) for name, count in artifact.rewrites.items()]
    if delegation:
        natural += [("delegation.subgraphs", delegation.subgraphs)]
        natural += [("delegation.delegated_ops", delegation.delegated_ops)]
        natural += [(f"delegation.outside.{one.op}", one.count) for one in delegation.outside]
    yield from (_Fault(field, "at least 1", value) for field, value in positive if value < 1)
    yield from (_Fault(field, "at least 0", value) for field, value in natural if value < 0)


def _tensors(field: str, tensors: Sequence[TensorInfo]) -> Iterator[_Fault]:
    for place, tensor in enumerate(tensors):
        yield from _tensor(f"{field}[{place}].shape", tensor.shape)
        yield from _one_of(f"{field}[{place}].dtype", tensor.dtype, DTYPES)


def _tensor(field: str, shape: Sequence[int]) -> Iterator[_Fault]:
    if min(shape, default=1) < 1 or math.prod(shape) > LARGEST_TENSOR:
        yield _Fault(field, f"sizes from 1 on, at most {LARGEST_TENSOR} values", list(shape))


def _agreement(artifact: Artifact) -> Iterator[_Fault]:
    """Each method once, the whole network among them, and of the shapes that the spec states."""
    methods = [method.name for method in artifact.methods]
    if len(set(methods)) != len(methods):
        yield _Fault("methods", "named differently", methods)
    whole = next((method for method in artifact.methods if method.name == "forward"), None)
    if whole is None:
        yield _Fault("methods", "the network (forward) and its components", methods)
    else:
        yield from _shapes(artifact, whole)


def _shapes(artifact: Artifact, whole: Method) -> Iterator[_Fault]:
    """The shape of the input, and of the output where nothing was added behind the network."""
    spec = artifact.spec
    preprocessing = artifact.preprocessing
    taken = preprocessing.shape_of(spec.input_shape) if preprocessing else spec.input_shape
    yield from _same("spec.input_shape", taken, whole.inputs)
    if artifact.scope == "logits":
        yield from _same("spec.output_shape", spec.output_shape, whole.outputs)


def _same(field: str, stated: Sequence[int], tensors: Sequence[TensorInfo]) -> Iterator[_Fault]:
    own = tensors[0].shape if tensors else ()
    if own != stated:
        yield _Fault(field, f"{list(own)}, that of forward", list(stated))
