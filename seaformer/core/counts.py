"""``Counts``: what one inference executed on an emulated ARM core, to the last instruction.

Counted, not timed: the same program on the same emulated core gives the same figures on every
machine. Nothing here is a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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


def typical(counts: Sequence[Counts]) -> Counts | None:
    """The repeat with the median instructions (the lower one of two), or ``None`` without any."""
    ordered = sorted(counts, key=lambda one: one.instructions)
    return ordered[(len(ordered) - 1) // 2] if ordered else None


def spread(counts: Sequence[Counts]) -> float | None:
    """(most - least) / least instructions over repeats of one inference; ``None`` below two."""
    seen = [one.instructions for one in counts]
    return (max(seen) - min(seen)) / min(seen) if len(seen) > 1 else None


def executed_precision(counts: Sequence[Counts]) -> str:
    """``fp16`` or ``fp32``: what most multiply-accumulates were; nothing where there were none.

    A model's file has what was asked for, this is what the kernels chosen on the core computed in.
    """
    half, single = (sum(one.fma_fp16 for one in counts), sum(one.fma_fp32 for one in counts))
    if not half + single:
        return ""
    return "fp16" if half > single else "fp32"
