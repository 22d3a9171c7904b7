"""What a runner is fed, and whether it answered what the eager model answered.

The input is the photograph the artifact was proved on, taken from the reference file beside it;
the answer is compared with the eager model's, kept in the same file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from seaformer.bench.runner_io import RunnerReport
from seaformer.core import files
from seaformer.core.artifact import Artifact
from seaformer.core.errors import ChecksumMismatch, CorruptArtifact, ParityError
from seaformer.core.measurement import OutputCheck
from seaformer.data import images
from seaformer.data.parity import TOLERANCES, compare

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Prepared:
    """Input files for the runner, and the answers to expect; ``expected`` is empty without any."""

    inputs: tuple[Path, ...]
    expected: Mapping[str, Array]
    stride: int


def prepare(artifact: Artifact, folder: Path) -> Prepared:
    """Write the raw float32 input of ``artifact`` into ``folder`` and load its reference.

    Raises ``ChecksumMismatch`` or ``CorruptArtifact`` when the reference is not the one the
    manifest names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "image.bin"
    spec = artifact.spec
    if artifact.reference is None:
        _write(path, images.photograph("china", spec.height, spec.width))
        return Prepared((path,), {}, 1)
    stored = _reference(artifact)
    _write(path, stored.pop("input"))
    return Prepared((path,), stored, artifact.reference.stride)


def check_output(
    artifact: Artifact, method: str, report: RunnerReport, prepared: Prepared
) -> OutputCheck | None:
    """Compare the runner's first output with the reference; ``None`` without a reference."""
    expected = prepared.expected.get(f"output_{method}_0")
    if expected is None or not report.outputs or not report.outputs[0].file:
        return None
    try:
        seen = read_tensor(Path(report.outputs[0].file), report.outputs[0].dtype)
    except (OSError, TypeError) as error:
        raise ParityError(f"The output the runner tells of cannot be read: {error}.") from error
    shape = report.outputs[0].shape
    if seen.size != int(np.prod(shape)):
        raise ParityError(f"The runner wrote {seen.size} values for an output of shape {shape}.")
    seen = seen.reshape(shape)
    if prepared.stride > 1:
        seen = seen[..., :: prepared.stride, :: prepared.stride]
    case = compare(method, seen, expected, TOLERANCES[artifact.precision])
    return OutputCheck(
        max_abs=case.max_abs or 0.0,
        relative_error=case.relative_error or 0.0,
        argmax_agreement=case.argmax_agreement,
        passed=case.passed,
    )


def read_tensor(path: Path, dtype: str) -> Array:
    """A raw little-endian tensor as the runner writes it, flat."""
    return np.fromfile(path, dtype=np.dtype(dtype).newbyteorder("<"))


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
        # numpy leaves a file open that it opened itself and found damaged.
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as stored:
            return {"input": stored["input"]} | {name: stored[name] for name in stored.files}
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        raise CorruptArtifact(f"{path} is no reference that can be read: {error}.") from error


def _write(path: Path, image: Array) -> None:
    with files.os_errors(str(path)):
        path.write_bytes(image.astype("<f4").tobytes())
