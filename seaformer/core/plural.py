"""A count with its noun, as every printed sentence has it."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str = "") -> str:
    """``1 file``, ``2,000 files``; ``plural`` where it is not made with an s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
