"""Measurements as a small HTML table, for a notebook. All text is escaped; no style is imported."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seaformer.core.measurement import Measurement

_HEADINGS = ("model", "HxW", "runtime", "precision", "scope", "median", "95 % interval", "valid")


def table(measurements: Sequence[Measurement]) -> str:
    """An HTML ``table``: a row per measurement, latency in ms or executed instructions."""
    head = "".join(f"<th>{escape(name)}</th>" for name in _HEADINGS)
    rows = "".join(f"<tr>{_row(one)}</tr>" for one in measurements)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _row(one: Measurement) -> str:
    cells = (
        one.model,
        "x".join(map(str, one.input_shape[2:])),
        f"{one.runtime} {one.runtime_version}".strip(),
        one.precision,
        one.scope,
        *_figures(one),
        _validity(one),
    )
    return "".join(f"<td>{escape(cell)}</td>" for cell in cells)


def _figures(one: Measurement) -> tuple[str, str]:
    """The median and its interval; of an emulated run the instructions, which vary by nothing."""
    from seaformer.core.counts import typical
    from seaformer.core.measurement import summary

    figures = summary(one)
    if figures is not None:
        return (
            f"{figures.median_ms:.2f} ms",
            f"{figures.ci95_ms.low:.2f}–{figures.ci95_ms.high:.2f} ms",
        )
    run = one.methods.get("forward")
    counts = typical(run.counts) if run is not None else None
    if counts is not None:
        return f"{counts.instructions / 1e6:.2f} M instructions", ""
    return "", ""


def _validity(one: Measurement) -> str:
    if one.failure is not None:
        return f"failed: {one.failure}"
    fatal = ", ".join(flag.name for flag in one.flags if flag.fatal)
    return f"no: {fatal}" if fatal else "yes"
