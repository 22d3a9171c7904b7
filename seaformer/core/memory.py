"""Memory of processes and of this machine; making many records without garbage collection."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5): the peak resident set size becomes the present one
_MEMORY = Path("/proc/meminfo")
_KIB = 1024


@contextmanager
def no_collections() -> Iterator[None]:
    """Pause Python's search for reference cycles; reference counting continues.

    For work that makes hundreds of thousands of records, which have no cycles: each search goes
    through all records so far. Afterwards they count as old, so that the next search for what is
    new does not begin with them.
    """
    searching = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searching:
            if not gc.get_freeze_count():  # somebody else's frozen objects stay frozen
                gc.freeze()
                gc.unfreeze()  # into the oldest generation
            gc.enable()


def reset_peak() -> bool:
    """Begin ``peak_bytes`` anew; false where the system cannot, as all but Linux."""
    with suppress(OSError):
        _RESET.write_text(_RESET_PEAK)
        return True
    return False


def peak_bytes() -> int:
    """The most memory that this process had resident since ``reset_peak``, or its start.

    0 where the system does not report it.
    """
    with suppress(OSError):
        return _kibibytes(_STATUS.read_text(), "VmHWM")
    return _most_ever()


def resident_bytes(pid: int) -> int:
    """What another process has resident; 0 where it has ended, or the system does not report it."""
    with suppress(OSError):
        return _kibibytes(Path(f"/proc/{pid}/status").read_text(), "VmRSS")
    return 0


def available_bytes() -> int | None:
    """Memory that programs can take before the system begins to swap; ``None``: unknown."""
    return _of_system("MemAvailable")


def total_bytes() -> int | None:
    """The memory of this machine; ``None``: unknown."""
    return _of_system("MemTotal")


def _of_system(key: str) -> int | None:
    with suppress(OSError):
        return _kibibytes(_MEMORY.read_text(), key) or None
    return None


def _kibibytes(text: str, key: str) -> int:
    """The number of a line ``Key:   1234 kB`` of /proc, in bytes; 0 where it is missing."""
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        if name == key:
            return int(rest.split()[0]) * _KIB
    return 0


def _most_ever() -> int:
    """By getrusage(2), which has bytes on macOS."""
    try:
        import resource  # here: Windows has none
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else _KIB
    )
