"""``Bisection``: where inside of a network a file departs from the eager model.

Errors are signal-to-noise ratios: the power of the eager values over that of the difference, over
all inputs of the proof.
"""

from __future__ import annotations

from dataclasses import dataclass

WHOLE = "the network"  # the name of a row of the whole network


@dataclass(frozen=True)
class Gap:
    """How far values of a file are from the eager ones.

    Attributes:
        sqnr_db: ``None`` where they are equal, and where the file has an infinity or NaN.
        finite: whether the file has neither.
    """

    sqnr_db: float | None = None
    finite: bool = True

    def departs(self, least_db: float) -> bool:
        """Whether the error is beyond what is tolerated."""
        return not self.finite or (self.sqnr_db is not None and self.sqnr_db < least_db)


@dataclass(frozen=True)
class ModuleGap:
    """One call of a module, in the order in which they end.

    Attributes:
        module: its path; the n-th call of it ends with ``#n``.
        before: the worst of its inputs.
        after: the worst of its outputs.
        largest: the greatest absolute value that its own operators compute in the eager network.
        overflows: whether that is beyond the type that the file computes in.
    """

    module: str
    before: Gap
    after: Gap
    largest: float | None = None
    overflows: bool = False


@dataclass(frozen=True)
class Bisection:
    """The search for the first module of one file that departs.

    Attributes:
        model: its name; ``format`` and ``precision`` are the file's.
        least_db: the least signal-to-noise ratio that is tolerated.
        rewritten: the rewritten network, in float32, against the one that was named.
        rows: every module.
        first: the path of the first that departs; ``None`` where none does.
        reason: how it does, in a sentence.
        smallest: what the smallest failing model holds; empty where nothing smaller than the
            network fails by itself.
        folder: where that was written; empty where nothing was.
    """

    model: str
    format: str
    precision: str
    least_db: float
    rewritten: Gap
    rows: tuple[ModuleGap, ...]
    first: str | None = None
    reason: str = ""
    smallest: str = ""
    folder: str = ""
