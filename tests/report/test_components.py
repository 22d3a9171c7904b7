"""Shares of components beside figure 10 of the paper, in a table and on the terminal."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from seaformer.core.measurement import Flag, Measurement
from seaformer.report import words
from seaformer.report.components import components
from seaformer.report.renderers import markdown, terminal
from seaformer.report.table import rows
from tests.fakes.measurements import measurement, method
from tests.fakes.reports import report_of

FIGURE_10 = Path(__file__).parents[2] / "seaformer" / "core" / "paper" / "figure10_components.csv"
WHOLE = {"forward": 40.0, "stem": 20.0, "context": 12.0, "spatial": 4.0, "head": 3.0}


def with_methods(medians: dict[str, float], number: int = 1, **changes: object) -> Measurement:
    methods = {name: method(ms) for name, ms in medians.items()}
    return measurement(number, methods=methods, **changes)


def test_each_component_stands_beside_the_papers_share_as_it_was_published() -> None:
    found = components(rows(with_methods(WHOLE)))
    assert [part.name for part in found] == [*list(WHOLE)[1:], "sum", "remainder"]
    with FIGURE_10.open(encoding="utf-8") as handle:
        published = [float(line["share_percent"]) for line in csv.DictReader(handle)]
    assert [part.paper_percent for part in found] == [*published, sum(published), None]


def test_shares_are_of_forward_and_the_remainder_is_what_is_left() -> None:
    *parts, total, rest = components(rows(with_methods(WHOLE)))
    assert [part.share for part in parts] == pytest.approx([0.5, 0.3, 0.1, 0.075], rel=0.01)
    assert total.share + rest.share == pytest.approx(1)
    assert total.median_ms == pytest.approx(39, rel=0.01)
    assert rest.median_ms == pytest.approx(1, abs=0.4)


def test_parts_that_pay_for_standing_alone_make_a_remainder_below_zero() -> None:
    costly = WHOLE | {"stem": 24.0}
    rest = components(rows(with_methods(costly)))[-1]
    assert rest.share < 0
    shown = terminal.text(report_of([with_methods(costly)]).table)
    (line,) = (line.split() for line in shown.splitlines() if line.startswith("remainder"))
    assert float(line[1]) == pytest.approx(rest.median_ms, abs=0.01)
    assert line[1].startswith("-3.")
    assert words.REMAINDER in " ".join(shown.split())


def test_a_network_with_other_parts_has_no_share_in_figure_10_and_says_why() -> None:
    medians = {"forward": 10.0, "stem": 5.0, "context": 4.0, "head": 0.5}
    made = with_methods(medians, model="seaformer_t.imagenet")
    assert all(part.paper_percent is None for part in components(rows(made)))
    found = report_of([made])
    for shown in (terminal.text(found.table), markdown.document(found)):
        assert words.OTHER_PARTS in " ".join(shown.split())


def test_what_a_remainder_is_stands_once_below_all_tables() -> None:
    shown = terminal.text(report_of([with_methods(WHOLE), with_methods(WHOLE, number=2)]).table)
    line = " ".join(shown.split())
    assert line.count("Components of") == 2
    assert line.count(words.REMAINDER) == 1
    assert line.index(words.REMAINDER) > line.rindex("Components of")


def test_shares_of_a_measurement_that_is_not_valid_say_so() -> None:
    doubt = with_methods(WHOLE, flags=(Flag("unstable", True, "interval +-30 %"),))
    for made, said in ((doubt, True), (with_methods(WHOLE), False)):
        found = report_of([made])
        for shown in (terminal.text(found.table), markdown.document(found)):
            assert (words.NOT_VALID in " ".join(shown.split())) == said


def test_milliseconds_below_zero_have_as_many_decimals_as_those_above() -> None:
    assert [words.ms(value) for value in (-24.07, 24.07, -0.05, 0.05, 0.0)] == [
        "-24.07",
        "24.07",
        "-0.0500",
        "0.0500",
        "0.00",
    ]
