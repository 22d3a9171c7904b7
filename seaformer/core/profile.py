"""``Profile``: where the time of one inference goes, operator by operator.

Taken in a process of its own with the engine's profiler on, which slows it: none of these times
is a latency, and no measurement is made of them. Times are in nanoseconds.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from seaformer.core.measurement import RunHeader

SCHEMA = 1


@dataclass(frozen=True)
class OperatorTime:
    """One operator as the engine executed it.

    ``name`` and ``kind`` are the engine's own words, ``module`` the path of the module it was
    written in. ``exact`` is true where the operator was found in the file's graph, false where
    it is the engine's own (a copy, a reorder) and ``module`` is that of the operator before it.
    ``median_ns`` is over all runs; ``start_ns`` (from the run's beginning) and ``duration_ns``
    are of the run that took the median time. ``dtype`` is the type it really computed in
    (``float16``), which need not be that of the file; empty where the engine does not report it.
    ``convolves``: it is a convolution, by whatever name the engine has for one.
    """

    name: str
    kind: str
    module: str
    exact: bool
    median_ns: int
    start_ns: int
    duration_ns: int
    dtype: str = ""
    convolves: bool = False

    @property
    def component(self) -> str:
        """The first part of ``module``: ``stem``, ``context`` ..."""
        return self.module.partition(".")[0]


@dataclass(frozen=True, kw_only=True)
class Profile(RunHeader):
    """One method of one artifact under the engine's profiler.

    ``operators`` are in the order in which they ran. ``inference_ns`` is the sum of their medians
    and of the median of what the engine takes between them: unlike a median of whole runs, shares
    of it add up, and an interruption in one run does not count for the engine's.
    """

    target: str
    threads: int
    runs: int
    inference_ns: int
    operators: tuple[OperatorTime, ...]
    method: str = "forward"

    @property
    def executed(self) -> dict[str, int]:
        """Convolutions by the type they really computed in, most first."""
        dtypes = Counter(operator.dtype for operator in self.operators if operator.convolves)
        return dict(dtypes.most_common())

    @property
    def operators_ns(self) -> int:
        """The sum of all operators' medians."""
        return sum(operator.median_ns for operator in self.operators)
