"""The memory of a process."""

from __future__ import annotations

import gc
import mmap

from seaformer.core import memory

BYTES = 64 << 20


def test_a_peak_is_of_what_was_resident_since_it_was_reset() -> None:
    block = bytearray(BYTES)
    del block
    if not memory.reset_peak():
        assert memory.peak_bytes() >= 0
        return
    before = memory.peak_bytes()
    with mmap.mmap(-1, BYTES) as pages:  # pages of its own, whatever the heap has free
        pages.write(b"1" * BYTES)
        assert memory.peak_bytes() - before > BYTES / 2
    memory.reset_peak()
    assert memory.peak_bytes() < before + BYTES / 2


def test_a_number_of_proc_is_in_bytes_and_0_where_it_is_missing() -> None:
    text = "Name:\tpython\nVmHWM:\t    2048 kB\n"
    assert memory._kibibytes(text, "VmHWM") == 2 << 20
    assert memory._kibibytes(text, "VmPeak") == 0


def test_what_is_made_without_collections_counts_as_old_afterwards() -> None:
    with memory.no_collections():
        assert not gc.isenabled()
        with memory.no_collections():
            records = [[number] for number in range(1000)]
        assert not gc.isenabled()
    assert gc.isenabled()
    young = {id(one) for one in gc.get_objects(generation=0)}
    assert not young & {id(one) for one in records}


def test_objects_that_somebody_froze_stay_frozen() -> None:
    gc.freeze()
    try:
        with memory.no_collections():
            pass
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()
