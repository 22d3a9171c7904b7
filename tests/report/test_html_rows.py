"""Tables of many rows in a real Chromium: drawn as they scroll into view, sorted as a whole."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from seaformer.core.measurement import Measurement
from seaformer.report.html import runs as records
from seaformer.report.html.tables import MOST_STATIC
from seaformer.report.renderers import html
from tests.fakes import browser as chromium
from tests.fakes.measurements import OFF_CORE, failed, measurement, method
from tests.fakes.reports import report_of
from tests.report.pages import Elements, hostile
from tests.requirements import require

Driver = Any
COUNT, BLOCK, PRINTED = 600, 40, 480
DRAWN = "#latency-table tbody tr:not(.rest)"


def many() -> list[Measurement]:
    """Runs of one row each, the slowest first; one has the only least median."""
    plain = measurement(1)
    return [
        replace(
            plain,
            id=f"20260729T{i:09d}-{i:08x}",
            created_at=f"2026-07-29T{i // 60 % 24:02d}:{i % 60:02d}:00+00:00",
            model=f"model_{i:03d}.ade20k",
            methods={"forward": method(100.0 - i / 10, count=4, seed=i)},
        )
        for i in range(COUNT)
    ]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose oldest run has no details."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "MOST_DETAILED", COUNT - 1)
        path.write_text(html.page(report_of(many())), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def session() -> Iterator[Driver]:
    require(chromium.installed(), "no chromium with chromedriver", chromium.INSTALL)
    with chromium.browser() as driver:
        yield driver


@pytest.fixture
def driver(session: Driver, page: Path) -> Iterator[Driver]:
    chromium.resize(session, 1280, 900)
    chromium.prefer(session, "light")
    opened(session, page)
    yield session
    assert [entry for entry in session.get_log("browser") if entry["level"] == "SEVERE"] == []


def opened(driver: Driver, page: Path) -> None:
    driver.get("about:blank")
    driver.get(page.as_uri())


def drawn(driver: Driver) -> list[int]:
    """The ``aria-rowindex`` of every row that is drawn."""
    script = f"return [...document.querySelectorAll('{DRAWN}')].map(row => row.ariaRowIndex)"
    return [int(index) for index in driver.execute_script(script)]


def names(driver: Driver) -> list[str]:
    script = f"return [...document.querySelectorAll('{DRAWN} .name')].map(one => one.textContent)"
    found: list[str] = driver.execute_script(script)
    return found


def scroll(driver: Driver, place: str) -> None:
    """``place`` is an expression over the frame of the table, ``box``."""
    box = "const box = document.querySelector('#latency-table').closest('.scroll');"
    driver.execute_script(f"{box} box.scrollTop = {place}")


def until(driver: Driver, happened: Any) -> None:
    WebDriverWait(driver, 20, poll_frequency=0.02).until(happened)


def widths(driver: Driver) -> list[int]:
    heads = "[...document.querySelectorAll('#latency-table thead th')]"
    found: list[int] = driver.execute_script(f"return {heads}.map(head => head.offsetWidth)")
    return found


def test_only_the_rows_near_the_view_are_drawn_and_all_are_counted(driver: Driver) -> None:
    assert drawn(driver)[:3] == [2, 3, 4]  # the first is that of the headings
    assert len(drawn(driver)) <= 4 * BLOCK
    table = driver.find_element(By.ID, "latency-table")
    assert table.get_attribute("aria-rowcount") == str(COUNT + 1)
    assert driver.find_element(By.ID, "count").text == f"{COUNT} of {COUNT} rows"


def test_scrolling_draws_the_rows_that_come_and_drops_those_that_left(driver: Driver) -> None:
    script = "return document.querySelector('#latency-table').closest('.scroll').scrollHeight"
    before, wide = driver.execute_script(script), widths(driver)
    scroll(driver, "box.scrollHeight / 2")
    until(driver, lambda d: any(abs(index - COUNT / 2) < BLOCK for index in drawn(d)))
    scroll(driver, "box.scrollHeight")
    until(driver, lambda d: COUNT + 1 in drawn(d) and 2 not in drawn(d))
    assert len(drawn(driver)) <= 4 * BLOCK
    assert abs(driver.execute_script(script) - before) <= before / 50
    assert widths(driver) == wide


def test_sorting_and_searching_go_over_all_rows_and_not_those_that_are_drawn(
    driver: Driver,
) -> None:
    assert "model_599.ade20k" not in names(driver)
    heads = driver.find_elements(By.CSS_SELECTOR, "#latency-table thead button")
    next(head for head in heads if head.text.startswith("median ms")).click()
    assert names(driver)[0] == "model_599.ade20k"
    driver.find_element(By.ID, "search").send_keys("model_41")
    assert sorted(names(driver)) == [f"model_{i:03d}.ade20k" for i in range(410, 420)]
    assert driver.find_element(By.ID, "count").text == f"10 of {COUNT} rows"


def test_the_headings_stay_in_view_while_a_long_table_scrolls(driver: Driver) -> None:
    driver.execute_script("document.getElementById('rows').scrollIntoView()")
    scroll(driver, "5000")
    script = """const head = document.querySelector('#latency-table thead th');
      const tops = [head, head.closest('.scroll')].map(one => one.getBoundingClientRect().top);
      return Math.abs(tops[0] - tops[1])"""
    assert driver.execute_script(script) <= 2


def test_the_keyboard_goes_from_row_to_row_beyond_what_was_drawn_at_first(driver: Driver) -> None:
    last = max(drawn(driver))
    script = f"document.querySelector('{DRAWN}[aria-rowindex=\"{last}\"] a').focus()"
    driver.execute_script(script)
    until(driver, lambda d: last + 1 in drawn(d))
    driver.switch_to.active_element.send_keys(Keys.TAB)
    row = "return document.activeElement.closest('tr').ariaRowIndex"
    assert driver.execute_script(row) == str(last + 1)


def test_a_row_that_has_the_focus_is_not_dropped(driver: Driver) -> None:
    driver.execute_script(f"document.querySelector('{DRAWN} a').focus({{ preventScroll: true }})")
    scroll(driver, "box.scrollHeight")
    until(driver, lambda d: COUNT + 1 in drawn(d))
    assert driver.execute_script("return document.activeElement.dataset.run") == many()[0].id


def test_a_print_has_the_first_rows_and_names_the_file_with_all(driver: Driver) -> None:
    count = "addEventListener('beforeprint', () => { window.prints = (window.prints ?? 0) + 1; })"
    driver.execute_script(count)
    visible = f"[...document.querySelectorAll('{DRAWN}')].filter(row => row.checkVisibility())"
    driver.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert driver.execute_script(f"return {visible}.length") == PRINTED
    note = driver.find_element(By.CSS_SELECTOR, "#latency-table .printed")
    expected = f"Printed are the first {PRINTED} of {COUNT} rows; all are in tables/latency.csv."
    assert note.get_attribute("textContent").strip() == expected
    driver.execute_script("dispatchEvent(new Event('afterprint'))")
    assert len(drawn(driver)) <= 4 * BLOCK
    made = driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    pages = re.findall(rb"/Type\s*/Page\b", base64.b64decode(made["data"]))
    assert 8 < len(pages) < 60
    assert driver.execute_script("return window.prints") == 2  # a real print asks for the rows too


def test_an_old_run_opens_to_its_line_and_names_its_file(driver: Driver) -> None:
    oldest = many()[0]
    link = driver.find_element(By.CSS_SELECTOR, f"{DRAWN} a[data-run='{oldest.id}']")
    link.send_keys(Keys.ENTER)
    body = driver.find_element(By.ID, "run").text
    assert oldest.command in body
    assert "median ms" in body
    assert "Its conditions, processes and samples are not in this page" in body
    assert f"runs/{oldest.device.id}/{oldest.id}__" in body


def test_without_its_script_the_page_has_the_first_rows_and_names_the_file_with_all(
    driver: Driver, page: Path
) -> None:
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened(driver, page)
        rows = driver.find_elements(By.CSS_SELECTOR, "#latency-table tbody tr")
        assert len(rows) == MOST_STATIC
        assert rows[-1].is_displayed()
        note = driver.find_element(By.CSS_SELECTOR, "#rows noscript")
        assert f"the first {MOST_STATIC} of {COUNT} rows" in note.text
        assert note.find_element(By.TAG_NAME, "a").get_attribute("href").endswith("latency.csv")
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def doubtful() -> list[Measurement]:
    return [
        measurement(1, model="seaformer_l.ade20k"),
        measurement(2, model="seaformer_s.ade20k", flags=(OFF_CORE,)),
        failed(3),
        hostile(),
    ]


def test_a_drawn_row_is_the_row_that_is_there_without_a_script(
    session: Driver, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    text = html.page(report_of(doubtful()))
    path.write_text(text, encoding="utf-8")
    opened(session, path)
    Select(session.find_element(By.ID, "by-newest")).select_by_value("")
    rows = session.execute_script(
        f"return [...document.querySelectorAll('{DRAWN}')].map(row => row.outerHTML)"
    )
    body = text[text.index("<tbody>", text.index('id="latency-table"')) :].partition("</tbody>")[0]
    static = [Elements(row) for row in body.removeprefix("<tbody>").strip().split("\n")]
    assert len(rows) == len(static) == len(doubtful())
    for row, before in zip(map(Elements, rows), static, strict=True):
        attributes = row.found[0][1]
        assert attributes.pop("aria-rowindex")
        assert row.found == before.found
        assert row.said == before.said


@pytest.mark.parametrize(("width", "shown"), [(390, True), (1280, False)])
def test_a_row_that_is_not_valid_is_marked_beside_its_name_where_the_window_is_narrow(
    session: Driver, tmp_path: Path, width: int, shown: bool
) -> None:
    path = tmp_path / "report.html"
    path.write_text(html.page(report_of(doubtful())), encoding="utf-8")
    chromium.resize(session, width, 844)
    opened(session, path)
    script = (
        f"return [...document.querySelectorAll('{DRAWN}')].map(row => [row.querySelector('.name')"
        ".textContent, row.querySelector('.verdict').textContent, "
        "row.querySelector('.verdict').checkVisibility(), "
        "getComputedStyle(row.cells[0]).borderLeftWidth, row.querySelector('.opens')"
        ".getBoundingClientRect().right])"
    )
    by_state = {row[1]: row for row in session.execute_script(script)}
    assert set(by_state) == {"", "not valid", "failed"}
    assert {state: row[2] for state, row in by_state.items()} == {
        "": False,
        "not valid": shown,
        "failed": shown,
    }
    assert {state: row[3] for state, row in by_state.items()} == {
        "": "0px",
        "not valid": "4px",
        "failed": "4px",
    }
    assert all(row[4] < width for row in by_state.values())  # the figure is in view beside it
