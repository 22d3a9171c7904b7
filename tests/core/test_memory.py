"""The memory of a process."""

from __future__ import annotations

from seaformer.core import memory

BYTES = 64 << 20


def test_a_peak_is_of_what_was_resident_since_it_was_reset() -> None:
    block = bytearray(BYTES)
    del block
    if not memory.reset_peak():
        assert memory.peak_bytes() >= 0
        return
    before = memory.peak_bytes()
    block = bytearray(b"1") * BYTES
    assert memory.peak_bytes() - before > BYTES / 2
    del block
    memory.reset_peak()
    assert memory.peak_bytes() < before + BYTES / 2


def test_a_number_of_proc_is_in_bytes_and_0_where_it_is_missing() -> None:
    text = "Name:\tpython\nVmHWM:\t    2048 kB\n"
    assert memory._kibibytes(text, "VmHWM") == 2 << 20
    assert memory._kibibytes(text, "VmPeak") == 0
