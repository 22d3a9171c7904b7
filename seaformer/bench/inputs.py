"""What a runner is fed, and whether it answered what the eager model answered.

The input is the photograph the artifact was proved on, taken from the reference file beside it;
the answer is compared with the eager model's, kept in the same file. A file without a manifest has
both in the cache (``foreign.py``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seaformer.agreement import images
from seaformer.agreement.parity import compare_all
from seaformer.bench import tails
from seaformer.bench.arrays import load_arrays
from seaformer.bench.runner_io import OutputTensor, RunnerReport, RunnerRequest
from seaformer.core import files
from seaformer.core.artifact import FORWARD, Artifact
from seaformer.core.engine import runner_engine
from seaformer.core.errors import ChecksumMismatch, CorruptArtifact, ParityError
from seaformer.core.measurement import OutputCheck
from seaformer.core.plan import RunPlan, is_tail
from seaformer.core.precision import tolerance_of
from seaformer.core.request import OTHER_TASK

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Prepared:
    """Input files of one method, and the answers to expect; ``expected`` is empty without any."""

    inputs: tuple[Path, ...]
    expected: tuple[Array, ...]
    stride: int


def prepare(artifact: Artifact, folder: Path, method: str = FORWARD) -> Prepared:
    """Write the raw inputs of a method into ``folder`` and load its reference.

    Raises ``ChecksumMismatch`` or ``CorruptArtifact`` when the reference is not the one the
    manifest names, or lacks an array that it names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    method = FORWARD if is_tail(method) else method
    reference, spec = artifact.reference, artifact.spec
    if reference is None:
        path = folder / "image.bin"
        _write(path, images.photograph("china", spec.height, spec.width))
        return Prepared((path,), (), 1)
    stored = _reference(artifact)
    names = {*reference.inputs_of(method), *reference.outputs_of(method)}
    if missing := sorted(names - set(stored)):
        raise CorruptArtifact(
            f"{reference.file} lacks {', '.join(missing)}, which {artifact.file} {method} needs.",
            hint="Export the model again.",
        )
    paths = tuple(folder / f"{name}.bin" for name in reference.inputs_of(method))
    for path, name in zip(paths, reference.inputs_of(method), strict=True):
        _write(path, stored[name])
    expected = tuple(stored[name] for name in reference.outputs_of(method))
    return Prepared(paths, expected, reference.stride)


def chosen_shapes(artifact: Artifact) -> tuple[tuple[int, ...], ...]:
    """Sizes of the inputs for the runner, where the file leaves some free."""
    if artifact.foreign is None and artifact.free_axes:
        return tuple(tensor.shape for tensor in artifact.method(FORWARD).inputs)
    return artifact.foreign.shapes if artifact.foreign else ()


def external_files(artifact: Artifact) -> tuple[str, ...]:
    """Files beside the model that its engine opens too."""
    return tuple(str(artifact.path.parent / name) for name in artifact.weight_files)


def request_of(
    artifact: Artifact,
    method: str,
    plan: RunPlan,
    prepared: Prepared,
    *,
    cpus: tuple[int, ...] = (),
    output_dir: str | None = None,
) -> RunnerRequest:
    """One process of a plan; paths are this computer's."""
    model, name = tails.callable_of(artifact, method)
    tail = tails.tail_of(artifact, plan.tail) if is_tail(method) else None
    return RunnerRequest(
        engine=runner_engine(artifact.format, artifact.file).name,
        model=str(model),
        threads=1 if tail else plan.threads,
        method=name,
        cpus=cpus,
        inputs=tuple(map(str, prepared.inputs)),
        seed=plan.seed,
        output_dir=output_dir,
        warmup=plan.warmup,
        stop=plan.stop,
        shapes=chosen_shapes(artifact),
        external=external_files(artifact),
        tail=tail,
    )


def check_output(
    artifact: Artifact, method: str, report: RunnerReport, prepared: Prepared
) -> OutputCheck | None:
    """Compare the runner's outputs with the reference; ``None`` without a reference."""
    if not all(output.file for output in report.outputs):
        return None
    if is_tail(method):
        size = (artifact.spec.height, artifact.spec.width)
        return tails.check_classes([_output(output) for output in report.outputs], size)
    if not prepared.expected:
        return _check_finite(report)
    pairs = zip(report.outputs, prepared.expected, strict=False)
    seen = [_like(_output(output), tensor, prepared.stride) for output, tensor in pairs]
    tolerance = tolerance_of(artifact.precision)
    scores = artifact.spec.task != OTHER_TASK
    case = compare_all(method, method, seen, prepared.expected, tolerance, scores=scores)
    return OutputCheck(
        max_abs=case.max_abs or 0.0,
        relative_error=case.relative_error or 0.0,
        argmax_agreement=case.argmax_agreement,
        passed=case.passed,
        psnr_db=case.psnr_db,
    )


def _check_finite(report: RunnerReport) -> OutputCheck | None:
    """Without anything to compare with, only an infinity or a NaN is known to be wrong."""
    outputs = [_output(output) for output in report.outputs]
    if all(bool(np.isfinite(each).all()) for each in outputs):
        return None
    return OutputCheck(math.inf, math.inf, argmax_agreement=None, passed=False)


def _output(output: OutputTensor) -> Array:
    try:
        seen = read_tensor(Path(output.file or ""), output.dtype)
    except (OSError, TypeError) as error:
        raise ParityError(
            f"The output that the runner reported cannot be read: {error}."
        ) from error
    if seen.size != int(np.prod(output.shape)):
        raise ParityError(
            f"The runner wrote {seen.size} values for an output of shape {output.shape}."
        )
    return seen.reshape(output.shape)


def _like(seen: Array, expected: Array, stride: int) -> Array:
    """Subsampled as the reference is; what another method takes is stored complete."""
    return seen if stride == 1 or seen.shape == expected.shape else seen[..., ::stride, ::stride]


def read_tensor(path: Path, dtype: str) -> Array:
    """A raw little-endian tensor as the runner writes it, flat; bfloat16 as float32."""
    if dtype == "bfloat16":
        upper = np.fromfile(path, dtype="<u2").astype(np.uint32)
        return (upper << 16).view(np.float32)
    return np.fromfile(path, dtype=np.dtype(dtype).newbyteorder("<"))


def written_as(array: Array) -> Array:
    """As the runner reads it: float32 for floating numbers of any width, else the array's type."""
    return array.astype(
        np.dtype("<f4") if array.dtype.kind == "f" else array.dtype.newbyteorder("<")
    )


def _reference(artifact: Artifact) -> dict[str, Array]:
    assert artifact.reference is not None
    path = artifact.path.parent / artifact.reference.file
    if not path.is_file():
        raise CorruptArtifact(
            f"{path.name} is missing beside {artifact.file}: its output cannot be checked.",
            hint="Keep the artifact, its manifest and its reference together, or export it again.",
        )
    if files.sha256_file(path) != artifact.reference.sha256:
        raise ChecksumMismatch(
            f"{path} is not the reference its manifest names.", hint="Export the model again."
        )
    try:
        stored = load_arrays(path)
    except (OSError, ValueError) as error:
        raise CorruptArtifact(f"{path} cannot be read as a reference: {error}.") from error
    if not artifact.foreign and "input" not in stored:
        raise CorruptArtifact(f"{path} cannot be read as a reference: it has no input.")
    return stored


def _write(path: Path, array: Array) -> None:
    with files.os_errors(str(path)):
        path.write_bytes(written_as(array).tobytes())
