"""Every row of the zoo, by existing, is built, exported, verified and looked at by the delegate.

One small row runs by default, one of each other family with ``-m slow``; all others take hours
(``pytest -m zoo``). The size is the smallest a model takes: rewrites that depend on the size are
tested at others in ``tests/export/test_rewrite*.py``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from seaformer.core.engine import FormatName
from seaformer.export import export_model
from seaformer.models import _zoo, list_models, model_spec, smallest_size

DEFAULT = {("mobilenetv3_s.ade20k", "onnx")}
SLOW = {
    "mobilenetv3_s.ade20k",
    "topformer_t.ade20k",
    "pp_mobileseg_t.ade20k",
    "seaformer_t_attention_local.ade20k",
    "seaformerpp_t_kd.ade20k",
    "seaformer_t.coco",
    "segformer_b0.ade20k",
    "setr_naive_t.ade20k",
    "mobilevit_xxs.imagenet_256",
    "mobilevitv2_050.imagenet_256",
    "efficientnet_b0.imagenet",
    "edgevit_xxs.imagenet",
    "efficientformer_l1.imagenet",
    "efficientformerv2_s0.imagenet",
    "mobileformer_96.imagenet",
    "shufflenetv2_x150.imagenet",
    "hrnet_w18_small.ade20k",
    "convmlp_s.ade20k",
    "efficientvit_b0.ade20k",
    "segnext_t.ade20k",
    "lvt_cls.imagenet",
    "mobilenetv1_x025.imagenet",
    "mobileone_s0.imagenet",
    "mobilenetv4_s.imagenet",
    "repvit_m0_9.imagenet",
    "mobilenetv2_psp.cityscapes",
    "resnet18_lite_aspp.ade20k",
}
# A minute or more as a program each; the layers are those of models that run.
LONG = {
    "mobileone_s0.imagenet",
    "mobilenetv1_x025.imagenet",
    "repvit_m0_9.imagenet",
    "seaformerpp_t_kd.ade20k",
    "pp_mobileseg_t.ade20k",
    "seaformer_t.coco",
    "seaformer_t_attention_local.ade20k",
    "topformer_t.ade20k",
    "segformer_b0.ade20k",
    "setr_naive_t.ade20k",
    "mobilevit_xxs.imagenet_256",
    "efficientnet_b0.imagenet",
    "edgevit_xxs.imagenet",
    "efficientformer_l1.imagenet",
    "efficientformerv2_s0.imagenet",
    "mobileformer_96.imagenet",
    "shufflenetv2_x150.imagenet",
    "hrnet_w18_small.ade20k",
    "convmlp_s.ade20k",
    "efficientvit_b0.ade20k",
    "segnext_t.ade20k",
    "lvt_cls.imagenet",
    "mobilevitv2_050.imagenet_256",
    "mobilenetv2_psp.cityscapes",
    "resnet18_lite_aspp.ade20k",
}


def _exports() -> list[object]:
    exports: list[object] = []
    for name in list_models():
        for format in ("onnx", "executorch"):
            slow = name in SLOW and not (name in LONG and format == "executorch")
            mark = pytest.mark.slow if slow else pytest.mark.zoo
            marks = () if (name, format) in DEFAULT else (mark,)
            exports.append(pytest.param(name, format, marks=marks))
    return exports


@pytest.mark.parametrize(("name", "format"), _exports())
def test_a_model_exports_and_computes_what_pytorch_computes(
    name: str, format: FormatName, tmp_path: Path
) -> None:
    artifact = export_model(name, format=format, size=smallest_size(name), out=tmp_path)
    assert {case.input for case in artifact.parity.cases} == {"china.jpg", "flower.jpg", "noise"}
    assert artifact.parity.verified_by == "prediction"
    if format == "executorch":
        found = artifact.delegation
        assert found is not None
        assert (found.subgraphs, found.outside_compute) == (1, 0), found.outside


def test_every_family_has_a_row_that_runs_without_asking() -> None:
    asked = {model_spec(name).family for name in SLOW}
    elsewhere = {"seaformer"}  # tests/export
    assert asked | elsewhere == set(_zoo.family_names())
