"""Pictures of the report as a reader meets it, of the results that are stored.

    python tools/screenshots.py [--results results] [--out FOLDER] [--all]

The report is built in a scratch copy. ``report.html`` is opened in a headless Chromium (apt-get
install chromium chromium-driver; pip install selenium); what ``seaformer report`` prints in a
terminal of 80 and of 160 columns and README.md as a page are drawn there too. ``--all`` takes the
whole report instead, light and dark, on a desk and on a phone.
"""

from __future__ import annotations

import argparse
import base64
import io
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from PIL import Image
from rich.console import Console
from rich.text import Text

sys.path.insert(0, str(Path(__file__).parents[1]))

from seaformer.report import write_report
from seaformer.report.zoo import zoo_rows
from seaformer.store.results import ResultStore
from tests.commands.terminal import on_terminal
from tests.fakes.browser import browser, prefer, resize

ROOT = Path(__file__).parents[1]
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

COLUMNS = (80, 160)
_PAGE = "<!doctype html><meta charset=utf-8><base href='{base}/'><style>{style}</style>{body}"
_TERMINAL = """
body { margin: 0; padding: 16px; background: #fff; width: max-content; }
pre { margin: 0; font: 14px/1.3 'DejaVu Sans Mono', monospace; }
"""
_DOCUMENT = """
body { max-width: 860px; margin: 32px auto; font: 16px/1.5 sans-serif; }
img { max-width: 100%; } pre { background: #f6f8fa; padding: 12px; font-size: 13px; }
table { border-collapse: collapse; } td, th { border: 1px solid #ccc; padding: 4px 10px; }
"""


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
            made = take(driver, copy / "report.html", options.out, options.all)
            if not options.all:
                made += [terminal(driver, copy, options.out, columns) for columns in COLUMNS]
                made.append(readme(driver, Path(scratch), options.out))
            for path in made:
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


def terminal(driver: Any, results: Path, out: Path, columns: int) -> Path:
    """What ``seaformer report`` prints in a terminal of that width."""
    screen = on_terminal("report", "--results", results, columns=columns, cwd=results.parent)
    console = Console(record=True, width=columns, file=io.StringIO())
    shown = screen.raw.replace("\r\n", "\n").replace(f"{results.parent}/", "")
    console.print(Text.from_ansi(shown))
    body = console.export_html(code_format="<pre>{code}</pre>", inline_styles=True)
    page = results.parent / f"terminal-{columns}.html"
    page.write_text(_PAGE.format(base=ROOT.as_uri(), style=_TERMINAL, body=body), encoding="utf-8")
    _open(driver, page, (9 * columns + 60, 200), "light")
    return _save(driver, out / f"terminal-{columns}.png", beyond=True)


def readme(driver: Any, scratch: Path, out: Path) -> Path:
    """README.md as a page."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    body = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    page = scratch / "readme.html"
    page.write_text(_PAGE.format(base=ROOT.as_uri(), style=_DOCUMENT, body=body), encoding="utf-8")
    _open(driver, page, (900, 900), "light")
    path = _save(driver, out / "readme.png", beyond=True)
    with Image.open(path) as picture:
        few = picture.convert("RGB").quantize(48)  # text: a third of the bytes
    few.save(path, optimize=True)
    return path


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
