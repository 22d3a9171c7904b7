"""``ResultTable``: measurements as rows of figures. Nothing is computed or drawn here.

A row names its ``source``: ``measured``, ``emulated``, ``estimated`` or ``paper``. Only measured
rows hold latencies; an emulated row holds counts and no milliseconds at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter

from seaformer.core.counts import Counts
from seaformer.core.measurement import Flag
from seaformer.core.stem import variant

_KEY = attrgetter(
    "device",
    "device_name",
    "target",
    "source",
    "model",
    "height",
    "width",
    "format",
    "precision",
    "scope",
    "variant",
    "method",
    "core",
    "threads",
    "runner",
)


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """One method of one measurement; a figure that does not exist is ``None``.

    ``median_ms`` is the median of process medians and ``ci95_*`` its 95 % interval; ``spread``
    (between processes) and ``cv`` are fractions; ``load_ms`` and ``first_ms`` are medians over
    processes, ``peak_mb`` is the largest; a MB is 10^6 bytes. ``core`` is what was asked for
    (``prime``), ``cpus`` what the processes were pinned to. ``paper_ms`` is the paper's figure
    for this model (Snapdragon 865, TNN, one core): another device, never one to subtract from.
    ``instructions`` and ``counts`` of one inference are counted where an emulator ran it: those
    of the median repeat, which differ by the fraction ``counts_spread``; ``executed`` is the
    precision most multiply-adds were computed in. The ``output_`` figures are against the
    eager model: largest difference, PSNR, share of positions with the same class.
    ``commit`` is the checkout it was made in, with ``-dirty`` behind it where that was changed.
    """

    source: str
    model: str
    format: str
    runtime: str
    runtime_version: str = ""
    precision: str
    scope: str
    height: int | None = None
    width: int | None = None
    method: str = "forward"
    device: str
    device_name: str
    target: str
    core: str
    core_part: str = ""
    cpus: tuple[int, ...] = ()
    threads: int
    median_ms: float | None = None
    ci95_low_ms: float | None = None
    ci95_high_ms: float | None = None
    min_ms: float | None = None
    p90_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None
    n: int = 0
    processes: int = 0
    spread: float | None = None
    cv: float | None = None
    outliers: int | None = None
    peak_mb: float | None = None
    load_ms: float | None = None
    first_ms: float | None = None
    size_mb: float | None = None
    valid: bool
    flags: tuple[Flag, ...] = ()
    failure: str | None = None
    runner: str = ""
    runner_build: str = ""
    governor: str | None = None
    freq_min_mhz: float | None = None
    freq_max_mhz: float | None = None
    load_average: float | None = None
    temperature_c: float | None = None
    paper_ms: float | None = None
    created_at: str = ""
    artifact_file: str = ""
    artifact_sha256: str = ""
    measurement_id: str = ""
    instructions: int | None = None
    counts: Counts | None = None
    counts_spread: float | None = None
    executed: str = ""
    output_max_abs: float | None = None
    output_psnr_db: float | None = None
    output_agreement: float | None = None
    command: str = ""
    commit: str = ""

    @cached_property
    def key(self) -> tuple[object, ...]:
        """What makes two rows runs of the same thing.

        Device, model, size, format, precision, scope, variant of the file, method, core, threads,
        runner, source.
        """
        identity: tuple[object, ...] = _KEY(self)
        return identity

    @cached_property
    def variant(self) -> str:
        """What distinguishes the file from others of its model, precision and scope."""
        return variant(self.artifact_file, self.model, self.precision, self.scope)

    @property
    def size(self) -> str:
        """``HxW`` of the input, or nothing where it is not an image."""
        return f"{self.height}x{self.width}" if self.height and self.width else ""

    @property
    def relative_half_width(self) -> float | None:
        """Half the interval over the median."""
        if not self.median_ms or self.ci95_low_ms is None or self.ci95_high_ms is None:
            return None
        return (self.ci95_high_ms - self.ci95_low_ms) / 2 / self.median_ms


@dataclass(frozen=True)
class ResultTable:
    """Rows in the order in which they are shown.

    What several documents ask of a table is found once and kept.
    """

    rows: tuple[ResultRow, ...]

    def where(self, holds: Callable[[ResultRow], bool]) -> ResultTable:
        """The rows of which this holds: this very table, with what it keeps, where of all."""
        rows = tuple(filter(holds, self.rows))
        return self if len(rows) == len(self.rows) else ResultTable(rows)

    def of(self, *sources: str) -> ResultTable:
        """The rows of these sources alone."""
        if sources not in self._of_sources:
            self._of_sources[sources] = self.where(lambda row: row.source in sources)
        return self._of_sources[sources]

    def without(self, *sources: str) -> ResultTable:
        """The rows of any other source."""
        return self.where(lambda row: row.source not in sources)

    def method(self, name: str) -> ResultTable:
        """The rows of one method alone."""
        return self.where(lambda row: row.method == name)

    @cached_property
    def newest(self) -> ResultTable:
        """The first row of every key."""
        return _first_of_each(self.rows)

    @cached_property
    def newest_valid(self) -> ResultTable:
        """The first valid row of every key that has one."""
        return _first_of_each(row for row in self.rows if row.valid)

    @cached_property
    def _of_sources(self) -> dict[tuple[str, ...], ResultTable]:
        return {}


def _first_of_each(rows: Iterable[ResultRow]) -> ResultTable:
    first: dict[tuple[object, ...], ResultRow] = {}
    for row in rows:
        first.setdefault(row.key, row)
    return ResultTable(tuple(first.values()))
