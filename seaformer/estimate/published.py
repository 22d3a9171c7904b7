"""Published latencies by core, bound to the models of the zoo that they are of.

``sd865``: the paper's tables (Snapdragon 865, TNN, one core). ``sd855``: MobileNets by width
(Snapdragon 855, Paddle-Lite, one thread). A row whose model here does other work than the published
one is not bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from seaformer.core import paper, zoo
from seaformer.core.precision import BASE, names
from seaformer.core.registry import unknown
from seaformer.core.zoo import ZooEntry
from seaformer.estimate.figures import Figure, zoo_name

_MOST_DIFFERENCE = 0.1  # of multiply-accumulates, beyond the rounding of a printed figure
_WIDTHS = "sd855_paddlelite"
# Of the fastest core of each, which the published latencies are of, as its maker states it.
CLOCK_GHZ = {"sd865": 2.84, "sd855": 2.84}


def published_cores() -> tuple[str, ...]:
    """The cores that latencies were published for."""
    return tuple(_ROWS)


def published(core: str) -> tuple[Figure, ...]:
    """Every bound row of a core. Raises ``UnknownName`` for one without published rows."""
    if core not in _ROWS:
        raise unknown("core", core, published_cores())
    return tuple(_ROWS[core]())


def does_the_same_work(entry: ZooEntry) -> bool:
    """Whether the model's multiply-accumulates are the published ones, by 10 % and rounding."""
    row = entry.spec.paper
    if row is None or row.flops_g is None:
        return True
    digits = paper.printed(row.table, "flops_g", row.flops_g).partition(".")[2]
    rounding = 0.5 * 10.0 ** -len(digits)
    least = min(abs(row.flops_g - ours / 1e9) for ours in (entry.macs, entry.paper_flops))
    return least <= _MOST_DIFFERENCE * row.flops_g + rounding


def _of_the_paper() -> Iterator[Figure]:
    for entry in zoo.entries().values():
        row = entry.spec.paper
        if row is None or not does_the_same_work(entry):
            continue
        for precision in names():
            ms = row.latency_in(precision)
            if ms is not None:
                yield Figure(entry.spec.name, precision, ms, row.table)


def _of_widths() -> Iterator[Figure]:
    for line in paper.lines(_WIDTHS):
        family, width = line["model"].replace("_", ""), round(100 * float(line["width"]))
        yield Figure(zoo_name(family, width), BASE.name, float(line["latency_ms"]), _WIDTHS)


_ROWS: dict[str, Callable[[], Iterator[Figure]]] = {
    "sd865": _of_the_paper,
    "sd855": _of_widths,
}
