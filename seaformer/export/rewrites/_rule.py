"""``Rule``: one rewrite, with a name, the modules it is for, where it applies, and the reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from torch import nn

from seaformer.core.engine import Engine
from seaformer.core.precision import Precision

Shapes = tuple[tuple[int, ...], ...]
Make = Callable[[Any, Shapes], nn.Module]
EVERYWHERE = "every format"
FREE_SIZES = "free sizes"


class Stage(IntEnum):
    """The order of rules. Within a stage the innermost module is rewritten first."""

    BLOCK = 1  # whole blocks, whose parts are still what the model's file made of them
    LAYER = 2  # single layers, also those that blocks of the first stage kept
    NORM = 3  # norms: blocks of the first stage fold those of their own parts


@dataclass(frozen=True)
class Rule:
    """One rewrite.

    Attributes:
        name: unique among all rules; what ``--no-rewrite`` takes and a manifest counts.
        kind: the exact class it is for.
        make: an equal module, from the original and the shapes of its inputs (empty unless
            ``sized``); the module itself where the rule does not apply to it.
        reason: one sentence.
        stage: when it is applied.
        delegates: only for engines that lower to one of these; empty: for all engines.
        dtypes: only where computed in one of these types; empty: in all.
        sized: whether ``make`` needs the shapes; a network is run once to see them.
        engines: only for these engines; empty: for all.
        replaces: rules that are not applied where this one is.
        free: only for files that leave sizes free, where no ``sized`` rule is applied.
    """

    name: str
    kind: type[nn.Module]
    make: Make
    reason: str
    stage: Stage = Stage.BLOCK
    delegates: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    sized: bool = False
    engines: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    free: bool = False

    def applies(self, engine: Engine, precision: Precision, *, free: bool = False) -> bool:
        """Whether files of that engine in that precision are rewritten so.

        ``free``: the files leave sizes free.
        """
        return (
            not (self.sized if free else self.free)
            and (not self.delegates or engine.delegate in self.delegates)
            and (not self.dtypes or precision.dtype in self.dtypes)
            and (not self.engines or engine.name in self.engines)
        )

    def matches(self, module: nn.Module) -> bool:
        """Whether a module is of the kind that is rewritten. Subclasses are not."""
        return type(module) is self.kind

    @property
    def where(self) -> str:
        """``every format``, or ``xnnpack, float16``."""
        sizes = (FREE_SIZES,) if self.free else ()
        return ", ".join((*self.engines, *self.delegates, *self.dtypes, *sizes)) or EVERYWHERE
