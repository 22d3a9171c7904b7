"""Where a model's figures are far from the paper's: ours, the paper's, and why.

A difference that the paper's rounding makes is recognised by computing it. Every other has one
reason in ``core/paper/differences.csv``; "not explained" is one. A test keeps the two together.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from seaformer.core import paper
from seaformer.core.errors import UsageError
from seaformer.core.paper import OwnFigures, Reason
from seaformer.report.zoo import ZooRow, difference_percent, markdown_table

FAR = 0.05
ROUNDING = "the paper's rounding"
HEADERS = ("model", "figure", "ours", "the paper's", "diff %", "why")
# Our figures, the paper's columns for them, and their units.
FIGURES = {"params": ("params_m", "M"), "flops": ("flops_g", "G")}


class Difference(NamedTuple):
    """One figure of one model that is farther than ``FAR`` from the paper's.

    ``ours`` and ``papers`` are in millions (``params``) or 1e9 (``flops``); ``printed`` is the
    paper's figure with the decimals it prints.
    """

    model: str
    figure: str
    ours: float
    papers: float
    printed: str

    @property
    def percent(self) -> float:
        """How far ours is from the paper's."""
        return difference_percent(self.ours, self.papers)

    @property
    def is_rounding(self) -> bool:
        """Whether ours, at the paper's number of decimals, is what the paper prints."""
        return is_rounding(self.ours, self.printed)


def is_rounding(ours: float, printed: str) -> bool:
    """Whether a figure is what is printed, at its number of decimals."""
    decimals = -int(Decimal(printed).as_tuple().exponent)
    return abs(ours - float(printed)) <= 0.5 * 10.0**-decimals


def differences(rows: Iterable[ZooRow]) -> list[Difference]:
    """Every figure farther than ``FAR`` from the paper's, in the order of the models."""
    return [one for row in rows for one in _of(row) if abs(one.percent) > 100 * FAR]


def _of(row: ZooRow) -> Iterator[Difference]:
    ours = {"params": row.params / 1e6, "flops": row.flops / 1e9}
    line = row.spec.paper
    for figure, (column, _) in FIGURES.items():
        papers = None if line is None else getattr(line, column)
        if line is not None and papers:
            printed = paper.printed(line.table, column, papers)
            yield Difference(row.spec.name, figure, ours[figure], papers, printed)


def explained(
    every: Iterable[Difference], reasons: Sequence[Reason]
) -> list[tuple[Difference, str]]:
    """Each difference with its reason.

    Raises ``UsageError`` for a difference that has none or several, and for a reason that explains
    nothing.
    """
    pairs, used = [], set[Reason]()
    for one in every:
        fitting = [] if one.is_rounding else [r for r in reasons if _fits(r, one)]
        if not one.is_rounding and len(fitting) != 1:
            raise UsageError(
                f"{one.model} is {one.percent:+.1f} % off the paper's {one.figure}; "
                f"differences.csv gives {len(fitting)} reasons for it, expected one.",
                hint="Explain it there, or write 'not explained'.",
            )
        used.update(fitting)
        pairs.append((one, fitting[0].reason if fitting else ROUNDING))
    left = [reason for reason in reasons if reason not in used]
    if left:
        names = ", ".join(f"{reason.model} {reason.figure}" for reason in left)
        raise UsageError(
            f"differences.csv explains what does not differ by more than {FAR:.0%}: {names}.",
            hint="Take these lines out.",
        )
    return pairs


def _fits(reason: Reason, one: Difference) -> bool:
    return reason.figure == one.figure and fnmatch.fnmatchcase(one.model, reason.model)


def differences_markdown(rows: Iterable[ZooRow], reasons: Sequence[Reason]) -> str:
    """The table for the documentation."""
    cells = (
        (
            one.model,
            "parameters" if one.figure == "params" else "FLOPs",
            f"{one.ours:.3f} {FIGURES[one.figure][1]}",
            f"{one.printed} {FIGURES[one.figure][1]}",
            f"{one.percent:+.1f}",
            why,
        )
        for one, why in explained(differences(rows), reasons)
    )
    return markdown_table(HEADERS, cells)


def own_figures_markdown(rows: Iterable[ZooRow], every: Sequence[OwnFigures]) -> str:
    """What each network's own source prints beside ours, for the documentation.

    Raises ``UsageError`` for a figure that is far off and has no reason, and for a reason where
    none is.
    """
    ours = {row.spec.name: (row.params / 1e6, row.macs / 1e9) for row in rows}
    return markdown_table(
        ("model", "params M", "printed", "MACs G", "printed", "where", "why"),
        (_beside(ours[one.model], one) for one in every),
    )


def _beside(ours: tuple[float, float], one: OwnFigures) -> Iterator[str]:
    pairs = list(zip(ours, (one.params_m, one.macs_g), strict=True))
    far = [_is_far(figure, printed) for figure, printed in pairs if printed]
    if any(far) != bool(one.reason):
        fault = "has no reason for its difference" if any(far) else "needs no reason"
        raise UsageError(
            f"{one.model} {fault} in own_figures.csv.",
            hint=f"More than {FAR:.0%} off, and not by rounding, needs one.",
        )
    yield one.model
    for figure, printed in pairs:
        yield f"{figure:.3f}"
        yield f"{printed} ({difference_percent(figure, float(printed)):+.1f} %)" if printed else ""
    yield one.source
    yield one.reason


def _is_far(ours: float, printed: str) -> bool:
    off = abs(difference_percent(ours, float(printed))) > 100 * FAR
    return off and not is_rounding(ours, printed)
