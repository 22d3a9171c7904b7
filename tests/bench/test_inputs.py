"""The photograph goes in; what comes out is held against the eager model's answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seaformer.agreement import images
from seaformer.bench.inputs import check_output, prepare, read_tensor
from seaformer.bench.runner_io import OutputTensor, RunnerReport, RunnerRequest
from seaformer.core import files
from seaformer.core.artifact import Artifact, Reference
from seaformer.core.errors import CorruptArtifact, ParityError
from tests.fakes import target as fake

SHAPE = (1, 4, 4, 4)


def answered(folder: Path, values: np.ndarray[Any, Any], artifact: Artifact) -> RunnerReport:
    folder.mkdir(exist_ok=True)
    request = RunnerRequest("onnxruntime", str(artifact.path), cpus=(0,), output_dir=str(folder))
    return replace(fake.report(request), outputs=fake.write_output(request, values))


def with_reference(artifact: Artifact, path: Path, stride: int = 1) -> Artifact:
    told = Reference(path.name, files.sha256_file(path), "china.jpg", stride)
    return replace(artifact, reference=told)


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return fake.artifact(tmp_path / "made")


def test_the_input_is_the_one_the_artifact_was_proved_on(
    artifact: Artifact, tmp_path: Path
) -> None:
    prepared = prepare(artifact, tmp_path / "new" / "folder")
    with np.load(artifact.path.with_suffix(".npz")) as stored:
        assert prepared.inputs[0].read_bytes() == stored["input"].astype("<f4").tobytes()
        assert [expected.tolist() for expected in prepared.expected] == [
            stored["output_forward_0"].tolist()
        ]


def test_without_a_reference_the_input_is_the_shipped_photograph(
    artifact: Artifact, tmp_path: Path
) -> None:
    prepared = prepare(replace(artifact, reference=None), tmp_path)
    assert prepared.inputs[0].read_bytes() == images.photograph("china", 8, 8).tobytes()
    assert prepared.expected == ()
    report = answered(tmp_path / "out", np.zeros(fake.SPEC.output_shape, "float32"), artifact)
    assert check_output(artifact, "forward", report, prepared) is None


def test_a_subsampled_reference_is_compared_where_it_has_values(
    artifact: Artifact, tmp_path: Path
) -> None:
    whole = np.arange(64, dtype=np.float32).reshape(SHAPE)
    path = artifact.path.with_name("coarse.npz")
    np.savez(path, input=np.zeros((1, 3, 8, 8), "f4"), output_forward_0=whole[..., ::2, ::2])
    coarse = with_reference(artifact, path, stride=2)
    prepared = prepare(coarse, tmp_path / "in")
    right = check_output(coarse, "forward", answered(tmp_path / "o", whole, coarse), prepared)
    assert right is not None
    assert (right.max_abs, right.argmax_agreement, right.passed) == (0.0, 1.0, True)
    whole[0, 0, 2, 2] += 9
    wrong = check_output(coarse, "forward", answered(tmp_path / "o", whole, coarse), prepared)
    assert wrong is not None
    assert (wrong.max_abs, wrong.passed) == (9.0, False)


def test_a_class_map_is_judged_by_agreement_alone(artifact: Artifact, tmp_path: Path) -> None:
    classes = np.arange(1000, dtype=np.int64).reshape(1, 25, 40)
    path = artifact.path.with_name("map.npz")
    np.savez(path, input=np.zeros((1, 3, 8, 8), "f4"), output_forward_0=classes)
    mapped = with_reference(artifact, path)
    prepared = prepare(mapped, tmp_path / "in")
    seen = classes.copy()
    seen[0, 0, :3] = -1
    check = check_output(mapped, "forward", answered(tmp_path / "o", seen, mapped), prepared)
    assert check is not None
    assert (check.max_abs, check.passed) == (0.0, False)
    assert check.argmax_agreement == pytest.approx(0.997)


def test_half_precision_outputs_are_read_as_such(tmp_path: Path) -> None:
    values = np.array([0.5, -2.0], dtype="<f2")
    (tmp_path / "half.bin").write_bytes(values.tobytes())
    np.testing.assert_array_equal(read_tensor(tmp_path / "half.bin", "float16"), values)


def test_a_method_that_the_reference_does_not_hold_is_refused(
    artifact: Artifact, tmp_path: Path
) -> None:
    with pytest.raises(CorruptArtifact, match="lacks output_stem_0"):
        prepare(artifact, tmp_path, "stem")


def test_an_output_that_was_not_written_is_not_checked(artifact: Artifact, tmp_path: Path) -> None:
    prepared = prepare(artifact, tmp_path / "in")
    report = answered(tmp_path / "o", np.zeros(fake.SPEC.output_shape, "float32"), artifact)
    silent = replace(report, outputs=(OutputTensor("output", "float32", SHAPE),))
    assert check_output(artifact, "forward", silent, prepared) is None


def test_an_output_of_an_unknown_kind_is_a_wrong_answer(artifact: Artifact, tmp_path: Path) -> None:
    prepared = prepare(artifact, tmp_path / "in")
    report = answered(tmp_path / "o", np.zeros(fake.SPEC.output_shape, "float32"), artifact)
    odd = replace(report, outputs=(replace(report.outputs[0], dtype="float24"),))
    with pytest.raises(ParityError, match="cannot be read"):
        check_output(artifact, "forward", odd, prepared)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut short"])
def test_a_reference_that_is_no_npz_is_one_sentence(
    artifact: Artifact, tmp_path: Path, content: bytes
) -> None:
    path = artifact.path.with_name("broken.npz")
    path.write_bytes(content)
    with pytest.raises(CorruptArtifact, match=r"broken\.npz cannot be read as a reference"):
        prepare(with_reference(artifact, path), tmp_path / "in")


def test_a_reference_without_an_input_is_one_sentence(artifact: Artifact, tmp_path: Path) -> None:
    path = artifact.path.with_name("other.npz")
    np.savez(path, output_forward_0=np.zeros(3))
    with pytest.raises(CorruptArtifact, match=r"other\.npz cannot be read as a reference"):
        prepare(with_reference(artifact, path), tmp_path / "in")
