"""Arrays of ``.npy`` and ``.npz`` files from anywhere: bounded before they are read.

A few kilobytes of a compressed file can unpack to terabytes, and a header can claim any shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from lzma import LZMAError
from pathlib import Path
from struct import error as StructError
from typing import IO, Any
from zipfile import BadZipFile, ZipFile
from zlib import error as ZlibError

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from seaformer.core import files

Array = npt.NDArray[Any]
MOST_BYTES = 4 << 30
_MOST_ARRAYS = 10_000
_DAMAGED = (
    BadZipFile, ZlibError, LZMAError, StructError, KeyError, TypeError, EOFError, MemoryError,
    OSError,  # of bz2
    RuntimeError,  # an encrypted member, and one that is packed in a way that zipfile lacks
)  # fmt: skip
_HEADERS: dict[tuple[int, int], Callable[[IO[bytes]], tuple[tuple[int, ...], bool, np.dtype[Any]]]]
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def load_arrays(path: Path) -> dict[str, Array]:
    """Every array of an ``.npz`` file by its name.

    Raises ``ValueError`` with the reason for a file that is none, or is larger than ``MOST_BYTES``
    when it is unpacked; ``OSError`` when it cannot be read.
    """
    with files.open_regular(path) as handle:
        try:
            return _unpacked(handle)
        except _DAMAGED as error:
            raise ValueError(str(error) or type(error).__name__) from error


def load_array(path: Path) -> Array:
    """The array of an ``.npy`` file. Raises as ``load_arrays`` does."""
    try:
        with files.open_regular(path) as handle:
            _check_header(handle, path.stat().st_size, path.name)
            handle.seek(0)
            array: Array = np.load(handle, allow_pickle=False)
    except (EOFError, TypeError, MemoryError) as error:
        raise ValueError(str(error) or type(error).__name__) from error
    return array


def _unpacked(handle: IO[bytes]) -> dict[str, Array]:
    with ZipFile(handle) as archive:
        _check_archive(archive)
    handle.seek(0)
    with np.load(handle, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def _check_archive(archive: ZipFile) -> None:
    members = archive.infolist()
    total = sum(member.file_size for member in members)
    if len(members) > _MOST_ARRAYS or total > MOST_BYTES:
        raise ValueError(
            f"it must unpack to at most {MOST_BYTES >> 30} GiB in {_MOST_ARRAYS} arrays (got "
            f"{total / (1 << 30):.1f} GiB in {len(members)})"
        )
    for member in members:
        with archive.open(member) as content:
            _check_header(content, member.file_size, member.filename)


def _check_header(content: IO[bytes], size_bytes: int, name: str) -> None:
    """The shape that a header claims must fit into the bytes behind it."""
    version = npy.read_magic(content)
    if version not in _HEADERS:
        raise ValueError(f"{name} has format {version}, expected 1.0 or 2.0")
    shape, _, dtype = _HEADERS[version](content)
    claimed = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or min(shape, default=0) < 0 or claimed > min(size_bytes, MOST_BYTES):
        raise ValueError(f"{name} claims {claimed} bytes of {dtype}, it has {size_bytes}")
