"""The picture of ``report.html`` that has engines and precisions side by side."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By

from seaformer.core.measurement import Measurement
from seaformer.report.html.pictures import engines as _picture_engines
from seaformer.report.renderers import svg
from seaformer.report.zoo import zoo_rows
from tests.fakes import browser as chromium
from tests.fakes.measurements import emulated, measurement, method
from tests.fakes.reports import report_of
from tests.report.pages import TEXT_OUTSIDE, everything, page_of
from tests.report.pages import counted as counted_of
from tests.requirements import require

BEST_FIRST = (
    ("ncnn", "fp16"),
    ("ncnn", "fp32"),
    ("executorch", "fp32"),
    ("onnxruntime", "fp32"),
)


def counts_of(number: int, engine: str, instructions: int, precision: str = "fp32") -> Measurement:
    """Instructions of SeaFormer-T in an engine on an emulated core."""
    core = replace(method(900.0, processes=1, count=1), counts=(counted_of(instructions),))
    methods = {"forward": core}
    version = "1.2"
    return emulated(
        number,
        methods=methods,
        format=engine,
        runtime=engine,
        runtime_version=version,
        precision=precision,
    )


def test_the_picture_beside_the_tables_has_the_same_bars_and_floors() -> None:
    made = [counts_of(1, "ncnn", 181_840_000), counts_of(2, "executorch", 254_510_000)]
    made += [counts_of(3, "ncnn", 93_840_000, "fp16"), measurement(4)]
    picture = svg.picture(report_of(made, (), zoo_rows()))
    names = re.findall(r'text-anchor="end">([^<]+ 1\.2 fp\d+)</text>', picture)
    assert names == ["ncnn 1.2 fp16", "ncnn 1.2 fp32", "executorch 1.2 fp32"]
    assert "181.84 M instructions, 1.29 x the floor" in picture
    widths = [float(x) for x in re.findall(r'class="counted"[^>]*? width="([\d.]+)"', picture)]
    assert widths[2] / widths[1] == pytest.approx(254.51 / 181.84, rel=1e-3)
    floors = [float(x) for x in re.findall(r'class="floor" x1="([\d.]+)"', picture)]
    assert floors[1] == floors[2]
    start = 2 * floors[0] - floors[1]  # half precision has half the floor
    assert widths[1] / (floors[1] - start) == pytest.approx(181.84 / 140.63, rel=1e-3)
    assert "fp16 93.84 M instructions" in picture.split("</desc>")[0]


def test_one_engine_alone_has_no_picture_beside_the_tables() -> None:
    made = [counts_of(1, "ncnn", 181_840_000), counts_of(2, "ncnn", 93_840_000, "fp16")]
    assert "floor" not in svg.picture(report_of(made, (), zoo_rows())).split("</style>")[1]


def test_engines_stand_side_by_side_against_the_floor_and_the_best_is_first() -> None:
    made = [counts_of(1, "ncnn", 194_980_000), counts_of(2, "executorch", 254_510_000)]
    made += [counts_of(3, "ncnn", 106_450_000, "fp16"), counts_of(4, "onnxruntime", 427_650_000)]
    drawn = str(_picture_engines.draw(report_of(made, (), zoo_rows())).drawing)
    names = re.findall(r'text-anchor="end">([^<]+)</text>', drawn)
    assert names == [f"{each} 1.2 {kind}" for each, kind in BEST_FIRST]
    assert "106.45 M instructions, 1.51 x the floor" in drawn
    assert "194.98 M instructions, 1.39 x the floor" in drawn
    floors = [float(x) for x in re.findall(r'class="floor" x1="([\d.]+)"', drawn)]
    assert len(floors) == 4
    assert floors[1] == floors[2] == floors[3] > floors[0]  # of each precision its own
    widths = [float(x) for x in re.findall(r'class="bar emulated[^>]*? width="([\d.]+)"', drawn)]
    assert widths[2] / widths[1] == pytest.approx(254.51 / 194.98, rel=1e-2)


def test_latencies_of_engines_have_intervals_and_the_ratio_to_the_least() -> None:
    made = [
        measurement(1, format="ncnn", runtime="ncnn", methods={"forward": method(8.0)}),
        measurement(2, format="onnx", runtime="onnxruntime", methods={"forward": method(10.0)}),
        measurement(3, methods={"forward": method(4.0)}, input_shape=(1, 3, 256, 256)),
    ]
    drawn = str(_picture_engines.draw(report_of(made, (), zoo_rows())).drawing)
    assert drawn.count('class="whisker over"') == 2  # another size is another group
    assert re.search(r"1\.2\d x the least", drawn)
    assert "the floor" not in drawn


def test_one_engine_alone_is_not_compared() -> None:
    picture = _picture_engines.draw(report_of([counts_of(1, "ncnn", 1)], (), zoo_rows()))
    assert picture.drawing is None
    assert picture.missing is not None
    assert "--format all" in picture.missing.command


def test_engines_are_drawn_beside_each_other_in_their_picture(
    tmp_path: Path,
) -> None:
    phone, core = everything()[1], everything()[-1]
    fields: dict[str, Any] = {
        "format": "onnx",
        "runtime": "onnxruntime",
        "runtime_version": "1.0.20261020",
    }
    runs = [
        phone,
        core,
        *(replace(each, id=f"{each.id[:-1]}9", **fields) for each in (phone, core)),
    ]
    require(chromium.installed(), "no chromium with chromedriver", chromium.INSTALL)
    with chromium.browser() as session:
        session.get(page_of(tmp_path, runs).as_uri())
        bars = session.find_elements(By.CSS_SELECTOR, "#engines svg .bar")
        ends = session.find_elements(By.CSS_SELECTOR, "#engines svg .whisker")
        assert len(bars) == 4
        assert len(ends) == 2  # counts have no interval
        assert session.execute_script(TEXT_OUTSIDE) == []
        session.execute_script(
            "arguments[0].parentNode.dispatchEvent(new MouseEvent('click', "
            "{bubbles: true, cancelable: true}))",
            bars[0],
        )
        assert session.execute_script("return document.getElementById('run').open")
