"""How long a report takes and how large it gets: made-up stores of 10, 1,000 and 10,000 runs.

    python benchmarks/report_speed.py [COUNT ...] [--keep FOLDER]

Prints a Markdown table: processor seconds for reading the runs alone; for reading and reporting as
``seaformer report`` does, first with an empty cache and then again, when the summaries of the first
are in it; for that whole command, with the start of Python and what it prints; the most memory in
use; the size of ``report.html``, the seconds until a headless Chromium has opened and filtered
it, and its main thread's processor seconds until then (where chromium and selenium are
installed). Then the processor seconds of each renderer. Nothing of it is a latency of a model: the
runs come from a seeded generator. The user's own cache is not touched.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from seaformer.core import codec, files
from seaformer.core.measurement import Measurement
from seaformer.estimate.counted import report_store
from seaformer.models import list_models
from seaformer.report import build
from seaformer.report.renderers import RENDERERS, renderer
from seaformer.report.zoo import zoo_rows
from seaformer.store.results import ResultStore
from seaformer.store.summaries import load_summarised
from tests.fakes.measurements import HOST, measurement, method

_SAMPLES_PER_PROCESS = (30, 120)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("counts", nargs="*", type=int, default=[10, 1000, 10_000])
    arguments.add_argument("--keep", type=Path, help="leave the stores here")
    options = arguments.parse_args()
    print("| runs | raw MB | read | first | again | command | MB | report.html MB | opens s |")
    print("|---|---|---|---|---|---|---|---|---|")
    parts = []
    for count in options.counts:
        folder = Path(tempfile.mkdtemp(prefix="report_speed_"))
        os.environ[files.CACHE_VARIABLE] = str(folder / "cache")
        try:
            print(line(count, folder), flush=True)
            parts.append(renderer_line(count, folder))
        finally:
            if options.keep:
                shutil.move(folder, options.keep / str(count))
            shutil.rmtree(folder, ignore_errors=True)
    print(f"\n| runs | {' | '.join(f'{name} CPU s' for name in files_made())} |")
    print("\n".join([f"|---|{'---|' * len(files_made())}", *parts]))


def renderer_line(count: int, root: Path) -> str:
    """Processor seconds of each renderer that makes files."""
    report = build(load_summarised(ResultStore(root)), zoo_rows())
    entries = [renderer(name) for name in files_made()]
    times = [seconds(partial(entry.render, report)) for entry in entries]
    return f"| {count:,} | {' | '.join(f'{time:.2f}' for time in times)} |"


def files_made() -> list[str]:
    return [name for name in RENDERERS.names() if renderer(name).FILES]


def line(count: int, root: Path) -> str:
    """One row of the table."""
    fill(root, count)
    raw = files.size_bytes(root / "runs") / 1e6
    read = seconds(ResultStore(root).load)
    first = seconds(lambda: report_store(root))
    again = seconds(lambda: report_store(root))
    page = root / "report.html"
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    times = f"{read:.1f} | {first:.1f} | {again:.1f} | {command_seconds(root):.1f}"
    figures = f"{raw:.1f} | {times} | {memory:.0f}"
    return f"| {count:,} | {figures} | {page.stat().st_size / 1e6:.2f} | {opens(page)} |"


def seconds(work: Callable[[], object]) -> float:
    """Processor seconds of this process."""
    started = time.process_time()
    work()
    return time.process_time() - started


def command_seconds(root: Path) -> float:
    """Processor seconds of ``seaformer report``, from the start of Python to its end."""
    argv = [sys.executable, "-m", "seaformer", "report", "--results", str(root)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def fill(root: Path, count: int) -> None:
    """``count`` runs of the zoo on five machines, without a sync for each."""
    store = ResultStore(root)
    for made in invented(count):
        path = store.path_of(made)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files.json_text(codec.to_json(made)), encoding="utf-8")


def invented(count: int) -> Iterator[Measurement]:
    rng = random.Random(0)
    names = list_models("*")
    devices = [replace(HOST, id=f"host-{i}", model=f"Example CPU {i}") for i in range(5)]
    for i in range(count):
        runs = method(rng.uniform(5, 400), count=rng.randint(*_SAMPLES_PER_PROCESS), seed=i)
        name = names[i % len(names)]
        yield measurement(
            1,
            id=f"20260729T{i:09d}-{i:08x}",
            created_at=f"2026-{1 + i % 12:02d}-{1 + i % 28:02d}T{i % 24:02d}:00:00+00:00",
            model=name,
            device=rng.choice(devices),
            methods={"forward": runs},
            artifact_sha256=f"{i // 500:064x}",
            paper_latency_ms=rng.choice((None, 40.0, 67.0)),
        )


def opens(page: Path) -> str:
    """Seconds until the page is loaded and its tables are filtered, or why that was not tried."""
    try:
        from tests.fakes.browser import browser, installed
    except ImportError:
        return "no selenium"
    if not installed():
        return "no chromium"
    with browser() as driver:
        driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
        started = time.perf_counter()
        driver.get(page.as_uri())
        shown = driver.execute_script("return document.getElementById('count').textContent")
        wall = time.perf_counter() - started
        metrics = driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        busy = next(one["value"] for one in metrics if one["name"] == "TaskDuration")
        return f"{wall:.1f} (CPU {busy:.1f}, {shown})"


if __name__ == "__main__":
    main()
