"""SQLite files in the cache folder: made again when they are damaged or of another version.

Nothing in them is the truth, so nothing about them is fatal: one that is locked, read-only or on
a full disk is done without, in memory, and the work is done again next time.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from seaformer.core import files
from seaformer.core.errors import SeaFormerError

T = TypeVar("T")
_WAIT_S = 10.0


@dataclass(frozen=True)
class Layout:
    """The tables of a database, by name with their columns. Another ``version`` is emptied."""

    version: int
    tables: Sequence[tuple[str, str]]


def path_for(root: Path, name: str) -> Path:
    """Where the database ``name`` of a results folder lies, named after the folder."""
    digest = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]
    return files.cache_dir() / "results-index" / f"{digest}{name}.sqlite"


def using(path: Path, layout: Layout, work: Callable[[sqlite3.Connection], T]) -> tuple[T, bool]:
    """What ``work`` returns, and whether what it wrote was kept."""
    for _ in range(2):
        try:
            return _on_disk(path, layout, work), True
        except sqlite3.OperationalError:
            break  # locked, read-only or full
        except sqlite3.DatabaseError:
            files.remove(path)  # not a database, or a damaged one
    with closing(sqlite3.connect(":memory:")) as memory:
        _prepare(memory, layout)
        return work(memory), False


def storable(value: object) -> object:
    """A value as SQLite takes it: text is UTF-8."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "backslashreplace").decode()
    return value


def _on_disk(path: Path, layout: Layout, work: Callable[[sqlite3.Connection], T]) -> T:
    try:
        files.make_dir(path.parent)
    except SeaFormerError as error:
        raise sqlite3.OperationalError(error.message) from error
    with closing(sqlite3.connect(path, timeout=_WAIT_S)) as database:
        _prepare(database, layout)
        return work(database)


def _prepare(database: sqlite3.Connection, layout: Layout) -> None:
    """Empty tables of this version, unless they are there already."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    with database:
        for name, columns in layout.tables:
            if version != layout.version:
                database.execute(f"DROP TABLE IF EXISTS {name}")
            database.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")
        database.execute(f"PRAGMA user_version = {layout.version}")
