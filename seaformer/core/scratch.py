"""Scratch folders: removed at the end of their block, or by the next run when that was a kill.

A folder has an owner as long as a process holds the lock on its file ``.owner``; the kernel
releases it when that process dies. Whoever makes a folder first removes those without an owner.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_OWNER = ".owner"
_PREFIX = "seaformer-"


@contextmanager
def temporary_folder(purpose: str) -> Iterator[Path]:
    """A folder ``seaformer-<purpose>-...`` in the system's folder for temporary files."""
    with owned_folder(Path(tempfile.gettempdir()), f"{_PREFIX}{purpose}-", _PREFIX) as folder:
        yield folder


@contextmanager
def owned_folder(parent: Path, prefix: str, swept: str = "") -> Iterator[Path]:
    """A folder in ``parent``; those of the dead that begin with ``swept`` are removed first.

    Raises ``OSError`` when it cannot be made.
    """
    sweep(parent, swept or prefix)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        with _owned(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(parent: Path, prefix: str) -> list[Path]:
    """Remove the folders whose owner has died; returns them.

    A folder of another user, and one that never had an owner, stays.
    """
    removed = []
    with suppress(OSError, ImportError):
        for folder in parent.glob(f"{prefix}*"):
            if _is_abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder)
    return removed


def _is_abandoned(folder: Path) -> bool:
    import fcntl  # here: Windows has none, and reads all the same

    with suppress(OSError):
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return False
        handle = os.open(folder / _OWNER, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises while it has an owner
            return True
        finally:
            os.close(handle)
    return False


@contextmanager
def _owned(folder: Path) -> Iterator[None]:
    """Hold the lock on the owner's file. It is there under its name only once it is locked."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    new = folder / f"{_OWNER}.new"
    with new.open("w") as handle:
        with suppress(OSError):  # a file system without locks: never swept
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            new.rename(folder / _OWNER)
        yield
