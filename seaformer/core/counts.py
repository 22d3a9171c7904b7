"""``Counts``: what one inference executed on an emulated ARM core, to the last instruction.

Counted, not timed: the same program on the same emulated core gives the same figures on every
machine. Nothing here is a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seaformer.core.precision import precisions


@dataclass(frozen=True)
class CacheMisses:
    """Misses per level of a simple LRU hierarchy with 64-byte lines, without prefetchers.

    L1 64 KB / 4 ways, L2 512 KB / 8, L3 4 MB / 16, system cache 3 MB / 12. ``memory_writes`` are
    lines written back to memory. The two byte sums are what the accesses themselves moved.
    """

    l1_misses: int
    l2_misses: int
    l3_misses: int
    system_misses: int
    memory_writes: int
    loaded_bytes: int
    stored_bytes: int


@dataclass(frozen=True)
class Counts:
    """Executed A64 instructions of one inference. The six classes add up to ``instructions``.

    ``vector_fma`` are multiply-accumulates of vectors of any type, among them ``fma_fp16`` of half
    and ``fma_fp32`` of single precision; ``scalar`` includes scalar floating point; an atomic that
    reads and writes is a ``load``. ``instructions_before`` is what the process executed before it:
    since its start (load and warm-up), or since the inference counted before.
    """

    instructions: int
    vector_fma: int
    vector_other: int
    scalar: int
    branch: int
    load: int
    store: int
    loaded_bytes: int
    stored_bytes: int
    fma_fp16: int
    fma_fp32: int
    instructions_before: int
    caches: CacheMisses | None = None

    @property
    def multiply_int8(self) -> int:
        """Vector multiply-accumulates that are neither of half nor of single precision.

        In the kernels that engines have for 8-bit integers (SDOT, SMLAL), those are theirs.
        """
        return self.vector_fma - self.fma_fp16 - self.fma_fp32


def typical(counts: Sequence[Counts]) -> Counts | None:
    """The repeat with the median instructions (the lower one of two), or ``None`` without any."""
    ordered = sorted(counts, key=lambda one: one.instructions)
    return ordered[(len(ordered) - 1) // 2] if ordered else None


def spread(counts: Sequence[Counts]) -> float | None:
    """(most - least) / least instructions over repeats of one inference; ``None`` below two."""
    seen = [one.instructions for one in counts]
    return (max(seen) - min(seen)) / min(seen) if len(seen) > 1 else None


def floor(counts: Counts, macs: int) -> float:
    """Vector multiply-adds that ``macs`` cannot do without.

    Each has 8 lanes where more of those that were executed are of half precision than of single
    precision, else 4.
    """
    return macs / (8 if counts.fma_fp16 > counts.fma_fp32 else 4)


def executed_precision(counts: Sequence[Counts]) -> str:
    """The precision of most vector multiply-accumulates; nothing where there were none.

    A model's file has what was asked for, this is what the kernels chosen on the core computed in.
    """
    multiplied = multiplied_in(counts)
    most = max(multiplied, key=multiplied.__getitem__)
    return most if multiplied[most] else ""


def multiplied_in(counts: Sequence[Counts]) -> dict[str, int]:
    """Vector multiply-accumulates by the name of the precision they were computed in."""
    rows = [row for row in precisions() if row.counted]
    return {row.name: sum(getattr(one, row.counted) for one in counts) for row in rows}
