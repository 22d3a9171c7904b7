"""``report.html`` as a document: well-formed, closed to the outside, complete, always the same."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.core.files import DamagedFile
from seaformer.core.measurement import (
    ESTIMATED,
    MEASURED,
    MethodRun,
    document,
    summary,
)
from seaformer.core.table import ResultTable
from seaformer.report import make_report
from seaformer.report.html.pictures import samples as _picture_samples
from seaformer.report.renderers import csv, github, html, markdown, svg, terminal
from seaformer.report.zoo import zoo_rows
from seaformer.store.results import ResultStore
from tests.commands.test_estimate import ROW as ESTIMATE
from tests.fakes.measurements import counted, emulated, failed, measurement, method, process
from tests.fakes.reports import report_of, write_report_of
from tests.report.pages import EVIL, Elements, everything, hostile, island, lines, page_of

SLUGS = (
    "accuracy",
    "ratio",
    "components",
    "precision",
    "engines",
    "instructions",
    "estimates",
    "samples",
    "history",
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = page_of(tmp_path_factory.mktemp("page"), [*everything(), hostile()])
    return made.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def elements(page: str) -> Elements:
    return Elements(page)


def rendered(*measurements: object) -> str:
    return html.page(report_of(measurements, (), zoo_rows()))  # type: ignore[arg-type]


def test_every_element_is_closed_and_every_id_is_there_once(elements: Elements) -> None:
    assert elements.wrong == []
    ids = Counter(attributes["id"] for _, attributes in elements.found if "id" in attributes)
    assert [name for name, count in ids.items() if count > 1] == []


def test_every_reference_within_the_page_has_its_target(elements: Elements, page: str) -> None:
    ids = {attributes["id"] for _, attributes in elements.found if "id" in attributes}
    runs = island(page)
    for link in elements.of("a"):
        address = link["href"] or ""
        if "data-run" in link:
            assert link["data-run"] in runs
        elif address.startswith("#"):
            assert address[1:] in ids
    for _, attributes in elements.found:
        named = (attributes.get("aria-labelledby") or "").split()
        assert set(named) <= ids


def test_nothing_in_the_page_can_ask_for_anything_outside(elements: Elements, page: str) -> None:
    assert not {"src", "srcset", "action", "background", "poster"} & {
        name for _, attributes in elements.found for name in attributes
    }
    assert not elements.of("link")
    assert "@import" not in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page
    policy = next(m["content"] for m in elements.of("meta") if "http-equiv" in m)
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "script-src 'sha256-" in policy


def test_text_that_tries_to_be_markup_stays_text(elements: Elements, page: str) -> None:
    assert not elements.of("img")
    assert [a for _, a in elements.found if any(name.startswith("on") for name in a)] == []
    kinds = [script.get("type") for script in elements.of("script")]
    assert kinds == ["application/json", "application/json", None]
    assert EVIL in "".join(data for _, data in elements.said)
    record = island(page)[hostile().id]
    assert record["command"] == EVIL
    assert "<script>window" not in page


def test_tables_have_captions_scopes_and_columns_that_say_how_they_are_sorted(
    elements: Elements,
) -> None:
    tables = len(elements.of("table"))
    assert tables >= 5
    assert len(elements.of("caption")) == tables
    assert all(head.get("scope") in ("col", "row") for head in elements.of("th"))
    assert any(head.get("aria-sort") == "none" for head in elements.of("th"))


def test_every_picture_has_a_title_and_its_figures_in_words(elements: Elements) -> None:
    pictures = [svg for svg in elements.of("svg") if svg.get("role") == "img"]
    assert len(pictures) == len(SLUGS) - 2  # one engine in this store, and nothing is estimated
    described = " ".join(data for tag, data in elements.said if tag == "desc")
    assert "SeaFormer-T*" in described
    assert "260.0 million" in described
    assert "stem 49.5 %" in described


def test_sources_are_told_apart_by_shape_and_by_word(page: str) -> None:
    assert '<circle class="mark measured"' in page
    assert '<rect class="mark emulated"' in page
    assert '<path class="mark paper"' in page
    estimated = replace(everything()[0], source=ESTIMATED)
    assert '<polygon class="mark estimated"' in rendered(estimated)


def test_an_estimate_is_shown_and_never_as_measured() -> None:
    """What will make estimates is not here yet; a row of one is."""
    made = [measurement(1), replace(measurement(2), source=ESTIMATED), emulated(3)]
    report = report_of(made, (), zoo_rows())
    table = ResultTable(
        tuple(
            replace(row, median_ms=77.77, ci95_low_ms=70.0, ci95_high_ms=85.0)
            if row.source == ESTIMATED
            else row
            for row in report.table.rows
        )
    )
    report = replace(report, table=table, devices=(replace(report.devices[0], table=table),))
    text = html.page(report)
    assert Elements(text).wrong == []
    measured, counted, estimated = (
        text[text.index(f'id="{name}-table"') :].partition("</table>")[0]
        for name in ("latency", "counts", "estimates")
    )
    assert "77.77" in estimated
    assert "77.77" not in measured + counted
    assert '<span class="source-name">estimated</span>' in estimated
    assert "estimated ms" in estimated
    assert "median ms" not in estimated
    assert '<polygon class="mark estimated"' in text
    assert "<b>1</b> estimated" in text
    (method_of_it,) = island(text)[made[1].id]["methods"]
    assert method_of_it["samples"] is None
    for other in (markdown.document(report), github.summary(report), terminal.text(table)):
        before, _, after = other.partition("Estimated")
        assert "77.77" not in before
        assert "77.77" in after
    assert "77.77" not in svg.picture(report) + csv.table(table.of(MEASURED))


def test_an_estimate_is_stored_and_listed_as_one(tmp_path: Path) -> None:
    made = replace(measurement(1), source=ESTIMATED)
    assert ResultStore(tmp_path).append(made).stem.endswith("__estimated")
    assert summary(made) is None
    assert "median_ms" not in document(made)
    made_files = make_report(tmp_path, ResultStore(tmp_path).load()).files
    files = {file.name: file.text for file in made_files}
    assert len(files["tables/latency.csv"].splitlines()) == 1
    assert files["tables/estimated.csv"].splitlines()[1].startswith("estimated,")


def test_two_devices_of_one_name_are_told_apart_by_their_ids(elements: Elements) -> None:
    said = [data for tag, data in elements.said if tag == "td"]
    assert "Mi 10 (phone-a1)" in said
    assert "Mi 10 (phone-b2)" in said
    assert "Mi 10" not in [data for tag, data in elements.said if tag == "td"]


def test_precisions_of_an_emulated_row_are_hatched_as_emulated() -> None:
    half = emulated(2, precision="fp16", methods={"forward": counted(140_000_000)})
    text = rendered(emulated(1), half)
    section = text[text.index('<section id="precision"') :].partition("</section>")[0]
    assert 'class="bar emulated hatched"' in section
    assert "The paper's pair" not in section  # nothing of the paper is drawn
    assert '<span class="source-name">paper</span>' not in section
    assert ".bar.emulated.hatched { fill: url(#hatched-emulated); }" in text
    assert 'id="hatched-emulated"' in section


def test_the_newest_rows_are_drawn_where_not_all_fit_whatever_their_model() -> None:
    models = [f"seaformer_{size}.ade20k" for size in "tsbl"]
    made = [
        measurement(i, model=models[i % 4], plan=replace(measurement(1).plan, seed=0, core=str(i)))
        for i in range(40)
    ]
    drawn = _picture_samples.draw(report_of(made, (), zoo_rows()))
    assert "The newest 16 of 40 rows are drawn" in drawn.note
    assert drawn.drawing is not None
    shown = {link["data-run"] for link in Elements(drawn.drawing).of("a")}
    assert shown == {one.id for one in made[-16:]}


def test_a_line_joins_the_sizes_of_one_family_and_no_others() -> None:
    models = ("seaformer_t", "seaformer_s", "topformer_t", "topformer_s", "mobilenetv3_l")
    made = [measurement(i, model=f"{model}.ade20k") for i, model in enumerate(models, 1)]
    picture = rendered(*made).partition('<section id="accuracy"')[2].partition("</section>")[0]
    assert picture.count('class="trend measured"') == 2
    assert picture.count(">1</text>") == 3  # each line, and the model that is alone


def test_a_floor_is_given_where_the_model_has_its_own_size(elements: Elements) -> None:
    said = [data for tag, data in elements.said if tag == "td"]
    assert "140.64" in said  # 562,569,216 multiply-accumulates / 4 lanes
    assert "1.85" in said


def test_estimates_are_drawn_beside_published_figures_and_are_no_rows() -> None:
    inside = replace(ESTIMATE, model="topformer_t.ade20k", published_ms=43.0, estimate_ms=41.28)
    outside = replace(ESTIMATE, inside=False, published_ms=50.0, interval_ms=(10.0, 90.0))
    unpublished = replace(ESTIMATE, model="mine", published_ms=None)
    report = report_of([measurement(1)], (), zoo_rows(), [outside, inside, unpublished])
    text = html.page(report)
    assert Elements(text).wrong == []
    section = text[text.index('<section id="estimates"') :].partition("</section>")[0]
    assert section.count('<polygon class="mark estimated"') == 1 + 1  # one is in the legend
    assert section.count('<polygon class="mark estimated doubt"') == 1
    assert section.count('<path class="whisker estimated"') == 2
    assert section.index("topformer_t") < section.index("seaformer_t")
    assert "41.28 ms (35.17–48.64), published 43 ms, -4.0 %" in section
    assert "4.0 % on average, 4.0 % at most" in section  # of what is inside
    assert "mine" not in section
    assert "nothing ran on a sd865" in section
    assert 'id="estimates-table"' not in text


@pytest.mark.parametrize("slug", SLUGS[1:])
def test_a_picture_without_data_is_one_sentence_with_the_command_that_fills_it(slug: str) -> None:
    text = rendered(failed(1))
    section = text[text.index(f'<section id="{slug}"') :]
    section = section[: section.index("</section>")]
    assert "<svg" not in section
    assert "<code>seaformer bench" in section


def test_an_empty_store_says_how_to_begin(tmp_path: Path) -> None:
    write_report_of(tmp_path, zoo_rows())
    text = (tmp_path / "report.html").read_text()
    assert Elements(text).wrong == []
    assert "How to begin" in text
    assert "seaformer bench --variant t --threads 1" in text
    assert 'id="filters"' not in text


def test_files_that_were_skipped_are_named_with_the_reason(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "x"
    folder.mkdir(parents=True)
    (folder / "half.json").write_text('{"schema": 1, "id"')
    (folder / "new.json").write_text('{"schema": 99}')
    write_report_of(tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert "runs/x/half.json" in text
    assert "has schema 99" in text


def test_a_nan_anywhere_is_a_dash_and_never_in_the_page() -> None:
    odd = measurement(1, paper_latency_ms=math.nan)
    odd = replace(odd, before=replace(odd.before, load=math.inf, temperature_c=math.nan))
    text = rendered(odd, replace(measurement(2), methods={"forward": method(0.0)}))
    assert "nan" not in json.dumps(island(text)).lower().replace("nanosecond", "")
    assert Elements(text).wrong == []


def test_the_same_runs_give_the_same_bytes_in_any_order_and_place(tmp_path: Path) -> None:
    made = everything()
    first = page_of(tmp_path / "a", made).read_bytes()
    assert page_of(tmp_path / "b", made[::-1]).read_bytes() == first
    files = make_report(tmp_path / "a", ResultStore(tmp_path / "a").load(), zoo_rows()).files
    assert [file.text.encode() for file in files if file.name == "report.html"] == [first]


def test_a_large_store_keeps_the_newest_of_every_row_and_says_what_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(html, "MOST_ROWS", 4)
    runs = [measurement(i, methods={"forward": method(10.0, count=5)}) for i in range(2, 10)]
    text = rendered(measurement(1, model="seaformer_l.ade20k"), *runs)
    assert "This page has 4 of 9 rows" in text
    assert len(lines(text)["latency"]) == 4
    assert measurement(1).id in island(text)


def test_damaged_files_are_counted_in_the_overview() -> None:
    report = report_of([measurement(1)], [DamagedFile("runs/x/bad.json", "is cut short")])
    assert "<b>1</b> files skipped" in html.page(report)


def taken(*samples: int) -> MethodRun:
    """One process with these samples."""
    return MethodRun(samples, (process(len(samples)),))


ODD = {
    "one sample": measurement(1, methods={"forward": taken(1)}),
    "no time at all": measurement(1, methods={"forward": taken(0, 0), "stem": taken(0)}),
    "no sample": measurement(1, methods={"forward": taken()}),
    "no process": measurement(1, methods={"forward": MethodRun((), ())}),
    "an age": measurement(1, methods={"forward": taken(10**30, 1)}),
    "a part alone": measurement(1, methods={"stem": taken(5)}),
    "a paper below zero": measurement(1, paper_latency_ms=-5.0),
    "a paper of nothing": measurement(1, paper_latency_ms=0.0),
    "a paper beyond measure": measurement(1, paper_latency_ms=1e300),
    "no image": measurement(1, input_shape=()),
    "no date": measurement(1, created_at=""),
    "no names": measurement(1, model="", format="", runtime="", precision="", scope=""),
    "no character": measurement(1, model="\ud800", command="\ud800\x00"),
    "a source nobody knows": measurement(1, source="dreamt"),
    "a core that counted nothing": emulated(1),
    "an odd name": measurement(1, id="i'\"<>#%/\\"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_measurements_still_give_a_page(name: str) -> None:
    text = rendered(ODD[name], measurement(2))
    elements = Elements(text)
    assert elements.wrong == []
    assert set(island(text)) == {ODD[name].id, measurement(2).id}
    coordinates = [
        value or ""
        for _, attributes in elements.found
        for key, value in attributes.items()
        if key in ("d", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height", "points")
    ]
    assert not [value for value in coordinates if "nan" in value or "inf" in value]
