"""Figures and words as they are printed, the same in every renderer.

A value that does not exist is a dash. Text that came from a device or a file is cleaned before it
is shown: no control characters, no line breaks, no lone surrogates.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Protocol

from seaformer.core.measurement import Cluster
from seaformer.core.plural import counted as counted  # noqa: PLC0414
from seaformer.core.table import ResultRow

NOTHING = "-"
UNKNOWN = "unknown"
PAPER_SIDE = "paper (SD865, TNN, 1 core)"


def printable(text: str) -> str:
    """``text`` with a space for each character that is not printable."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " for c in text)


def clean(text: str) -> str:
    """One line of printable characters."""
    if text.isprintable() and " " not in text:
        return text
    return " ".join(printable(text).split())


def ms(value: float | None) -> str:
    """Milliseconds with two decimals, four below 0.1 ms."""
    if value is None:
        return NOTHING
    return f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.4f}"


class HasInterval(Protocol):
    """A row, a component, a line of a reproduced table."""

    @property
    def ci95_low_ms(self) -> float | None: ...
    @property
    def ci95_high_ms(self) -> float | None: ...


def interval(row: HasInterval) -> str:
    """``low–high`` in milliseconds."""
    low, high = row.ci95_low_ms, row.ci95_high_ms
    return NOTHING if low is None or high is None else f"{ms(low)}–{ms(high)}"


class OfModule(Protocol):
    """An operator: what was timed, counted or estimated of it."""

    @property
    def module(self) -> str: ...
    @property
    def exact(self) -> bool: ...


def module(operator: OfModule) -> str:
    """Its module; ``~`` before that of one of the engine's own, put with the one before it."""
    if not operator.module:
        return NOTHING
    return operator.module if operator.exact else f"~ {operator.module}"


def mb(value: float | None) -> str:
    """Megabytes (10^6 bytes) with one decimal."""
    return NOTHING if value is None else f"{value:.1f}"


def percent(fraction: float | None) -> str:
    """A fraction as percent with two decimals."""
    return NOTHING if fraction is None else f"{100 * fraction:.2f} %"


def tiny_percent(fraction: float | None) -> str:
    """A fraction as percent with four decimals; a plain zero is exactly zero."""
    if fraction is None:
        return NOTHING
    return "0 %" if fraction == 0 else f"{100 * fraction:.4f} %"


FIGURE_10 = "figure 10 (SeaFormer-T, SD865)"
REMAINDER = (
    "The remainder is the whole less the sum of its parts, each run alone: below zero, the parts "
    "pay for beginning and ending on their own (copies in and out, layouts)."
)


OTHER_PARTS = "Figure 10 is of the segmentation network: one with other parts has no share in it."
NOT_VALID = "This measurement is not valid, and the shares are made of it."


def component_notes(whole: ResultRow, shares: Iterable[float | None]) -> str:
    """The notes below a table of components; ``shares`` are those of figure 10."""
    return " ".join([REMAINDER, *component_doubts(whole, shares)])


def component_doubts(whole: ResultRow, shares: Iterable[float | None]) -> list[str]:
    """The notes that one table of components needs and not every one."""
    known = any(share is not None for share in shares)
    return [*([] if whole.valid else [NOT_VALID]), *([] if known else [OTHER_PARTS])]


def instructions(count: int | None) -> str:
    """Millions of instructions with two decimals."""
    return NOTHING if count is None else f"{count / 1e6:.2f}"


def paper_percent(value: float | None) -> str:
    """A share of figure 10, with the digits the paper gives."""
    return NOTHING if value is None else f"{value:g} %"


def published(value: float | None) -> str:
    """A figure of the paper, with the digits the paper gives."""
    return NOTHING if value is None else f"{value:g}"


def runtime(row: ResultRow) -> str:
    """What ran the file and its version; the format where the runtime has no name."""
    return _runtime(row.runtime or row.format, row.runtime_version)


@functools.lru_cache
def _runtime(name: str, version: str) -> str:
    return clean(f"{name} {version}")


def model(row: ResultRow) -> str:
    """The model, the method where it is not the whole network, and the variant of the file."""
    method = "" if row.method == "forward" else f":{row.method}"
    return clean(f"{row.model}{method}{variant(row)}")


def variant(row: ResultRow) -> str:
    """`` (percentile)`` behind a model whose file differs from others of its precision."""
    return f" ({row.variant})" if row.variant else ""


def validity(row: ResultRow) -> str:
    """``yes``, ``yes`` with reservations, ``no`` with the reasons, or ``failed``."""
    if row.failure is not None:
        return "failed"
    flags = (clean(flag.name) for flag in row.flags if flag.fatal or row.valid)
    names = ", ".join(dict.fromkeys(flags))  # parts of the network may have the same one
    if row.valid:
        return f"yes ({names})" if names else "yes"
    return f"no: {names}" if names else "no"


def core(row: ResultRow) -> str:
    """As requested and as it was: ``prime = cpu7 Cortex-A77``."""
    return _core(row.core, row.cpus, row.core_part)


@functools.lru_cache
def _core(core: str, cpus: tuple[int, ...], part: str) -> str:
    numbers = ", ".join(f"cpu{cpu}" for cpu in cpus)
    place = " ".join(text for text in (numbers, clean(part)) if text)
    return f"{clean(core)} = {place}" if place else clean(core)


def cluster(one: Cluster) -> str:
    """``Cortex-A77 (cpu 4, 5) up to 2420 MHz``."""
    limit = f" up to {one.max_freq_khz / 1e3:.0f} MHz" if one.max_freq_khz else ""
    return f"{one.part} (cpu {', '.join(map(str, one.cpus))}){limit}"


def frequency(row: ResultRow) -> str:
    """``2840 MHz``, a range when it moved, or ``unknown``."""
    if row.freq_min_mhz is None or row.freq_max_mhz is None:
        return UNKNOWN
    low, high = f"{row.freq_min_mhz:.0f}", f"{row.freq_max_mhz:.0f}"
    return f"{low} MHz" if low == high else f"{low} to {high} MHz"
