"""The paper's tables as they are shipped."""

from __future__ import annotations

from importlib import resources

import pytest

from seaformer.core import paper
from seaformer.core.errors import UnknownName

FOLDER = resources.files("seaformer.core") / "paper"
SHIPPED = sorted(path.name.removesuffix(".csv") for path in FOLDER.iterdir())


def test_every_named_table_is_shipped() -> None:
    assert set(paper.TABLES.values()) <= set(SHIPPED)


@pytest.mark.parametrize("table", SHIPPED)
def test_every_row_of_a_table_has_every_column(table: str) -> None:
    lines = paper.lines(table)
    assert lines
    for line in lines:
        assert None not in line.cells, "a row is longer than the header"
        assert None not in line.cells.values(), "a row is shorter than the header"


@pytest.mark.parametrize(
    ("size", "params_m", "flops_g", "latency_ms"),
    [("T", 1.7, 0.6, 40), ("S", 4.0, 1.1, 67), ("B", 8.6, 1.8, 106), ("L", 14.0, 6.5, 367)],
)
def test_seaformers_rows_are_the_papers(
    size: str, params_m: float, flops_g: float, latency_ms: float
) -> None:
    name = f"SeaFormer-{size}"
    row = paper.row("table02_ade20k", name, {"backbone": name}, "mIoU", "miou")
    assert (row.params_m, row.flops_g, row.latency_ms) == (params_m, flops_g, latency_ms)
    assert row.metric_value is not None


def test_an_unknown_table_or_row_is_named() -> None:
    with pytest.raises(UnknownName, match="Unknown table of the paper: 'table99'"):
        paper.lines("table99")
    with pytest.raises(UnknownName, match="0 rows of table02_ade20k have"):
        paper.find("table02_ade20k", {"backbone": "SeaFormer-XXL"})


def test_a_row_that_is_not_unique_is_refused() -> None:
    with pytest.raises(UnknownName, match="expected one"):
        paper.find("table02_ade20k", {"decoder": "Light Head"})


def test_a_cell_the_paper_leaves_empty_is_no_number() -> None:
    assert paper.Line({"latency_ms": ""}).number("latency_ms") is None
    assert paper.Line({"latency_ms": "-"}).number("latency_ms") is None
    assert paper.Line({}).number("latency_ms") is None
    assert paper.Line({"latency_ms": "40"}).number("latency_ms") == 40.0


def test_the_components_of_figure_10_make_a_whole() -> None:
    assert sum(paper.component_shares().values()) == pytest.approx(100, abs=1)
