"""Loading a store with the latencies' summaries that an earlier report derived from the same files.

A summary takes thousands of resamples. It depends on the samples and on ``core/stats.py`` alone,
so it is kept in the cache by file, size and time of change, and dropped when that code changes.
The raw samples stay the truth: what a run file itself has of its figures is not read.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

from seaformer.core import stats
from seaformer.core.measurement import MEASURED, Measurement, summary
from seaformer.core.runs import Runs
from seaformer.core.stats import Interval, Summary
from seaformer.store import accuracy, database
from seaformer.store.results import ResultStore, RunFile

_FIGURES = tuple(field.name for field in fields(Summary) if field.name != "ci95_ms")
_COLUMNS = ("path", "size_bytes", "changed_ns", "method", "low", "high", *_FIGURES)
_Key = tuple[str, int, int, str]


def load_summarised(store: ResultStore) -> Runs:
    """Every measurement with the summaries of its latencies; only new ones are derived."""
    runs, sources = store.load_files()
    layout = database.Layout(
        int(_digest_of_code()[:7], 16),
        [("summaries", f"{', '.join(_COLUMNS)}, PRIMARY KEY (path, method)")],
    )
    path = database.path_for(store.root, "-summaries")
    pairs = tuple(zip(runs.measurements, sources, strict=True))
    summaries, _ = database.using(path, layout, lambda opened: _summaries(opened, pairs))
    accuracies, damaged = accuracy.load(store.root)
    return replace(
        runs, summaries=summaries, accuracies=accuracies, damaged=(*runs.damaged, *damaged)
    )


def _digest_of_code() -> str:
    return hashlib.sha256(Path(stats.__file__).read_bytes()).hexdigest()


def _summaries(
    opened: sqlite3.Connection, pairs: Sequence[tuple[Measurement, RunFile]]
) -> dict[tuple[str, str], Summary]:
    """By id and method. What is new is written, what no file has any more is forgotten."""
    kept = dict(_kept(opened))
    summaries: dict[tuple[str, str], Summary] = {}
    missing = []
    for measurement, file in pairs:
        for method in measurement.methods if measurement.source == MEASURED else ():
            key = (_text(file.path), file.size_bytes, file.changed_ns, _text(method))
            if key in kept:
                summaries[measurement.id, method] = kept.pop(key)
            else:
                missing.append((key, measurement, method))
    fresh = {}
    # Equal numbers of samples together: the bootstrap's ranks are then made once, and at hand.
    for key, measurement, method in sorted(missing, key=lambda one: _counts(*one[1:])):
        figures = summary(measurement, method)
        if figures is not None:
            fresh[key] = summaries[measurement.id, method] = figures
    _write(opened, fresh, [(path, method) for path, _, _, method in kept])
    return summaries


def _counts(measurement: Measurement, method: str) -> tuple[int, ...]:
    return tuple(process.count for process in measurement.methods[method].processes)


def _write(
    opened: sqlite3.Connection, fresh: Mapping[_Key, Summary], gone: Sequence[tuple[str, str]]
) -> None:
    marks = ", ".join("?" * len(_COLUMNS))
    rows = ((*key, *_row(figures)) for key, figures in fresh.items())
    with opened:
        opened.executemany("DELETE FROM summaries WHERE path = ? AND method = ?", gone)
        opened.executemany(f"INSERT OR REPLACE INTO summaries VALUES ({marks})", rows)


def _kept(opened: sqlite3.Connection) -> Iterator[tuple[_Key, Summary]]:
    for row in opened.execute(f"SELECT {', '.join(_COLUMNS)} FROM summaries"):
        path, size_bytes, changed_ns, method, low, high, *figures = row
        named = dict(zip(_FIGURES, figures, strict=True))
        yield (path, size_bytes, changed_ns, method), Summary(**named, ci95_ms=Interval(low, high))


def _row(figures: Summary) -> Iterator[float]:
    yield from (figures.ci95_ms.low, figures.ci95_ms.high)
    yield from (getattr(figures, name) for name in _FIGURES)


def _text(value: str) -> str:
    return str(database.storable(value))
