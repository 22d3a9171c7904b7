"""Pictures of ``report.html`` as a reader meets it, of the results that are stored.

    python tools/screenshots.py [--results results] [--out FOLDER] [--all]

The report is built in a scratch copy and opened in a headless Chromium (apt-get install chromium
chromium-driver; pip install selenium). ``--all`` takes the whole page, light and dark, on a desk
and on a phone; without it the few that are shown are taken.
"""

from __future__ import annotations

import argparse
import base64
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from seaformer.report import write_report
from seaformer.report.zoo import zoo_rows
from seaformer.store.results import ResultStore
from tests.fakes.browser import browser, prefer, resize

DESK, PHONE = (1280, 900), (390, 844)
_FIRST_NUMBER = "#latency-table .opens, #counts-table .opens"
# name: width and height, light or dark, a section to show alone, whether a run is opened
SHOWN: dict[str, tuple[tuple[int, int], str, str, bool]] = {
    "desk-light": (DESK, "light", "", False),
    "desk-dark-rows": (DESK, "dark", "rows", False),
    "desk-light-run": (DESK, "light", "", True),
    "phone-light-rows": (PHONE, "light", "rows", False),
}
WHOLE = {
    f"{place}-{scheme}": (size, scheme)
    for place, size in (("desk", DESK), ("phone", PHONE))
    for scheme in ("light", "dark")
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--results", type=Path, default=Path("results"))
    arguments.add_argument("--out", type=Path, default=Path("results/screenshots"))
    arguments.add_argument("--all", action="store_true", help="whole pages")
    options = arguments.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="screenshots_") as scratch:
        copy = Path(scratch) / "results"
        shutil.copytree(options.results / "runs", copy / "runs")
        write_report(copy, ResultStore(copy).load(), zoo_rows())
        with browser() as driver:
            for path in take(driver, copy / "report.html", options.out, options.all):
                print(f"{path} {path.stat().st_size / 1e3:.0f} kB")


def take(driver: Any, page: Path, out: Path, whole: bool) -> list[Path]:
    """A PNG for each of ``WHOLE`` or ``SHOWN``."""
    made = []
    for name, (size, scheme) in WHOLE.items() if whole else ():
        _open(driver, page, size, scheme)
        made.append(_save(driver, out / f"whole-{name}.png", beyond=True))
    for name, (size, scheme, section, opened) in {} if whole else SHOWN.items():
        _open(driver, page, size, scheme)
        if section:
            driver.execute_script(f"document.getElementById('{section}').scrollIntoView()")
        if opened:
            driver.execute_script(f"document.querySelector('{_FIRST_NUMBER}').click()")
        made.append(_save(driver, out / f"{name}.png", beyond=False))
    return made


def _open(driver: Any, page: Path, size: tuple[int, int], scheme: str) -> None:
    resize(driver, *size)
    prefer(driver, scheme)
    driver.get("about:blank")
    driver.get(page.as_uri())


def _save(driver: Any, path: Path, *, beyond: bool) -> Path:
    capture = {"format": "png", "captureBeyondViewport": beyond}
    if beyond:
        size = driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        capture["clip"] = size | {"scale": 1}
    data = driver.execute_cdp_cmd("Page.captureScreenshot", capture)["data"]
    path.write_bytes(base64.b64decode(data))
    return path


if __name__ == "__main__":
    main()
