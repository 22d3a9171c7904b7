"""What may leave a results folder: old repeats of a measurement, and failures that were redone.

The newest valid measurement of every key always stays, and so does every damaged file: it may be
all that is left of a run. Nothing is deleted here before ``prune`` is called.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seaformer.core import files
from seaformer.core.errors import UsageError
from seaformer.store.index import IndexEntry

_MOST_DAYS = 36_500  # a century


@dataclass(frozen=True)
class Candidate:
    """A measurement that may go, and why."""

    entry: IndexEntry
    reason: str


def plan_prune(
    entries: Sequence[IndexEntry],
    *,
    keep: int = 5,
    older_than_days: int = 0,
    now: dt.datetime | None = None,
) -> tuple[Candidate, ...]:
    """Which of ``entries`` may go, oldest first.

    Of each key (device, model, size, format, precision, scope, methods, core, threads, source)
    the ``keep`` newest valid measurements stay; a failed or invalid one goes when a newer valid
    one has every method that it has, of which a failed one may have none. With
    ``older_than_days`` only what is older than that goes.

    Raises ``UsageError`` for ``keep`` below 1 or a negative age.
    """
    if keep < 1 or not 0 <= older_than_days <= _MOST_DAYS:
        raise UsageError(f"--keep is 1 or more, --older-than 0 to {_MOST_DAYS} days.")
    limit = (now or dt.datetime.now(dt.UTC)) - dt.timedelta(days=older_than_days)
    groups: dict[tuple[object, ...], list[IndexEntry]] = {}
    for entry in sorted(entries, key=lambda one: (one.created_at, one.id), reverse=True):
        groups.setdefault(replace(entry, methods="").key, []).append(entry)
    candidates = [one for group in groups.values() for one in _candidates(group, keep)]
    aged = [one for one in candidates if not older_than_days or _before(one.entry, limit)]
    return tuple(sorted(aged, key=lambda one: (one.entry.created_at, one.entry.id)))


def prune(root: Path, candidates: Sequence[Candidate]) -> None:
    """Delete the files of ``candidates`` under ``root``."""
    for one in candidates:
        with files.os_errors(one.entry.path):
            (root / one.entry.path).unlink(missing_ok=True)


def _candidates(group: Sequence[IndexEntry], keep: int) -> list[Candidate]:
    """Of one network, its methods aside, newest first."""
    candidates = []
    valid: Counter[str] = Counter()
    for entry in group:
        if entry.valid:
            valid[entry.methods] += 1
            if valid[entry.methods] > keep:
                candidates.append(Candidate(entry, f"{keep} newer valid one{'s' * (keep > 1)}"))
        elif any(_methods(entry.methods) <= _methods(newer) for newer in valid):
            what = "failed" if entry.failure is not None else "not valid"
            candidates.append(Candidate(entry, f"{what}, and a newer one is valid"))
    return candidates


def _methods(listed: str) -> set[str]:
    return set(filter(None, listed.split(",")))


def _before(entry: IndexEntry, limit: dt.datetime) -> bool:
    """Whether it was made before ``limit``; an unreadable date is not."""
    try:
        made = dt.datetime.fromisoformat(entry.created_at)
    except ValueError:
        return False
    return (made if made.tzinfo else made.replace(tzinfo=dt.UTC)) < limit
