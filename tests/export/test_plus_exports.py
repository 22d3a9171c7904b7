"""SeaFormer++, students and the detector as files: verified, one delegate, nothing outside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from seaformer.agreement import images
from seaformer.core.artifact import ScopeName
from seaformer.core.engine import FormatName
from seaformer.core.errors import UsageError
from seaformer.data.detections import Thresholds, detect
from seaformer.export import export_model
from seaformer.models import create_model, list_models
from seaformer.runtime import load_session

SIZE = (64, 96)
STUDENTS = (256, 256)  # their maps are half as large
PROVED = [
    *list_models("seaformerpp_[sbl].ade20k"),
    *list_models("seaformerpp_[tsbl].imagenet"),
    *list_models("seaformerpp_[sbl]_kd.ade20k"),
    *list_models("seaformer_*_*.ade20k"),
    *list_models("*.coco"),
]


def size_of(name: str) -> tuple[int, int]:
    return STUDENTS if "_kd" in name else SIZE


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.zoo)
        for name in ("seaformerpp_t.ade20k", *PROVED)  # the students' program: test_every_model
    ],
)
def test_program_is_one_delegate_with_nothing_outside(name: str, tmp_path: Path) -> None:
    artifact = export_model(name, format="executorch", size=size_of(name), out=tmp_path)
    assert artifact.delegation is not None
    assert (artifact.delegation.subgraphs, artifact.delegation.outside_compute) == (1, 0)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("seaformerpp_t.ade20k", marks=pytest.mark.slow),
        pytest.param("seaformerpp_t_kd.ade20k", marks=pytest.mark.slow),
        *(pytest.param(name, marks=pytest.mark.zoo) for name in PROVED),
    ],
)
def test_onnx_file_is_proved_and_simplified(name: str, tmp_path: Path) -> None:
    artifact = export_model(name, format="onnx", size=size_of(name), out=tmp_path)
    assert artifact.parity.argmax_agreement is not None
    assert artifact.parity.argmax_agreement >= 0.999
    assert artifact.notes[0].startswith("simplified by onnxsim")
    assert not {"ReduceMean", "BatchNormalization", "Einsum"} & set(artifact.operators)


@pytest.mark.parametrize(
    "format",
    [
        pytest.param("onnx", marks=pytest.mark.slow),
        pytest.param("executorch", marks=pytest.mark.zoo),
    ],
)
def test_detector_ends_at_boxes_that_the_host_can_choose_from(
    format: FormatName, tmp_path: Path
) -> None:
    name = "seaformer_t.coco"
    artifact = export_model(name, format=format, size=SIZE, scope="boxes", out=tmp_path)
    assert [o.shape for o in artifact.methods[0].outputs] == [(1, 80, 1161), (1, 4, 1161)]
    if format == "onnx":
        assert [o.name for o in artifact.methods[0].outputs] == ["scores", "boxes"]
    x = images.photograph("flower", *SIZE)
    scores, boxes = load_session(artifact).run([x])
    with torch.no_grad():
        logits, _ = create_model(name)(torch.from_numpy(x))
    np.testing.assert_allclose(scores, logits.sigmoid().numpy(), atol=1e-4)
    found = detect(scores, boxes, Thresholds(score=0.6))
    assert 0 < len(found.scores) <= 100
    assert bool((found.boxes >= 0).all())
    assert bool((found.boxes[:, 0::2] <= 96).all())
    assert bool((found.boxes[:, 1::2] <= 64).all())
    stored = np.load(artifact.path.with_name(artifact.reference.file))  # type: ignore[union-attr]
    assert {"input", "output_forward_0", "output_forward_1"} <= set(stored)


@pytest.mark.parametrize(
    ("name", "scope", "part"),
    [
        ("seaformer_t.coco", "argmax", "logits or boxes, not argmax"),
        ("seaformer_t.coco", "upsample", "logits or boxes, not upsample"),
        ("seaformer_t.ade20k", "boxes", "logits, upsample or argmax, not boxes"),
        ("seaformer_t.imagenet", "boxes", "logits or argmax, not boxes"),
        ("seaformer_t.imagenet", "upsample", "logits or argmax, not upsample"),
    ],
)
def test_a_scope_of_another_task_is_refused_before_the_network_is_built(
    name: str, scope: ScopeName, part: str, tmp_path: Path
) -> None:
    begun: list[str] = []
    with pytest.raises(UsageError, match=part):
        export_model(
            name, format="onnx", size=SIZE, scope=scope, out=tmp_path, progress=begun.append
        )
    assert begun == []
