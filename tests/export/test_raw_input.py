"""``--input uint8``: a file that takes pixels normalises them as numpy does, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from seaformer.agreement import images
from seaformer.core import codec
from seaformer.core.artifact import Artifact, load_artifact, manifest_path
from seaformer.core.errors import CorruptArtifact, SeaFormerError
from seaformer.core.preprocessing import FLOAT, Preprocessing
from seaformer.core.request import ExportRequest
from seaformer.export import export_model, export_request
from seaformer.export._raw_input import Normalise
from seaformer.runtime import load_session
from tests import nets

SIZE = (32, 48)
SHAPE = (1, 3, *SIZE)
BGR = Preprocessing((1.0, 2.0, 3.0), (0.3, 0.7, 255.0), "BGR")


class Same(nn.Module):
    """What goes in comes out: a convolution by one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, groups=3, bias=False)
        nn.init.ones_(self.conv.weight)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.conv(image))


CASES = [
    ("onnx", "fp32", "uint8"),
    ("executorch", "fp32", "uint8-nhwc"),
    pytest.param("onnx", "fp32", "uint8-nhwc", marks=pytest.mark.slow),
    pytest.param("onnx", "fp16", "uint8", marks=pytest.mark.slow),
    pytest.param("executorch", "fp32", "uint8", marks=pytest.mark.slow),
    pytest.param("executorch", "fp16", "uint8", marks=pytest.mark.slow),
    pytest.param("executorch", "fp16", "uint8-nhwc", marks=pytest.mark.slow),
    pytest.param("onnx", "fp16", "uint8-nhwc", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("format", "precision", "input"), CASES)
def test_the_file_normalises_exactly(
    format: str, precision: str, input: str, tmp_path: Path
) -> None:
    """With half the normalised image is rounded once, when it is ready."""
    artifact = export_model(
        Same().eval(),
        shape=SHAPE,
        format=format,  # type: ignore[arg-type]
        precision=precision,  # type: ignore[arg-type]
        input=input,
        out=tmp_path,
    )
    assert artifact.file.startswith(f"same__32x48__{precision}__{input}.")
    assert artifact.graph == f"{input}+logits"
    assert artifact.preprocessing is not None
    (taken,) = artifact.methods[0].inputs
    assert taken.dtype == "uint8"
    assert taken.shape == ((1, 32, 48, 3) if input == "uint8-nhwc" else SHAPE)
    pixels = images.pixels("flower", *SIZE)
    expected = images.normalised(pixels, artifact.preprocessing)
    raw = images.raw_input(pixels, artifact.preprocessing)
    session = load_session(artifact)
    with pytest.raises(SeaFormerError, match="takes 8-bit pixels, found float32"):
        session.run([raw.astype(np.float32)])
    (seen,) = session.run([raw])
    once = expected.astype(np.float16)
    if precision == "fp16" and format == "executorch":
        np.testing.assert_array_equal(seen, once)
    else:  # ONNX Runtime on x86 computes half in single: either is right, nothing between
        exact = expected if np.array_equal(seen, expected) or precision == "fp32" else once
        np.testing.assert_array_equal(seen, exact)


@pytest.mark.parametrize("input", ["uint8", "uint8-nhwc"])
def test_channels_are_swapped_after_they_come_in(input: str) -> None:
    stated = codec.from_json(Preprocessing, codec.to_json(BGR) | {"input": input})
    pixels = images.pixels("china", *SIZE)
    seen = Normalise(stated)(torch.from_numpy(images.raw_input(pixels, stated))).numpy()
    np.testing.assert_array_equal(seen, images.normalised(pixels, stated))
    np.testing.assert_array_equal(
        seen[0, 0], (pixels[..., 2].astype(np.float32) - np.float32(1)) / np.float32(0.3)
    )


def test_an_onnx_file_carries_its_pre_processing_and_classes(tmp_path: Path) -> None:
    size, zoo = (64, 64), "mobilevit_xxs.imagenet_256"
    artifact = export_model(zoo, format="onnx", size=size, input="uint8", out=tmp_path)
    pairs = {p.key: p.value for p in onnx.load(str(artifact.path)).metadata_props}
    assert (pairs["input"], pairs["layout"], pairs["channels"]) == ("uint8", "NCHW", "RGB")
    assert json.loads(pairs["mean"]) == [0, 0, 0]
    assert json.loads(pairs["std"]) == [255, 255, 255]
    assert json.loads(pairs["classes"])[1] == "goldfish"
    assert artifact.labels is not None
    assert artifact.labels.names[1] == "goldfish"
    assert all(case.passed for case in artifact.parity.cases)


def _request(**fields: object) -> ExportRequest:
    known: dict[str, object] = {"model": "seaformer_t", "format": "onnx", "size": (64, 64)}
    return ExportRequest(**(known | fields))  # type: ignore[arg-type]


MODULE = {"module": "tests.nets:Small", "model": "net", "size": None, "shape": SHAPE}


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (_request(input="int8"), "Unknown input 'int8'"),
        (_request(input="uint8", format="coreml"), "for coreml: coremltools 9.0 converts no input"),
        (_request(input="uint8-nhwc", format="ncnn"), "for ncnn: an ncnn network takes floats"),
        (_request(input="uint8", components=True), "--components and --input uint8 do not go"),
        (_request(mean=(0.0, 0.0, 0.0)), "--mean is for a module"),
        (_request(**MODULE | {"std": (1.0, 0.0, 1.0)}), "--std must be three numbers other than 0"),
        (_request(**MODULE | {"mean": (1.0, float("nan"), 1.0)}), "three finite numbers"),
        (_request(**MODULE | {"input": "uint8", "shape": (1, 1, 32, 32)}), "takes 3 channels"),
    ],
)
def test_what_cannot_be_is_refused(request_: ExportRequest, message: str, tmp_path: Path) -> None:
    with pytest.raises(SeaFormerError, match=message) as caught:
        export_request(request_, tmp_path)
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_module_keeps_the_normalisation_that_was_stated(tmp_path: Path) -> None:
    def export(**fields: object) -> Artifact:
        request = _request(**MODULE | {"module": "tests.nets:Small"} | fields)
        return export_request(request, tmp_path)

    assert export().preprocessing is None
    stated = export(mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0)).preprocessing
    assert stated is not None
    assert (stated.mean, stated.std, stated.input) == ((1, 2, 3), (4, 5, 6), FLOAT)
    assert nets.Small is not None


def test_a_manifest_with_an_impossible_pre_processing_is_refused(tmp_path: Path) -> None:
    artifact = export_request(_request(**MODULE | {"input": "uint8"}), tmp_path)
    manifest = manifest_path(artifact.path)
    good = json.loads(manifest.read_text())
    impossible: list[tuple[str, object, str]] = [
        ("std", [1, 0, 1], "preprocessing.std"),
        ("input", "int4", "preprocessing.input"),
        ("channels", "GRB", "preprocessing.channels"),
        ("input", "uint8-nhwc", "spec.input_shape"),
    ]
    for field, value, named in impossible:
        changed = good | {"preprocessing": good["preprocessing"] | {field: value}}
        manifest.write_text(json.dumps(changed))
        with pytest.raises(CorruptArtifact, match=named):
            load_artifact(artifact.path)
