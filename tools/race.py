"""Engine, precision and model on an emulated core: the table of docs/engines.md, of stored runs.

    python tools/race.py [RESULTS ...]      # results and results/race where none is named
    seaformer bench --device emulator --model NAME --format all --precision fp32,fp16 \
        --repeats 1 --runs 1 --warmup 1 --results results/race      # makes the runs of one model

Nothing is run here: of each model, engine and precision the newest valid run of the whole network
is a row, in the order of instructions. The floor is a full vector multiply-add for every 4 MACs, in
half precision for every 8. *load* is what the process executed before the timed inference, less
the inferences among it: loading, packing of weights, the start of the program.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from seaformer.core.artifact import FORWARD
from seaformer.core.counts import Counts, floor, typical
from seaformer.core.engine import engine
from seaformer.core.errors import UnknownName
from seaformer.core.measurement import EMULATED, Measurement
from seaformer.models import zoo_entry
from seaformer.report.zoo import markdown_table
from seaformer.store.results import ResultStore

ROOT = Path(__file__).parents[1]
RESULTS = (ROOT / "results", ROOT / "results" / "race")
CORE = "emulator-cortex-a76"
HEADER = (
    "model",
    "engine",
    "precision",
    "instructions M",
    "of the floor",
    "loaded MB",
    "load, instructions M",
    "peak MB",
    "file MB",
)


def table(folders: Iterable[Path] = RESULTS) -> str:
    """The table in Markdown."""
    rows = sorted(_newest(folders), key=_order)
    return markdown_table(HEADER, [_row(measurement, counts) for measurement, counts in rows])


def _newest(folders: Iterable[Path]) -> Iterator[tuple[Measurement, Counts]]:
    """Of each model, engine and precision the newest run, with its counts."""
    runs = [
        measurement
        for folder in folders
        for measurement in ResultStore(folder).load().measurements
        if _counts(measurement)
    ]
    ordered = sorted(runs, key=lambda one: (_key(one), one.created_at))
    for _, same in groupby(ordered, key=_key):
        *_, newest = same
        counts = typical(newest.methods[FORWARD].counts)
        assert counts is not None
        yield newest, counts


def _counts(measurement: Measurement) -> bool:
    """Whether it is a row: a whole network of the zoo at its own size, counted and right."""
    if measurement.source != EMULATED or measurement.device.id != CORE:
        return False
    if not measurement.valid or measurement.scope not in ("logits", ""):
        return False
    try:
        shape = zoo_entry(measurement.model).spec.input_shape
    except UnknownName:
        return False
    whole = measurement.methods.get(FORWARD)
    return whole is not None and bool(whole.counts) and measurement.input_shape == shape


def _key(measurement: Measurement) -> tuple[str, str, str]:
    return (measurement.model, measurement.runtime, measurement.precision)


def _order(row: tuple[Measurement, Counts]) -> tuple[float, str, str, int]:
    measurement, counts = row
    return (
        zoo_entry(measurement.model).macs,
        measurement.model,
        measurement.precision,
        counts.instructions,
    )


def _row(measurement: Measurement, counts: Counts) -> tuple[str, ...]:
    (process, *_) = measurement.methods[FORWARD].processes
    before = counts.instructions_before - (1 + process.warmup_runs) * counts.instructions
    peak = process.peak_rss_bytes
    return (
        measurement.model,
        engine(measurement.runtime).title,
        measurement.precision,
        f"{counts.instructions / 1e6:.1f}",
        f"{counts.instructions / floor(counts, zoo_entry(measurement.model).macs):.2f}",
        f"{counts.loaded_bytes / 1e6:.0f}",
        f"{before / 1e6:.0f}",
        "" if peak is None else f"{peak / 1e6:.0f}",
        f"{measurement.artifact_size_bytes / 1e6:.1f}",
    )


if __name__ == "__main__":
    print(table(tuple(map(Path, sys.argv[1:])) or RESULTS))
