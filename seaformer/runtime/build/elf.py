"""The page size that a program or library for ARM was linked for, read from its ELF headers.

Android 15 and boards like the Raspberry Pi 5 have kernels with pages of 16 KB, which refuse to load
a file whose segments are aligned to less. The layout of the headers is that of elf(5).
"""

from __future__ import annotations

import struct
from pathlib import Path

PAGE_BYTES = 16 * 1024
_MAGIC, _CLASS_64, _LITTLE = b"\x7fELF", 2, 1
_LOAD = 1
_MOST_HEADERS = 256


def page_bytes(path: Path) -> int | None:
    """The largest page that a 64-bit ELF file loads on; ``None`` for a file of another kind."""
    with path.open("rb") as file:
        head = file.read(64)
        if len(head) < 64 or head[:6] != _MAGIC + bytes((_CLASS_64, _LITTLE)):
            return None
        offset, _, _, _, size, count = struct.unpack_from("<QQIHHH", head, 32)
        if size < 56 or count > _MOST_HEADERS:
            return None
        file.seek(offset)
        table = file.read(size * count)
    alignments = [
        struct.unpack_from("<Q", table, start + 48)[0]
        for start in range(0, len(table) - 55, size)
        if struct.unpack_from("<I", table, start)[0] == _LOAD
    ]
    return min(alignments, default=None)
