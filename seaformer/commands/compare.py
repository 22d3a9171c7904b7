"""``seaformer compare``: two sets of results, and a gate that fails when the new one is worse."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from seaformer.commands._options import Wide
from seaformer.commands._print import (
    github_summary,
    print_document,
    print_json,
    show,
)

if TYPE_CHECKING:
    from seaformer.compare.rows import Comparison
    from seaformer.compare.verdict import Limits

_ALL = "`seaformer compare --format md` prints all."


def compare(
    base: Annotated[str, typer.Argument(help="folder, run file or commit")],
    new: Annotated[str, typer.Argument(help="folder, run file or commit")],
    format: Annotated[str, typer.Option(help="text, md, json, github or benchmark")] = "text",
    max_ratio: Annotated[float, typer.Option(help="latency that is still no regression")] = 1.03,
    max_miou_drop: Annotated[
        float, typer.Option(help="points of mIoU, top-1 or AP that may be lost")
    ] = 0.5,
    allow: Annotated[str, typer.Option(help="facts that may get worse: operators,latency")] = "",
    fail_on_missing: Annotated[
        bool, typer.Option("--fail-on-missing", help="a row only BASE has is a regression")
    ] = False,
    wide: Wide = False,
    no_gate: Annotated[bool, typer.Option("--no-gate", help="never end with exit code 6")] = False,
    results: Annotated[
        str, typer.Option("--results", help="the folder a commit is asked for")
    ] = "",
) -> None:
    """Compare two sets of results row by row; exit code 6 when the new one is worse.

    Latency: ratio of medians with its 95 % bootstrap interval. What no machine changes
    (instructions, delegate, operators, size, agreement) is compared exactly, and so is accuracy on
    the same images. docs/results.md has the limits.
    """
    from seaformer.commands._parse import known
    from seaformer.compare.document import FORMATS
    from seaformer.compare.rows import compare as compare_sides
    from seaformer.compare.rows import gate
    from seaformer.compare.sides import load_side
    from seaformer.compare.verdict import checked_limits
    from seaformer.store.results import results_dir

    known("format", [format], FORMATS)
    limits = checked_limits(max_ratio, max_miou_drop)
    folder = results_dir(results or None)
    names = [item.strip() for item in allow.split(",") if item.strip()]
    comparison = compare_sides(load_side(base, folder), load_side(new, folder), limits, allow=names)
    _show(comparison, limits, format, wide)
    if not no_gate:
        gate(comparison, missing=fail_on_missing)


def _show(comparison: Comparison, limits: Limits, format: str, wide: bool) -> None:
    from seaformer.compare import document
    from seaformer.report.renderers.github import fitted

    if format == "json":
        print_json(document.document(comparison))
    elif format == "benchmark":
        print_json(document.benchmark(comparison))
    elif format == "md":
        print_document(document.markdown(comparison, limits))
    elif format == "github":
        github_summary(lambda room: fitted(document.markdown(comparison, limits), room, _ALL))
        print_document(document.github(comparison))
    else:
        show(document.page(comparison, everything=wide or not sys.stdout.isatty()), wide)
