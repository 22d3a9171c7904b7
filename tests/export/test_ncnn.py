"""ncnn files: proved, of two files, with their precision in the text; what fails says why."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seaformer.bench.foreign import FileOptions, foreign_artifact
from seaformer.bench.inputs import external_files
from seaformer.commands._parse import artifact_files
from seaformer.core.artifact import Artifact, load_artifact
from seaformer.core.checksums import joint_sha256
from seaformer.core.errors import (
    ChecksumMismatch,
    CorruptArtifact,
    ExportError,
    ParityError,
    SeaFormerError,
    ShapeError,
    UnsupportedOperator,
    UsageError,
)
from seaformer.core.operators import load_operator_map
from seaformer.core.precision import PrecisionName
from seaformer.core.quiet import quiet
from seaformer.export import export_model
from seaformer.models._tokens import Attend, to_map, to_tokens
from seaformer.runtime import answer_of, describe_file, load_session
from seaformer.runtime._ncnn import param
from tests.nets import Gated, Parts, Small
from tests.requirements import module

INSTALL = "pip install 'seaformer[ncnn]'"
SHAPE = (1, 3, 34, 46)  # 17x23 inside: channels that ncnn pads, so that no stride is guessed


class Rolled(nn.Module):
    """An operator that pnnx converts for no engine."""

    def forward(self, image: Tensor) -> Tensor:
        spectrum: Tensor = torch.fft.fft2(image)
        return spectrum.real


class Positioned(nn.Module):
    """Attention whose scores have a constant added, with other numbers for each head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 5, 1)
        self.attend = Attend(4)
        self.register_buffer("bias", torch.randn(4, 16, 16) * 3)

    def forward(self, image: Tensor) -> Tensor:
        """1 3 4 4 to 1 5 4 4."""
        tokens = to_tokens(self.stem(image))
        y: Tensor = self.head(to_map(self.attend(tokens, tokens, tokens, self.bias), 4, 4))
        return y


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    with quiet():
        module("ncnn", INSTALL)
        module("pnnx", INSTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ncnn")


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(0)
    return Small().eval()


@pytest.fixture(scope="module", params=["fp32", "fp16"])
def artifact(request: pytest.FixtureRequest, net: nn.Module, folder: Path) -> Artifact:
    precision: PrecisionName = request.param
    return export_model(net, shape=SHAPE, format="ncnn", precision=precision, out=folder)


@pytest.fixture
def copied(artifact: Artifact, tmp_path: Path) -> Path:
    """The files of the artifact in a folder that a test may change."""
    for path in artifact.path.parent.glob(f"{artifact.path.stem}.*"):
        shutil.copy(path, tmp_path)
    return tmp_path / artifact.path.name


def test_a_file_is_proved_and_answers_as_the_network_does(
    artifact: Artifact, net: nn.Module
) -> None:
    assert [case.input for case in artifact.parity.cases] == ["china.jpg", "flower.jpg", "noise"]
    assert (artifact.parity.verified_by, artifact.parity.runtime) == ("prediction", "ncnn")
    assert artifact.spec.output_shape == artifact.methods[0].outputs[0].shape == (1, 5, 17, 23)
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected = net(x).numpy()
    (seen,) = load_session(artifact).run([x.numpy()])
    tolerance = 1e-5 if artifact.precision == "fp32" else 2e-2
    np.testing.assert_allclose(seen, expected, atol=tolerance)
    with pytest.raises(ShapeError, match="has shape"):
        load_session(artifact).run([x.numpy()[:, :, :32]])


def test_the_text_states_sizes_and_precision_for_any_program_that_opens_it(
    artifact: Artifact,
) -> None:
    network = param.read_param(artifact.path)
    assert network.inputs[0].shape == SHAPE
    assert network.precision == artifact.precision
    masks = {layer.number(31) for layer in network.layers}
    assert masks == ({3} if artifact.precision == "fp32" else {0})
    assert param.param_text(network) == artifact.path.read_text()
    described = describe_file(artifact.path)
    assert described.inputs[0].shape == SHAPE
    half = artifact.precision == "fp16"
    numbers = {"float16": 8 * 3 * 9 + 5 * 8, "float32": 8 + 5}  # weights, and biases
    assert described.weights == (numbers if half else {"float32": sum(numbers.values())})


def test_both_files_are_of_the_artifact(artifact: Artifact, copied: Path) -> None:
    (weights,) = artifact.external
    assert weights.file == artifact.path.with_suffix(".bin").name
    assert artifact.sha256 == joint_sha256(artifact.path, [weights.file])
    assert artifact.size_bytes == sum(
        path.stat().st_size for path in (artifact.path, artifact.path.with_suffix(".bin"))
    )
    assert external_files(artifact) == (str(artifact.path.with_suffix(".bin")),)
    (opened,) = artifact_files(sorted(copied.parent.iterdir()))  # a shell's artifacts/*
    assert opened.sha256 == artifact.sha256

    bin_path = copied.with_suffix(".bin")
    whole = bin_path.read_bytes()
    bin_path.write_bytes(whole[:-4] + b"\0\0\0\1")
    with pytest.raises(ChecksumMismatch, match=rf"{bin_path.name} is not the file"):
        load_artifact(copied)
    bin_path.unlink()
    with pytest.raises(CorruptArtifact, match=rf"has its weights in {bin_path.name}, which is"):
        load_artifact(copied)
    bin_path.write_bytes(whole)
    copied.write_text(copied.read_text().replace("31=3", "31=1").replace("in0", "in1"))
    with pytest.raises(ChecksumMismatch, match=rf"{copied.name} is not the file"):
        load_artifact(copied)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("7767517", "7767518"), "its first line must be 7767517"),
        (lambda text: text.rsplit("\n", 2)[0] + "\n", r"is not whole: expected \d+ layers, found"),
        (lambda text: text.replace("Convolution ", "Convolution9 ", 1), "the layer Convolution9, "),
        (lambda text: text.replace(" 1 1 in0", " one 1 in0"), "is not a layer"),
    ],
)
def test_a_text_of_another_kind_is_refused_in_a_sentence(
    copied: Path, change: object, message: str
) -> None:
    copied.write_text(change(copied.read_text()))  # type: ignore[operator]
    copied.with_name(copied.name + ".json").unlink()
    with pytest.raises(CorruptArtifact, match=message):
        foreign_artifact(copied)


@pytest.mark.parametrize(
    "line",
    [
        "Convolution c 1 1 in0 out 0=0 1=1 6=9",
        "Convolution c 1 1 in0 out 0=--4 1=1 6=9",
        "Convolution c 1 1 in0 out 0=4 1=1 6=-9",
        f"Convolution c 1 1 in0 out 0={'9' * 5000} 1=1 6=9",
        "Split s 1 1 in0 in0",
    ],
)
def test_a_text_with_impossible_numbers_has_unknown_channels(line: str, tmp_path: Path) -> None:
    path = tmp_path / "n.param"
    path.write_text(f"7767517\n2 2\nInput in0 0 1 in0\n{line}\n")
    path.with_suffix(".bin").write_bytes(bytes(64))
    (image,) = describe_file(path).inputs
    assert image.shape == (1, "?", "height", "width")


@pytest.mark.parametrize("groups", [1, 8])
def test_a_convolution_whose_dilation_is_wider_than_its_output_ends_no_process(
    groups: int, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    wide = nn.Conv2d(8, 8, 3, padding=6, dilation=6, groups=groups)
    net = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), wide, nn.Conv2d(8, 5, 1)).eval()
    artifact = export_model(net, shape=(1, 3, 2, 2), format="ncnn", out=tmp_path)
    image = torch.rand(1, 3, 2, 2)
    answer = answer_of(artifact.path, "ncnn", [image.numpy()], "fp32")
    with torch.no_grad():
        np.testing.assert_allclose(answer.outputs[0], net(image).numpy(), atol=1e-5)
    assert "without Winograd on" in answer.by


@pytest.mark.parametrize("head", [f"{'9' * 5000} 2", "1 1\nInput in0 0 0"])
def test_a_text_that_ncnn_cannot_read_is_refused(head: str, tmp_path: Path) -> None:
    path = tmp_path / "n.param"
    path.write_text(f"7767517\n{head}\n")
    with pytest.raises(CorruptArtifact, match="is not an ncnn network"):
        describe_file(path)


def test_weights_of_another_network_and_missing_ones_are_refused(copied: Path) -> None:
    copied.with_name(copied.name + ".json").unlink()
    weights = copied.with_suffix(".bin")
    weights.write_bytes(weights.read_bytes()[:40])
    with pytest.raises(CorruptArtifact, match="does not hold the weights of"):
        foreign_artifact(copied)
    weights.unlink()
    with pytest.raises(CorruptArtifact, match=r"weights in .*\.bin, which is missing"):
        foreign_artifact(copied)


def test_a_strangers_file_takes_its_sizes_from_the_command(copied: Path) -> None:
    copied.with_name(copied.name + ".json").unlink()
    text = copied.read_text()
    line = next(line for line in text.splitlines() if line.startswith("Input"))
    copied.write_text(text.replace(line, " ".join(line.split()[:5])))
    (tensor,) = describe_file(copied).inputs
    assert tensor.shape == (1, 3, "height", "width")  # the channels are the first convolution's
    artifact = foreign_artifact(copied, FileOptions(size=(34, 46)))
    assert artifact.spec.input_shape == SHAPE
    assert artifact.foreign is not None
    assert artifact.foreign.external == (copied.with_suffix(".bin").name,)
    assert artifact.foreign.judged_by.startswith("ncnn 1.0.")
    with pytest.raises(UsageError, match="leaves sizes free"):
        foreign_artifact(copied)


def test_an_operator_that_pnnx_leaves_is_named_and_nothing_is_kept(tmp_path: Path) -> None:
    with pytest.raises(SeaFormerError) as caught:
        export_model(Rolled(), shape=(1, 3, 32, 32), format="ncnn", out=tmp_path)
    assert isinstance(caught.value, UnsupportedOperator)
    assert "fft" in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_what_each_head_adds_to_its_scores_is_computed_and_without_the_rewrite_refused(
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    net = Positioned().eval()
    artifact = export_model(net, shape=(1, 3, 4, 4), format="ncnn", out=tmp_path)
    assert artifact.rewrites == {"ncnn-attend": 1}
    with pytest.raises(ParityError):
        export_model(
            net, shape=(1, 3, 4, 4), format="ncnn", out=tmp_path, no_rewrite=("ncnn-attend",)
        )


def test_components_are_cut_out_of_the_same_file_and_layers_have_their_modules(
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    net = Parts().eval()
    artifact = export_model(net, shape=SHAPE, format="ncnn", components=True, out=tmp_path)
    assert artifact.components == ("stem", "head")
    assert {case.input for case in artifact.parity.cases} >= {"stem:china.jpg", "head:noise"}
    assert "stem, head: cut out of this graph by its blobs; weights are shared" in artifact.notes
    assert all(not method.file for method in artifact.methods)
    assert describe_file(artifact.path).methods == ("forward", "stem", "head")
    x = torch.randn((1, 8, 17, 23), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected = net.head(x).numpy()
    (seen,) = load_session(artifact).run([x.numpy()], "head")
    np.testing.assert_allclose(seen, expected, atol=1e-5)
    with pytest.raises(CorruptArtifact, match="has no method 'neck'; it has forward, stem, head"):
        load_session(artifact).run([x.numpy()], "neck")

    operators = load_operator_map(artifact).methods["forward"]
    convolutions = [each.module for each in operators if each.kind == "Convolution"]
    assert convolutions == ["stem.1", "twice", "twice", "head"]  # its ReLU is fused into the first
    assert len({name for each in operators for name in each.names}) == len(operators)


@pytest.mark.slow
def test_layers_and_components_in_half_precision_are_those_in_single_precision(
    tmp_path: Path,
) -> None:
    """Rounded weights move the last values of a deep network away from those of its modules."""
    found = [
        export_model("seaformer_t", size=(128, 128), format="ncnn", precision=precision,
               components=True, out=tmp_path)
        for precision in ("fp32", "fp16")
    ]  # fmt: skip
    assert found[0].components == found[1].components == ("stem", "context", "spatial", "head")
    single, half = (load_operator_map(each).methods["forward"] for each in found)
    assert [each.module for each in single] == [each.module for each in half]


def test_a_component_whose_end_is_fused_away_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="component stem cannot be cut out, because no blob has"):
        export_model(Gated().eval(), shape=SHAPE, format="ncnn", components=True, out=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "line", ["#method stem 1 1 in0 9", "#method stem 0 1 9", "#method", "#method a 1 2 b=1x2 c"]
)
def test_a_method_that_is_not_one_is_refused(copied: Path, line: str) -> None:
    with copied.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(CorruptArtifact, match="is not a method"):
        param.read_param(copied)
