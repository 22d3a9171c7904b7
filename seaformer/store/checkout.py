"""Which commit a measurement was made from: that of the checkout one works in.

Asked of git once per bench, and never a reason to fail: without git, without a repository or an
answer in time, the commit is empty. Files below the results folder do not make a checkout dirty:
measuring changes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from seaformer.core import child
from seaformer.core.measurement import DIRTY

_SECONDS = 10.0


def commit_of(results: Path = Path("results"), working: Path | None = None) -> str:
    """The commit checked out in ``working`` (here), else in the repository that holds ``results``.

    All its hex digits, with ``-dirty`` behind them when a tracked file differs from that commit;
    empty where there is none.
    """
    try:
        below = results.absolute().resolve()
        folders = (working or Path.cwd(), _existing(below))
    except (OSError, RuntimeError):  # the working directory is gone, or links go round in circles
        return ""
    return next(filter(None, (_commit(folder, below) for folder in folders)), "")


def _commit(folder: Path, below: Path) -> str:
    lines = (_git(folder, "rev-parse", "--show-toplevel", "--verify", "HEAD") or "").splitlines()
    changed = _git(folder, "status", "--porcelain", "-z", "--untracked-files=no")
    if len(lines) != 2 or changed is None:
        return ""
    top = Path(lines[0])
    dirty = any(not (top / name).is_relative_to(below) for name in _names(changed))
    return lines[1] + DIRTY * dirty


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _names(changed: str) -> Iterable[str]:
    """The paths in ``XY path`` entries; a renamed file's old name follows its entry."""
    entries = iter(changed.split("\0"))
    for entry in entries:
        if entry:
            yield entry[3:]
            if "R" in entry[:2] or "C" in entry[:2]:
                yield next(entries, "")


def _git(folder: Path, *arguments: str) -> str | None:
    """The output of git, or ``None`` when it refuses, is missing or does not answer."""
    argv = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        done = child.run_bytes(argv, _SECONDS)
    except OSError:
        return None
    return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else None
