"""A file whose manifest leaves sizes free, at a size that was asked for.

At the exported size its reference is used as it is. At any other the photograph is resized, and the
expected output is what another engine computes for it on this machine, as of a file without a
manifest (``foreign.py``). A row states its own size either way.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from seaformer.bench.foreign_inputs import choose_inputs
from seaformer.core.artifact import FORWARD, Artifact, Method
from seaformer.core.errors import UsageError
from seaformer.core.foreign import Foreign
from seaformer.core.free import PLACES, Shape, check_sizes
from seaformer.core.preprocessing import RAW_NHWC
from seaformer.core.registry import unknown
from seaformer.runtime import describe_file

if TYPE_CHECKING:
    from seaformer.bench.foreign import FileOptions

_LAYOUT = (0, 3, 1, 2)  # of an input (N, H, W, C), where (N, C, H, W) has its axes


def at_size(artifact: Artifact, options: FileOptions) -> Artifact:
    """The artifact at the size of the options, which is the exported one where they state none.

    Raises ``UsageError`` for a size that the file does not take.
    """
    shape = _asked(artifact, options)
    own = artifact.spec.input_shape
    check_sizes(artifact.file, artifact.free_axes, own, shape)
    return artifact if shape == own else _resized(artifact, shape, options)


def _asked(artifact: Artifact, options: FileOptions) -> Shape:
    """(N, C, H, W): ``--shape`` goes before ``--size``."""
    shape = list(artifact.spec.input_shape)
    if options.size is not None:
        shape[2:] = options.size
    tensor = artifact.method(FORWARD).inputs[0]
    for name, sizes in options.shapes:
        if name == tensor.name and len(sizes) == len(shape):
            shape = [sizes[place] for place in _LAYOUT] if _is_nhwc(artifact) else list(sizes)
        elif name in PLACES and len(sizes) == 1:
            shape[PLACES[name]] = sizes[0]
        elif name in (*PLACES, tensor.name):
            text = "x".join(map(str, sizes))
            rule = "one number" if name in PLACES else f"{len(shape)} numbers"
            raise UsageError(f"--shape {name} must be {rule} (got {text}).")
        else:
            raise unknown(f"axis of {artifact.file}", name, (*PLACES, tensor.name))
    return tuple(shape)


def _is_nhwc(artifact: Artifact) -> bool:
    return artifact.preprocessing is not None and artifact.preprocessing.input == RAW_NHWC


def _resized(artifact: Artifact, shape: Shape, options: FileOptions) -> Artifact:
    from seaformer.bench import foreign

    taken = artifact.preprocessing.shape_of(shape) if artifact.preprocessing else shape
    model = describe_file(artifact.path)
    given = replace(options, size=None, shapes=((model.inputs[0].name, taken),))
    inputs = choose_inputs(model, given)
    expected = foreign.expected_of(artifact.path, model, inputs, given)
    folder = foreign.keep(model, inputs, expected)
    first = expected.outputs[0].shape if expected.outputs else artifact.spec.output_shape
    spec, batch = artifact.spec, shape[0]
    name = spec.name if batch == 1 else f"{spec.name}[{'x'.join(map(str, shape))}]"
    method = artifact.method(FORWARD)
    shapes = [array.shape for array in expected.outputs] or [t.shape for t in method.outputs]
    outputs = foreign.infos(method.outputs, shapes)
    return replace(
        artifact,
        spec=replace(spec, name=name, input_shape=shape, output_shape=first, paper=None),
        methods=(Method(FORWARD, foreign.infos(method.inputs, [taken]), outputs),),
        reference=foreign.reference_in(folder, inputs, expected),
        foreign=Foreign(
            shapes=(taken,),
            fed="; ".join(f"{one.tensor.name}: {one.source}" for one in inputs),
            judged_by=expected.by,
            unchecked=expected.unchecked,
            described=True,
        ),
    )
