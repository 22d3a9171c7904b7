"""Making many records without looking for garbage among them meanwhile."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collections() -> Iterator[None]:
    """Pause Python's search for reference cycles; reference counting continues.

    For work that makes hundreds of thousands of records, which have no cycles: each search goes
    through all records so far.
    """
    searching = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searching:
            gc.enable()
