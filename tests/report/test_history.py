"""The history of a row over commits, as the page draws it."""

from __future__ import annotations

import itertools
import re
from typing import Any

from seaformer.core.measurement import Measurement
from seaformer.report.html.pictures import history as _picture_history
from seaformer.report.renderers import csv
from tests.fakes.measurements import emulated, measurement, method
from tests.fakes.reports import report_of
from tests.report.pages import Elements

FIRST, SECOND, THIRD = ("a" * 40, "b" * 40 + "-dirty", "c" * 40)


def drawn(*measurements: Measurement) -> Elements:
    drawing = _picture_history.draw(report_of(measurements)).drawing
    assert drawing is not None
    return Elements(drawing)


def commits(elements: Elements) -> list[tuple[float, str]]:
    """What stands below the runs, from left to right."""
    words = [(a, said) for (_, a), said in zip(texts(elements), said_of(elements), strict=True)]
    known = [(float(a["x"]), said) for a, said in words if re.fullmatch(r"[abc]{7}\+?|none", said)]
    return sorted(known)


def texts(elements: Elements) -> list[tuple[str, dict[str, Any]]]:
    return [(tag, attributes) for tag, attributes in elements.found if tag == "text"]


def said_of(elements: Elements) -> list[str]:
    return [data for tag, data in elements.said if tag == "text"]


def run(number: int, commit: str, median_ms: float = 20.0) -> Measurement:
    runs = {"forward": method(median_ms, seed=number)}
    return measurement(number, commit=commit, methods=runs)


def test_runs_stand_in_the_order_of_time_below_each_the_commit_that_begins() -> None:
    made = [run(1, FIRST), run(2, FIRST), run(3, SECOND), run(4, SECOND), run(5, THIRD, 18.0)]
    for order in (made, made[::-1]):
        elements = drawn(*order)
        assert [said for _, said in commits(elements)] == ["aaaaaaa", "bbbbbbb+", "ccccccc"]
    opened = [a["data-run"] for a in elements.of("a")]
    assert opened == [one.id for one in made]
    told = "".join(data for tag, data in elements.said if tag == "desc")
    assert "5 runs over 3 commits, aaaaaaa to ccccccc, " in told


def test_every_point_names_its_commit() -> None:
    elements = drawn(run(1, FIRST), run(2, SECOND), run(3, ""))
    titles = [data for tag, data in elements.said if tag == "title"]
    assert "commit aaaaaaa, artifact 01234567" in titles[1]
    assert "commit bbbbbbb+, artifact" in titles[2]
    assert "commit unknown, artifact" in titles[3]


def test_an_emulated_row_has_its_commits_and_its_count() -> None:
    elements = drawn(emulated(1, commit=FIRST), emulated(2, commit=THIRD))
    assert [said for _, said in commits(elements)] == ["aaaaaaa", "ccccccc"]
    assert any("264.73 million instructions" in data for _, data in elements.said)


def test_files_from_before_commits_were_kept_are_drawn_as_ever() -> None:
    assert commits(drawn(run(1, ""), run(2, ""))) == []
    assert [said for _, said in commits(drawn(run(1, ""), run(2, FIRST)))] == ["none", "aaaaaaa"]


def test_commits_that_have_no_room_are_left_out_and_none_covers_another() -> None:
    made = [run(i, f"{'abc'[i % 3]}" * 40) for i in range(1, 40)]
    places = [x for x, _ in commits(drawn(*made))]
    assert len(places) >= 4
    assert all(right - left >= 50 for left, right in itertools.pairwise(places))
    named = [said for _, said in commits(drawn(*made))]
    assert (named[0], named[-1]) == ("bbbbbbb", "aaaaaaa")  # the first and the last are there


def test_figures_of_an_axis_never_cover_each_other() -> None:
    elements = drawn(run(1, FIRST, 20.0), run(2, FIRST, 20.001))
    words = zip(texts(elements), said_of(elements), strict=True)
    heights = [float(a["y"]) for (_, a), said in words if re.fullmatch(r"\d+\.\d\d", said)]
    assert len(heights) == 2
    assert abs(heights[0] - heights[1]) >= 13


def test_the_table_of_all_runs_has_the_commit() -> None:
    text = csv.table(report_of([run(1, SECOND)]).table)
    head, line = text.splitlines()
    assert line.split(",")[head.split(",").index("commit")] == SECOND
