"""What is inside the domain of a calibration, and the operators named where it is not."""

from __future__ import annotations

from seaformer.core.artifact import Delegation, OutsideOperator
from seaformer.estimate.calibration import calibrate, shipped
from seaformer.estimate.domain import Subject, domain_of, reasons, unsettled
from seaformer.estimate.evidence import dense_share
from seaformer.estimate.figures import Figure

CONV = {"aten.convolution": 20, "aten.relu": 9, "aten.add": 3}
DOMAIN = domain_of([(CONV, 50_000_000), (("Convolution", "ReLU"), 200_000_000)])


def why(operators: dict[str, int], delegation: Delegation | None = None, **counts: int) -> str:
    subject = Subject(operators, delegation, counts.get("instructions", 60_000_000))
    return "; ".join(reasons(subject, DOMAIN))


def test_a_network_of_known_operators_is_inside() -> None:
    assert why(CONV) == ""
    assert why({"Convolution": 3}) == ""
    assert why(CONV | {"aten.view_copy": 4, "aten.permute_copy": 2, "getitem": 7}) == ""


def test_norms_and_gates_of_transformers_are_outside_by_name() -> None:
    assert why(CONV | {"aten.native_layer_norm": 30, "aten.gelu": 8}) == (
        "computed in another way by every engine: aten.native_layer_norm (30), aten.gelu (8)"
    )
    assert "LayerNorm (2)" in why(CONV | {"LayerNorm": 2})
    assert "Swish (5)" in why(CONV | {"Swish": 5})
    assert unsettled({"aten.convolution": 2, "aten.native_group_norm": 1})
    assert not unsettled({"HardSwish": 9, "aten.hardswish": 9} | CONV)


def test_norms_and_silu_are_recognised_where_an_exporter_has_cut_them_up() -> None:
    norm = {"aten.sub": 21, "aten.rsqrt": 21, "aten.mul": 42}  # MobileViT's, as it is lowered
    assert "aten.rsqrt (21)" in why(CONV | norm)
    assert "aten.sigmoid (6)" in why(CONV | {"aten.sigmoid": 6, "aten.mul": 6})
    known = domain_of([({"aten.sigmoid"} | set(CONV), 60_000_000)])
    assert reasons(Subject(CONV | {"aten.sigmoid": 5}, None, 60_000_000), known) == ()


def test_mobilevit_is_outside_and_in_no_scale() -> None:
    rows = {row.model: row for row in shipped("sd865").rows if row.engine == "executorch"}
    assert not rows["mobilevit_xxs.imagenet_256"].inside
    assert rows["seaformer_t.ade20k"].inside
    assert all("mobilevit" not in scale.families for scale in shipped("sd865").scales)


def test_an_operator_that_no_row_has_is_outside_by_name() -> None:
    assert why(CONV | {"aten.grid_sampler_2d": 1}) == (
        "in no row of the calibration: aten.grid_sampler_2d (1)"
    )


def test_operators_beside_the_delegate_are_named() -> None:
    outside = (
        OutsideOperator("aten.convolution", 2, computes=True, reason="dilated"),
        OutsideOperator("dim_order_ops._to_dim_order_copy", 9, computes=False, reason="copy"),
    )
    delegation = Delegation("xnnpack", 3, 18, outside)
    assert why(CONV, delegation) == "not delegated to xnnpack: aten.convolution (2)"


def test_much_more_or_less_work_than_any_row_is_outside() -> None:
    assert why(CONV, instructions=601_000_000) == (
        "601 M instructions; the calibration's rows have 50 M to 200 M"
    )
    assert why(CONV, instructions=599_000_000) == ""
    assert why(CONV, instructions=9_000_000).startswith("9.00 M instructions")


def test_code_without_a_price_is_never_free() -> None:
    subject = Subject(CONV, None, 60_000_000, unpriced=600_000, words=("00000000 d65f03c0",))
    assert reasons(subject, DOMAIN) == ("1.0 % of the instructions have no price: code 00000000",)


def test_unknown_operators_are_not_inside() -> None:
    assert why({}) == "the operators of this file are unknown"


def test_many_dense_convolutions_are_outside_unless_a_row_has_as_many() -> None:
    subject = Subject(CONV, None, 60_000_000, dense=0.45)
    assert "dense convolutions of more than 1x1 (45 % of" in reasons(subject, DOMAIN)[0]
    assert reasons(Subject(CONV, None, 60_000_000, dense=0.15), DOMAIN) == ()
    dense = domain_of([(CONV, 60_000_000)], dense=0.5)
    assert reasons(subject, dense) == ()


def test_the_dense_part_is_that_of_the_zoo_and_unknown_elsewhere() -> None:
    assert dense_share("resnet18_lite_aspp.ade20k") > 0.9
    assert 0 < dense_share("seaformer_t.ade20k") < 0.1
    assert dense_share("theirs") == 0


def test_a_dense_row_is_inside_where_the_counted_engine_itself_was_measured() -> None:
    model = "resnet18_lite_aspp.ade20k"
    published = [row for row in shipped("sd865").rows if row.model == model]
    assert [row.inside for row in published] == [False]
    models = (model, "seaformer_t.ade20k", "mobilenetv3_l.imagenet")
    figures = [Figure(each, "fp32", 50.0, "a phone", measured=True) for each in models]
    mine = calibrate("mine", figures=figures)
    assert {row.model for row in mine.rows if row.inside} == set(models)
    assert mine.domain("executorch", "fp32").dense > 0.9
