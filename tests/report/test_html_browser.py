"""``report.html`` in a real Chromium: it sorts, filters, opens, and asks for nothing outside."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.fakes import browser as chromium
from tests.report.pages import TEXT_OUTSIDE, everything, hostile, page_of
from tests.requirements import require

Driver = Any
RUN = everything()[1]  # measured on a phone, with parts


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return page_of(tmp_path_factory.mktemp("page"), [*everything(), hostile()])


@pytest.fixture(scope="module")
def session() -> Iterator[Driver]:
    require(chromium.installed(), "no chromium with chromedriver", chromium.INSTALL)
    with chromium.browser() as driver:
        yield driver


@pytest.fixture
def driver(session: Driver, page: Path) -> Iterator[Driver]:
    """The page, freshly opened at its top in a window of a laptop's size, in light."""
    chromium.resize(session, 1280, 900)
    chromium.prefer(session, "light")
    session.get("about:blank")
    session.get(page.as_uri())
    session.execute_script("localStorage.clear()")
    session.refresh()
    yield session
    assert [entry for entry in session.get_log("browser") if entry["level"] == "SEVERE"] == []


def visible(driver: Driver, column: int, table: str = "latency-table") -> list[str]:
    """The texts of one column, rows that are filtered away left out."""
    script = (
        "return [...document.querySelectorAll('#' + arguments[0] + ' tbody tr')]"
        ".filter(row => !row.hidden).map(row => row.cells[arguments[1]].textContent.trim())"
    )
    found: list[str] = driver.execute_script(script, table, column)
    return found


def heading(driver: Driver, name: str) -> Any:
    query = f"//table[@id='latency-table']//th[normalize-space()='{name}']"
    return driver.find_element(By.XPATH, query)


def chosen(driver: Driver, by: str, value: str) -> None:
    Select(driver.find_element(By.ID, f"by-{by}")).select_by_value(value)


def dialog(driver: Driver) -> Any:
    return driver.find_element(By.ID, "run")


def soon(driver: Driver, happened: Callable[[Driver], object]) -> bool:
    """Whether it happens: a browser closes a dialog and tells its address a moment later."""
    return bool(WebDriverWait(driver, 20, poll_frequency=0.02).until(happened))


def is_open(driver: Driver) -> bool:
    return bool(driver.execute_script("return document.getElementById('run').open"))


def ground(driver: Driver) -> tuple[int, ...]:
    script = "return getComputedStyle(document.body).backgroundColor"
    numbers = driver.execute_script(script).strip("rgb()").split(",")
    return tuple(int(number) for number in numbers)


def test_a_run_may_have_more_samples_than_a_call_has_arguments(driver: Driver) -> None:
    script = "return histogram(new Array(300000).fill(7e6).fill(9e6, 1))[1].textContent"
    note = driver.execute_script(script)
    assert note == "Histogram of 300000 samples from 7.000 to 9.000 ms."


def test_opening_the_page_asks_for_the_page_and_nothing_else(driver: Driver, page: Path) -> None:
    chromium.requests(driver)
    driver.get("about:blank")
    driver.get(page.as_uri())
    driver.find_element(By.CSS_SELECTOR, "a.opens").click()
    asked = [url for url in chromium.requests(driver) if not url.startswith(("data:", "about:"))]
    assert set(asked) == {page.as_uri()}


def test_the_console_stays_silent(driver: Driver, page: Path) -> None:
    driver.get_log("browser")
    driver.get(page.as_uri())
    for link in driver.find_elements(By.CSS_SELECTOR, "#latency-table a.opens")[:3]:
        driver.execute_script("arguments[0].click()", link)
        driver.find_element(By.ID, "close").click()
    assert driver.get_log("browser") == []


def test_nothing_that_was_slipped_in_runs(driver: Driver) -> None:
    link = driver.find_element(By.CSS_SELECTOR, f"a[data-run='{hostile().id}']")
    driver.execute_script("arguments[0].click()", link)
    assert is_open(driver)
    assert "<script>window.hacked" in dialog(driver).text
    assert driver.execute_script("return window.hacked") is None


def test_a_column_of_numbers_sorts_both_ways_and_says_so(driver: Driver) -> None:
    head = heading(driver, "median ms")
    head.find_element(By.TAG_NAME, "button").click()
    rising = [float(cell) for cell in visible(driver, 1) if cell != "why?"]
    assert rising == sorted(rising)
    assert len(rising) > 3
    assert head.get_attribute("aria-sort") == "ascending"
    assert visible(driver, 1)[-1] == "why?"  # a run without a figure comes last, both ways
    head.find_element(By.TAG_NAME, "button").click()
    assert [float(cell) for cell in visible(driver, 1) if cell != "why?"] == rising[::-1]
    assert head.get_attribute("aria-sort") == "descending"
    assert visible(driver, 1)[-1] == "why?"


def test_sorting_another_column_takes_the_mark_from_the_first(driver: Driver) -> None:
    heading(driver, "median ms").find_element(By.TAG_NAME, "button").click()
    heading(driver, "model").find_element(By.TAG_NAME, "button").click()
    assert heading(driver, "median ms").get_attribute("aria-sort") == "none"
    names = [name.removesuffix("failed").removesuffix("not valid") for name in visible(driver, 0)]
    assert names == sorted(names, key=str.lower)


def test_the_search_and_the_choices_narrow_the_tables_together(driver: Driver) -> None:
    chosen(driver, "newest", "")
    every = visible(driver, 0)
    driver.find_element(By.ID, "search").send_keys("seaformer_t mi")
    assert 0 < len(visible(driver, 0)) < len(every)
    assert all("seaformer_t" in name for name in visible(driver, 0))
    chosen(driver, "device", "phone-b2")
    assert len(visible(driver, 0)) == 1
    assert driver.find_element(By.ID, "count").text.startswith("1 of ")
    driver.find_element(By.CSS_SELECTOR, "#filters [type=reset]").click()
    assert not driver.find_element(By.ID, "search").get_attribute("value")
    assert soon(driver, lambda d: len(visible(d, 0)) > 3)


def test_only_the_newest_run_of_a_row_is_shown_at_first(driver: Driver) -> None:
    at_first = len(visible(driver, 0))
    chosen(driver, "newest", "")
    assert len(visible(driver, 0)) == at_first + 1


def test_a_number_opens_its_samples_conditions_validity_and_command(driver: Driver) -> None:
    link = driver.find_element(By.CSS_SELECTOR, f"#latency-table a[data-run='{RUN.id}']")
    link.send_keys(Keys.ENTER)
    assert is_open(driver)
    said = dialog(driver).get_attribute("textContent")
    assert RUN.command in said
    assert "Valid: yes" in said
    assert "governor" in said
    assert str(RUN.methods["forward"].samples_ns[0]) in said
    assert str(RUN.methods["head"].samples_ns[-1]) in said
    assert RUN.artifact_sha256 in said
    assert soon(driver, lambda d: d.current_url.endswith(f"#run-{RUN.id}"))


def test_escape_closes_a_run_and_gives_the_focus_back(driver: Driver) -> None:
    link = driver.find_element(By.CSS_SELECTOR, f"#latency-table a[data-run='{RUN.id}']")
    link.send_keys(Keys.ENTER)
    assert is_open(driver)
    driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert soon(driver, lambda d: not is_open(d))
    assert soon(driver, lambda d: d.switch_to.active_element == link)
    assert soon(driver, lambda d: "#run-" not in d.current_url)


def test_an_address_that_names_a_run_opens_it(driver: Driver, page: Path) -> None:
    driver.get("about:blank")
    driver.get(f"{page.as_uri()}#run-{RUN.id}")
    assert is_open(driver)
    assert RUN.id in dialog(driver).text


@pytest.mark.parametrize("name", ["nobody", "constructor", "%3Cb%3E", "%E0%A4%A"])
def test_an_address_that_names_no_run_says_so(driver: Driver, page: Path, name: str) -> None:
    driver.get("about:blank")
    driver.get(f"{page.as_uri()}#run-{name}")
    assert is_open(driver)
    assert "not in the page" in driver.find_element(By.ID, "run-title").text


def test_going_back_closes_a_run(driver: Driver) -> None:
    link = driver.find_element(By.CSS_SELECTOR, f"#latency-table a[data-run='{RUN.id}']")
    link.send_keys(Keys.ENTER)
    driver.back()
    assert soon(driver, lambda d: not is_open(d))


def test_the_keyboard_reaches_the_report_in_reading_order(driver: Driver) -> None:
    order = []
    for _ in range(4):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        order.append(driver.switch_to.active_element.text)
    assert order == ["Skip to the report", "Theme: system", "Overview", "Accuracy"]
    outline = driver.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_the_skip_link_goes_to_the_report(driver: Driver) -> None:
    driver.switch_to.active_element.send_keys(Keys.TAB)
    driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert soon(driver, lambda d: d.switch_to.active_element.get_attribute("id") == "main")


def test_the_page_follows_the_system_into_the_dark(driver: Driver) -> None:
    assert min(ground(driver)) > 240
    chromium.prefer(driver, "dark")
    assert max(ground(driver)) < 40


def test_the_theme_button_overrules_the_system_and_is_remembered(driver: Driver) -> None:
    button = driver.find_element(By.ID, "theme")
    button.click()
    assert button.text == "Theme: light"
    chromium.prefer(driver, "dark")
    assert min(ground(driver)) > 240
    button.click()
    driver.refresh()
    chromium.prefer(driver, "light")
    assert driver.find_element(By.ID, "theme").text == "Theme: dark"
    assert max(ground(driver)) < 40


CONTRAST = """
const lum = (c) => { const [r, g, b] = c.map((v) => { v /= 255;
  return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
const rgb = (c) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c;
  canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
const behind = (node) => { for (; node; node = node.parentElement) {
  const c = rgb(getComputedStyle(node).backgroundColor); if (c[3] === 255) return c.slice(0, 3); }
  return [255, 255, 255]; };
const worst = {};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !node.checkVisibility()) continue;
  const style = getComputedStyle(node);
  const part = node.matches('text.on-part');
  const said = rgb(node instanceof SVGElement ? style.fill : style.color).slice(0, 3);
  const grounds = part ? [...document.querySelectorAll('.part')].map((p) =>
    rgb(getComputedStyle(p).fill).slice(0, 3)) : [behind(node)];
  for (const ground of grounds) {
    const [a, b] = [lum(said), lum(ground)].sort((x, y) => y - x);
    const name = node.tagName + '.' + (node.getAttribute('class') || '');
    worst[name] = Math.min(worst[name] ?? 99, (a + 0.05) / (b + 0.05));
  }
}
return worst;
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_the_contrast_that_wcag_asks_for(driver: Driver, scheme: str) -> None:
    chromium.prefer(driver, scheme)
    worst: dict[str, float] = driver.execute_script(CONTRAST)
    assert len(worst) > 15
    assert {name: ratio for name, ratio in worst.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_itself_never_scrolls_sideways(driver: Driver, width: int) -> None:
    chromium.resize(driver, width, 900)
    assert driver.execute_script("return document.documentElement.scrollWidth") == width


def test_what_is_wider_than_the_window_says_so_and_nothing_else_does(driver: Driver) -> None:
    said = """
    const box = document.querySelector('#ratio .drawing');
    return [box.scrollWidth > box.clientWidth + 1,
      getComputedStyle(box.nextElementSibling, '::before').content !== 'none'];"""
    for width, wide in ((400, True), (1280, False)):
        chromium.resize(driver, width, 900)

        def both_are(d: Driver, wide: bool = wide) -> bool:
            return bool(d.execute_script(said) == [wide, wide])

        assert soon(driver, both_are)


def test_text_in_pictures_stays_inside_and_names_do_not_cover_each_other(driver: Driver) -> None:
    assert driver.execute_script(TEXT_OUTSIDE) == []
    covered = """
    const boxes = [...document.querySelectorAll('#accuracy text.name')].map((t) => t.getBBox());
    return boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) => a.x < b.x + b.width - 1 &&
      b.x < a.x + a.width - 1 && a.y < b.y + b.height - 2 && b.y < a.y + a.height - 2)).length;"""
    assert driver.execute_script(covered) == 0


def test_a_print_has_the_tables_and_pictures_and_no_controls(driver: Driver) -> None:
    chromium.prefer(driver, "dark", medium="print")
    assert min(ground(driver)) == 255  # a dark reader does not print a black page
    for name in ("filters", "theme"):
        assert not driver.find_element(By.ID, name).is_displayed()
    assert driver.find_element(By.ID, "latency-table").is_displayed()
    fits = "return [...document.querySelectorAll('.drawing > svg')].every(s => s.clientWidth > 100)"
    assert driver.execute_script(fits)
    told = driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    assert base64.b64decode(told["data"]).startswith(b"%PDF")


def test_without_its_script_the_page_still_has_every_row_and_picture(
    driver: Driver, page: Path
) -> None:
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver.get("about:blank")
        driver.get(page.as_uri())
        rows = driver.find_elements(By.CSS_SELECTOR, "#latency-table tbody tr")
        assert len(rows) == len(everything())  # all but the emulated one, and the hostile one
        assert all(row.is_displayed() for row in rows)
        assert not driver.find_element(By.ID, "filters").is_displayed()
        assert len(driver.find_elements(By.CSS_SELECTOR, "figure svg")) >= 7
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
