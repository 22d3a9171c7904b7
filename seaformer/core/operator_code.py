"""``OperatorCodes``: what each operator of one inference executed on an emulated ARM core.

Engines read a clock where an operator ends; on an emulated core those readings cut what is counted
into parts. Counted, not timed. What no operator covers is the engine's own, and its profiler's.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from seaformer.core.code_blocks import Block, CodePart
from seaformer.core.counts import Counts
from seaformer.core.measurement import RunHeader

SCHEMA = 1


@dataclass(frozen=True)
class OperatorCode:
    """One operator as the engine executed it; names as in ``OperatorTime``.

    ``blocks`` add up to ``counts``; they are left out of stored files.
    """

    name: str
    kind: str
    module: str
    exact: bool
    counts: Counts
    blocks: tuple[Block, ...] = ()

    @property
    def component(self) -> str:
        """The first part of ``module``: ``stem``, ``context`` ..."""
        return self.module.partition(".")[0]


@dataclass(frozen=True, kw_only=True)
class OperatorCodes(RunHeader):
    """One method of one artifact; ``counts`` are of the whole inference.

    What an engine's profiler executes is in them where it only writes down numbers, and not where
    it reads every blob.
    """

    method: str
    counts: Counts
    operators: tuple[OperatorCode, ...]


def summed(parts: tuple[CodePart, ...]) -> CodePart:
    """Several parts as one."""
    counts = _each([part.counts for part in parts], [1] * len(parts))
    executed: dict[tuple[str, str], int] = {}
    for part in parts:
        for block in part.blocks:
            key = (block.address, block.words)
            executed[key] = executed.get(key, 0) + block.count
    return CodePart(counts, _blocks(executed))


def without(part: CodePart, other: CodePart) -> CodePart:
    """A part without what ``other`` has; nothing is less than zero.

    Blocks that ``other`` alone has are in the difference of the counts, and not in that of blocks.
    """
    executed = {(block.address, block.words): block.count for block in part.blocks}
    for block in other.blocks:
        key = (block.address, block.words)
        executed[key] = executed.get(key, 0) - block.count
    return CodePart(_each([part.counts, other.counts], [1, -1]), _blocks(executed))


def _blocks(executed: dict[tuple[str, str], int]) -> tuple[Block, ...]:
    return tuple(Block(at, count, words) for (at, words), count in executed.items() if count > 0)


def _each(counts: list[Counts], signs: list[int]) -> Counts:
    names = [each.name for each in fields(Counts) if each.name != "caches"]
    sums = {
        name: max(0, sum(s * getattr(one, name) for one, s in zip(counts, signs, strict=True)))
        for name in names
    }
    return Counts(**sums)
