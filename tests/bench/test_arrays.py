"""Arrays of files from elsewhere: what they unpack to is bounded before it is read."""

from __future__ import annotations

import io
import os
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seaformer.bench import arrays, foreign_inputs
from seaformer.core.errors import UsageError
from tests.fuzzing import budget


def claiming(shape: str, dtype: str = "<f4", data: bytes = b"") -> bytes:
    """An .npy file whose header claims a shape."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def zipped(path: Path, **contents: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(f"{name}.npy", content)
    return path


def test_arrays_are_read_as_they_were_written(tmp_path: Path) -> None:
    one, two = np.arange(12, dtype=np.float16).reshape(3, 4), np.zeros((0, 2), np.int64)
    np.savez_compressed(tmp_path / "a.npz", one=one, two=two)
    np.save(tmp_path / "a.npy", one)
    read = arrays.load_arrays(tmp_path / "a.npz")
    assert {name: array.dtype for name, array in read.items()} == {
        "one": np.dtype(np.float16),
        "two": np.dtype(np.int64),
    }
    assert (read["one"] == one).all()
    assert (arrays.load_array(tmp_path / "a.npy") == one).all()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (claiming("(1000000000000,)"), "claims 4000000000000 bytes"),
        (claiming("(4, -4)", data=bytes(64)), "claims"),
        (claiming("(4,)", "|O"), "claims|object|pickle"),
        (claiming("(1" + "0" * 400 + ",)"), "claims"),
        (b"not an array", "magic"),
        (b"", "EOF|magic"),
    ],
)
def test_what_a_header_claims_is_checked_before_memory_is_taken(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        arrays.load_array(tmp_path / "a.npy")
    with pytest.raises(ValueError, match=reason):
        arrays.load_arrays(zipped(tmp_path / "a.npz", a=content))


def test_a_small_file_that_unpacks_to_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "MOST_BYTES", 1 << 20)
    path = zipped(tmp_path / "a.npz", a=claiming("(2097152,)", "|u1", bytes(2 << 20)))
    assert path.stat().st_size < 4096
    with pytest.raises(ValueError, match="must unpack to at most"):
        arrays.load_arrays(path)


def _whole() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, input=np.arange(24.0), output=np.ones((2, 3), np.float32))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [(8, 1, "encrypted"), (10, 99, "compression"), (10, 14, ".")],  # of the central directory
)
def test_members_that_zip_does_not_unpack_are_a_reason(
    at: int, value: int, reason: str, tmp_path: Path
) -> None:
    data = bytearray(_whole())
    data[data.index(b"PK\x01\x02") + at] = value
    path = tmp_path / "odd.npz"
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match=reason):
        arrays.load_arrays(path)


@budget
@given(at=st.integers(0, len(_whole()) - 1), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_file_is_a_reason_and_never_another_error(
    tmp_path_factory: pytest.TempPathFactory, at: int, byte: int, cut: bool
) -> None:
    data = bytearray(_whole())
    data[at] = byte
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    path.write_bytes(bytes(data[:at] if cut else data))
    with suppress(ValueError):
        assert set(arrays.load_arrays(path)) <= {"input", "output"} or not cut


def test_a_pipe_in_place_of_an_array_is_one_sentence(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "x.npy")
    with pytest.raises(UsageError, match=r"for the input: it is not a regular file\.$"):
        foreign_inputs.load_array(pipe, None, "input")
