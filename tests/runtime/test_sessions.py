"""Sessions: arrays in, arrays out, the same answer as the eager model, and clear refusals."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from seaformer import load_session
from seaformer.core.artifact import load_artifact, manifest_path
from seaformer.core.errors import ChecksumMismatch, CorruptArtifact, ShapeError, UnknownName
from seaformer.core.quiet import quiet
from seaformer.runtime import RUNTIMES
from seaformer.runtime._session import Array
from tests.exports import CommandExport


@pytest.fixture(scope="module", autouse=True)
def _engines() -> None:
    """Imported where a test needs them, not by each worker that lists the tests: 3 s."""
    with quiet():  # their imports warn about themselves, and warnings are errors here
        for engine in ("onnxruntime", "executorch"):
            RUNTIMES.load(engine)


@pytest.fixture(params=["onnx", "executorch"])
def path(request: pytest.FixtureRequest, exported: CommandExport) -> Path:
    found: Path = getattr(exported, request.param)
    return found


def stored(path: Path) -> tuple[Array, Array]:
    """The input and the eager model's answer beside an artifact."""
    with np.load(path.with_name(f"{path.name}.reference.npz")) as reference:
        return reference["input"], reference["output_forward_0"]


def test_a_session_answers_what_the_eager_model_answered(path: Path) -> None:
    image, expected = stored(path)
    session = load_session(path)
    (first,) = session.run([image])
    assert first.shape == (1, 150, 8, 12)
    assert first.dtype == np.float32
    np.testing.assert_allclose(first, expected, atol=5e-4)
    (other,) = session.run([image + 1])
    assert not np.allclose(first, other)
    (again,) = session.run([image])
    np.testing.assert_array_equal(first, again)  # and the first answer was not written over
    np.testing.assert_allclose(first, expected, atol=5e-4)


def test_a_session_opens_an_artifact_its_file_or_its_manifest(path: Path) -> None:
    image, _ = stored(path)
    answers = [
        load_session(named).run([image])[0]
        for named in (load_artifact(path), str(path), manifest_path(path))
    ]
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], answers[2])


def test_other_kinds_of_numbers_are_cast(path: Path) -> None:
    image, _ = stored(path)
    session = load_session(path)
    strided = np.asfortranarray(image.astype(np.float64))
    np.testing.assert_array_equal(session.run([strided])[0], session.run([image])[0])


@pytest.mark.parametrize("shape", [(1, 3, 96, 64), (2, 3, 64, 96), (1, 1, 64, 96), (3, 64, 96)])
def test_an_image_of_another_size_is_refused(path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"has shape \(1, 3, 64, 96\), found") as caught:
        load_session(path).run([np.zeros(shape, np.float32)])
    assert "export --size" in caught.value.hint


@pytest.mark.parametrize("count", [0, 2])
def test_another_number_of_inputs_is_refused(path: Path, count: int) -> None:
    with pytest.raises(ShapeError, match=rf"takes 1 input, {count} given"):
        load_session(path).run([np.zeros((1, 3, 64, 96), np.float32)] * count)


def test_a_method_that_is_not_there_is_refused(path: Path) -> None:
    image, _ = stored(path)
    with pytest.raises(CorruptArtifact, match="has no method 'stem'; it has forward"):
        load_session(path).run([image], "stem")


def test_a_changed_file_is_refused_before_an_engine_sees_it(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes()[:-100])
    manifest_path(copy).write_bytes(manifest_path(path).read_bytes())
    with pytest.raises(ChecksumMismatch, match="is not the file its manifest describes"):
        load_session(copy)


@pytest.mark.parametrize("content", [b"", b"no model at all" * 10])
@pytest.mark.parametrize("engine", ["onnxruntime", "executorch"])
def test_a_file_the_engine_cannot_load_is_one_sentence(
    tmp_path: Path, engine: str, content: bytes
) -> None:
    broken = tmp_path / "broken.bin"
    broken.write_bytes(content)
    with pytest.raises(CorruptArtifact, match=r"cannot load .*broken\.bin") as caught:
        RUNTIMES.load(engine).open_session(broken)
    assert "\n" not in caught.value.message


def test_an_engine_nobody_registered_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName) as caught:
        RUNTIMES.load("onnxruntme")
    assert caught.value.hint == "Did you mean onnxruntime?"


def test_opening_and_running_a_file_prints_nothing(path: Path) -> None:
    code = (
        "import sys, numpy, seaformer\n"
        "session = seaformer.load_session(sys.argv[1])\n"
        "session.run([numpy.zeros((1, 3, 64, 96), numpy.float32)])\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, timeout=300, check=True
    )
    assert (finished.stdout, finished.stderr) == ("", "")


class Picks(nn.Module):
    """A table's row by a number that the input has: beyond its end an engine gives up."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(4, 3)

    def forward(self, number: torch.Tensor) -> torch.Tensor:
        row: torch.Tensor = self.table(number)
        return row


def test_a_program_that_gives_up_is_a_sentence(tmp_path: Path) -> None:
    with quiet():
        from executorch.exir import to_edge

        program = torch.export.export(Picks().eval(), (torch.tensor([1]),))
        path = tmp_path / "picks.pte"
        path.write_bytes(to_edge(program).to_executorch().buffer)
    session = RUNTIMES.load("executorch").open_session(path)
    assert session.run([np.array([2])])[0].shape == (1, 3)
    with pytest.raises(CorruptArtifact, match=r"ExecuTorch cannot run .*picks\.pte: "):
        session.run([np.array([9])])
