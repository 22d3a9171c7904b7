"""Differences from the paper's figures: which are far, which is rounding, one reason each."""

from __future__ import annotations

import dataclasses

import pytest

from seaformer.core import paper
from seaformer.core.errors import UnknownName, UsageError
from seaformer.core.paper import OwnFigures, Reason
from seaformer.core.spec import ModelSpec, PaperRow
from seaformer.report import differences as of
from seaformer.report.zoo import ZooRow, zoo_rows

TABLE = "table14_imagenet"  # prints 1.8 M, 0.1 G for SeaFormer-T


def row(params: int, flops: int, line: PaperRow | None) -> ZooRow:
    shapes = ((1, 3, 8, 8), (1, 9))
    spec = ModelSpec("m.imagenet", "m", "classification", "imagenet", 9, *shapes, paper=line)
    return ZooRow(spec, params, flops, flops)


def line(params_m: float | None, flops_g: float | None) -> PaperRow:
    return PaperRow(TABLE, "x", params_m=params_m, flops_g=flops_g)


def far(params: int, flops: int, published: PaperRow | None) -> list[of.Difference]:
    return of.differences([row(params, flops, published)])


def test_every_difference_has_one_reason_and_every_reason_a_difference() -> None:
    told = of.explained(of.differences(zoo_rows()), paper.differences())
    assert len(told) > 20
    assert all(len(why) > 10 for _, why in told)


def test_only_what_is_more_than_five_percent_off_is_a_difference() -> None:
    assert far(1_890_000, 100_000_000, line(1.8, 0.1)) == []
    found = far(1_891_000, 94_000_000, line(1.8, 0.1))
    assert [one.figure for one in found] == ["params", "flops"]
    assert far(5, 5, line(None, None)) == far(5, 5, None) == []


@pytest.mark.parametrize(("flops", "rounds"), [(59, True), (149, True), (151, False), (49, False)])
def test_rounding_is_what_rounds_to_the_printed_figure_at_its_decimals(
    flops: int, rounds: bool
) -> None:
    (found,) = far(1_800_000, flops * 10**6, line(1.8, 0.1))
    assert (found.printed, found.is_rounding) == ("0.1", rounds)


def test_the_papers_decimals_are_those_it_prints() -> None:
    assert paper.printed("table04_pascal_context", "flops_g", 1.0) == "1.00"
    assert paper.printed("table03_cityscapes", "flops_g", 2.0) == "2.0"
    assert paper.printed("table03_cityscapes", "flops_g", 317.0) == "317"
    with pytest.raises(UnknownName, match="no flops_g of 318"):
        paper.printed("table03_cityscapes", "flops_g", 318.0)


def test_rounding_needs_no_reason_and_takes_none() -> None:
    found = far(1_800_000, 59_000_000, line(1.8, 0.1))
    assert of.explained(found, []) == [(found[0], of.ROUNDING)]
    with pytest.raises(UsageError, match=r"does not differ by more than 5%: m\.\* flops"):
        of.explained(found, [Reason("m.*", "flops", "made up")])


def test_a_difference_without_a_reason_or_with_two_is_named() -> None:
    found = far(2_500_000, 100_000_000, line(1.8, 0.1))
    one, other = Reason("m.*", "params", "this"), Reason("m.imagenet", "params", "that")
    assert of.explained(found, [one]) == [(found[0], "this")]
    with pytest.raises(UsageError, match=r"m\.imagenet is \+38\.9 % off .* 0 reasons"):
        of.explained(found, [])
    with pytest.raises(UsageError, match="2 reasons"):
        of.explained(found, [one, other])
    with pytest.raises(UsageError, match="0 reasons"):
        of.explained(found, [dataclasses.replace(one, figure="flops")])


def test_the_table_gives_ours_the_papers_as_printed_and_the_reason() -> None:
    reasons = [Reason("m.imagenet", "params", "another structure")]
    text = of.differences_markdown([row(2_500_000, 59_000_000, line(1.8, 0.1))], reasons)
    assert text.splitlines()[2:] == [
        "| m.imagenet | parameters | 2.500 M | 1.8 M | +38.9 | another structure |",
        "| m.imagenet | FLOPs | 0.059 G | 0.1 G | -41.0 | the paper's rounding |",
    ]


def own(params_m: str, macs_g: str, reason: str = "") -> str:
    made = row(1_890_000, 106_000_000, None)
    return of.own_figures_markdown(
        [made], [OwnFigures(made.spec.name, params_m, macs_g, "x", reason)]
    )


def test_every_rivals_own_figures_are_near_or_have_a_reason() -> None:
    assert len(of.own_figures_markdown(zoo_rows(), paper.own_figures()).splitlines()) > 40


def test_a_figure_of_a_networks_own_paper_is_beside_ours_with_its_distance() -> None:
    assert "| 1.890 | 1.9 (-0.5 %) | 0.106 | 0.1 (+6.0 %) |" in own("1.9", "0.1")
    assert "| 1.890 |  | 0.106 | 0.105 (+1.0 %) |" in own("", "0.105")
    assert "| counted otherwise |" in own("1.9", "0.100", "counted otherwise")
    with pytest.raises(UsageError, match="has no reason for its difference"):
        own("1.9", "0.100")
    with pytest.raises(UsageError, match="needs no reason"):
        own("1.9", "0.1", "counted otherwise")
