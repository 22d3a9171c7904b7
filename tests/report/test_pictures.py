"""Pictures of more rows than they have room for: which are drawn, and what is left out."""

from __future__ import annotations

from seaformer.core.plan import RunPlan
from seaformer.report.html.pictures import accuracy, components
from seaformer.report.renderers import svg
from seaformer.report.zoo import zoo_rows
from tests.fakes.measurements import measurement, method
from tests.fakes.reports import report_of


def test_newer_runs_of_other_models_do_not_take_points_out_of_figure_1() -> None:
    others = [measurement(n, model=f"model_{n:02d}.x") for n in range(2, 44)]
    drawn = accuracy.draw(report_of([measurement(1), *others], (), zoo_rows()))
    assert "None of ours" not in drawn.note
    assert f'data-run="{measurement(1).id}"' in str(drawn.drawing)
    cores = [measurement(n, plan=RunPlan(core=str(n))) for n in range(1, 44)]
    drawn = accuracy.draw(report_of(cores, (), zoo_rows()))
    assert drawn.note.endswith(" The newest 40 of 43 points are drawn.")
    ids = {one.id for one in cores if f'data-run="{one.id}"' in str(drawn.drawing)}
    assert ids == {one.id for one in cores[3:]}


def test_a_picture_of_parts_states_how_many_networks_it_leaves_out() -> None:
    parts = {"forward": method(39.0), "stem": method(19.0, seed=1)}
    made = [measurement(n, model=f"model_{n:02d}.x", methods=parts) for n in range(1, 13)]
    assert "10 of 12 networks are drawn" in components.draw(report_of(made)).note
    assert "are drawn" not in components.draw(report_of(made[:10])).note


def test_many_bars_are_told_in_few_words_beside_the_picture() -> None:
    many = report_of([measurement(n, model=f"model_{n:02d}.x") for n in range(1, 31)])
    assert "and 22 more." in svg.alternative(many, most=8)
    assert "more" not in svg.alternative(many)


def test_a_picture_names_the_rows_that_it_has_no_bar_for() -> None:
    many = report_of([measurement(n, model=f"model_{n:02d}.x") for n in range(1, 44)])
    assert "Example CPU 9 (the first 40 of 43 rows)" in svg.picture(many)
    assert "; and 3 more." in svg.alternative(many)
    assert "and 35 more." in svg.alternative(many, most=8)
