"""A tiny aarch64 program, written byte by byte: no compiler is needed to have one.

It writes its message to stdout and ends with its exit code, by system calls alone; static, so it
needs no loader either. Instructions: the A64 encodings of MOVZ, ADR and SVC.
"""

from __future__ import annotations

import struct

_BASE = 0x400000
_HEADERS = 64 + 56
_WRITE, _EXIT, _SVC = 64, 93, 0xD4000001


def arm64_program(message: bytes, exit_code: int) -> bytes:
    """The whole ELF file."""
    code_size = 8 * 4
    code = struct.pack(
        "<8I",
        _movz(0, 1),
        _adr(1, code_size - 4),
        _movz(2, len(message)),
        _movz(8, _WRITE),
        _SVC,
        _movz(0, exit_code),
        _movz(8, _EXIT),
        _SVC,
    )
    size = _HEADERS + len(code) + len(message)
    identity = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        identity,
        2,
        0xB7,
        1,
        _BASE + _HEADERS,
        64,
        0,
        0,
        64,
        56,
        1,
        0,
        0,
        0,
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x10000)
    return header + segment + code + message


def _movz(register: int, value: int) -> int:
    return 0xD2800000 | value << 5 | register


def _adr(register: int, offset: int) -> int:
    """Of something ``offset`` bytes after this instruction."""
    return 0x10000000 | (offset & 3) << 29 | (offset >> 2) << 5 | register
