"""An export is whole or absent, whatever goes wrong, and says what it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from seaformer.core.artifact import SCOPES, Artifact, load_artifact
from seaformer.core.engine import FormatName
from seaformer.core.errors import ParityError, ShapeError, UnknownName, UsageError
from seaformer.core.request import ExportRequest
from seaformer.export import _pipeline, cache_key, cached_export, export_model
from seaformer.export.rewrites._apply import Rewrite, rewrite
from seaformer.export.rewrites._rule import Rule


def test_manifest_tells_what_the_file_is(onnx_artifact: Artifact) -> None:
    manifest = json.loads(onnx_artifact.path.with_name(onnx_artifact.file + ".json").read_text())
    assert onnx_artifact.file == "seaformer_t.ade20k__64x96__fp32.onnx"
    assert manifest["spec"]["name"] == "seaformer_t.ade20k"
    assert manifest["spec"]["output_shape"] == [1, 150, 8, 12]
    assert manifest["format"] == "onnx"
    assert manifest["scope"] == "logits"
    assert manifest["parity"]["argmax_agreement"] >= 0.999
    assert {case["input"] for case in manifest["parity"]["cases"]} == {
        "china.jpg",
        "flower.jpg",
        "noise",
    }
    assert set(manifest["tools"]) == {"seaformer", "torch", "onnx", "onnxruntime", "onnxsim"}


def test_reference_beside_the_artifact_is_the_eager_answer(onnx_artifact: Artifact) -> None:
    from seaformer.models import create_model

    assert onnx_artifact.reference is not None
    path = onnx_artifact.path.with_name(onnx_artifact.reference.file)
    with np.load(path, allow_pickle=False) as stored, torch.no_grad():
        expected = create_model("seaformer_t")(torch.from_numpy(stored["input"])).numpy()
        assert onnx_artifact.reference.stride == 1
        np.testing.assert_allclose(stored["output_forward_0"], expected, atol=1e-4)


def test_a_file_that_computes_something_else_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(model: nn.Module, image: torch.Tensor, rules: Sequence[Rule]) -> Rewrite:
        result = rewrite(model, image, rules)
        with torch.no_grad():
            result.network.get_parameter("head.classify.bias")[3] += 1.0
        return result

    monkeypatch.setattr(_pipeline, "rewrite", wrong)
    with pytest.raises(ParityError, match=r"-\[x\] china.jpg") as caught:
        export_model("seaformer_t", format="onnx", size=(64, 64), out=tmp_path / "out")
    assert caught.value.exit_code == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_export_that_fails_keeps_the_older_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = export_model("seaformer_t", format="onnx", size=(64, 64), out=tmp_path)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_pipeline, "write_reference", fail)
    with pytest.raises(Exception, match="The disk is full"):
        export_model("seaformer_t", format="onnx", size=(64, 64), out=tmp_path)
    assert load_artifact(first.path).sha256 == first.sha256


@pytest.mark.parametrize("format", ["onnx", pytest.param("executorch", marks=pytest.mark.zoo)])
def test_upsampled_scope_ends_at_the_image_size(tmp_path: Path, format: FormatName) -> None:
    artifact = export_model(
        "seaformer_t", format=format, size=(64, 64), scope="upsample", out=tmp_path
    )
    assert artifact.file.split(".")[-2].endswith("__fp32__upsample")
    assert artifact.methods[0].outputs[0].shape == (1, 150, 64, 64)
    assert artifact.parity.argmax_agreement is not None
    assert artifact.parity.argmax_agreement >= 0.999


@pytest.mark.slow
def test_class_map_of_onnx_agrees_with_the_eager_class_map(tmp_path: Path) -> None:
    artifact = export_model(
        "seaformer_t", format="onnx", size=(64, 64), scope="argmax", out=tmp_path
    )
    assert artifact.parity.max_abs is None
    assert artifact.methods[0].outputs[0].dtype == "int64"


@pytest.mark.slow
def test_another_number_of_classes_reaches_the_file(tmp_path: Path) -> None:
    artifact = export_model("seaformer_t", format="onnx", size=(64, 64), classes=7, out=tmp_path)
    assert artifact.methods[0].outputs[0].shape == (1, 7, 8, 8)


def test_the_documentation_of_an_export_names_every_scope() -> None:
    told = export_model.__doc__ or ""
    assert [scope for scope in SCOPES if f"``{scope}``" not in told] == []


def test_unknown_names_and_sizes_are_refused_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Unknown format 'onx'") as caught:
        export_model("seaformer_t", format="onx", out=tmp_path)  # type: ignore[arg-type]
    assert caught.value.hint == "Did you mean onnx?"
    with pytest.raises(UnknownName, match="Unknown scope 'probs'"):
        export_model("seaformer_t", format="onnx", scope="probs", out=tmp_path)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="logits or argmax, not upsample"):
        export_model("seaformer_t.imagenet", format="onnx", scope="upsample", out=tmp_path)
    with pytest.raises(ShapeError, match="32 to 4096"):
        export_model("seaformer_t", format="onnx", size=(100, 31), out=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", pytest.param("executorch", marks=pytest.mark.zoo)])
def test_a_size_that_is_no_multiple_of_a_stride_is_proved(format: str, tmp_path: Path) -> None:
    """Case S1."""
    artifact = export_model("seaformer_t", format=format, size=(41, 50), classes=9, out=tmp_path)  # type: ignore[arg-type]
    assert artifact.spec.output_shape == (1, 9, 6, 7) == artifact.methods[0].outputs[0].shape
    assert artifact.delegation is None or artifact.delegation.outside_compute == 0


def test_an_output_folder_that_cannot_be_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="cannot be written"):
        export_model("seaformer_t", format="onnx", size=(64, 64), out=tmp_path / "file" / "out")


@pytest.mark.slow
def test_cache_gives_the_same_file_again_and_repairs_a_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAFORMER_CACHE", str(tmp_path))
    request = ExportRequest("seaformer_t", format="onnx", size=(64, 64))
    first = cached_export(request)
    stamp = first.path.stat().st_mtime_ns
    assert cached_export(request).path.stat().st_mtime_ns == stamp
    first.path.write_bytes(first.path.read_bytes()[:1000])
    assert cached_export(request).sha256 == first.sha256


def test_cache_key_follows_everything_the_content_depends_on(tmp_path: Path) -> None:
    checkpoint = tmp_path / "weights.pth"
    checkpoint.write_bytes(b"one")
    base = ExportRequest("seaformer_t", format="onnx")
    others = [
        ExportRequest("seaformer_s", format="onnx"),
        ExportRequest("seaformer_t", format="executorch"),
        ExportRequest("seaformer_t", format="onnx", size=(64, 64)),
        ExportRequest("seaformer_t", format="onnx", seed=1),
        ExportRequest("seaformer_t", format="onnx", no_rewrite=("sea-attention",)),
        ExportRequest("seaformer_t", format="onnx", backbone=str(checkpoint)),
        ExportRequest("seaformer_t", format="onnx", checkpoint=str(checkpoint), ema=True),
        ExportRequest("seaformer_t", format="onnx", checkpoint=str(checkpoint)),
    ]
    keys = {cache_key(request) for request in [base, *others]}
    checkpoint.write_bytes(b"two")
    keys.add(cache_key(others[-1]))
    assert len(keys) == 10


def test_the_order_of_rewrites_that_are_left_out_is_of_no_consequence() -> None:
    one = ExportRequest("seaformer_t", no_rewrite=("silu", "fusion-gate", "silu"))
    assert one == ExportRequest("seaformer_t", no_rewrite=("fusion-gate", "silu"))
