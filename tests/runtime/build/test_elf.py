"""The pages that a bundle's files load on, with real aarch64 libraries of a real linker."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from seaformer.core.errors import SeaFormerError
from seaformer.runtime.build.bundle import check_pages
from seaformer.runtime.build.elf import PAGE_BYTES, page_bytes
from tests import arm
from tests.requirements import require

COMPILER = shutil.which("aarch64-linux-gnu-g++")


def library(folder: Path, page: int) -> Path:
    require(COMPILER, "no aarch64 compiler", "sudo apt-get install g++-aarch64-linux-gnu")
    path = folder / f"lib{page}.so"
    flags = ["-shared", "-nostdlib", "-x", "c++", f"-Wl,-z,max-page-size={page}"]
    source = "int answer() { return 42; }"
    argv = [str(COMPILER), *flags, "-o", str(path), "-"]
    subprocess.run(argv, input=source, text=True, check=True, capture_output=True)
    return path


@pytest.mark.parametrize("page", [4096, 16384, 65536])
def test_the_page_is_the_one_the_linker_was_asked_for(tmp_path: Path, page: int) -> None:
    assert page_bytes(library(tmp_path, page)) == page


def test_a_bundle_with_a_file_for_small_pages_is_refused_by_its_name(tmp_path: Path) -> None:
    library(tmp_path, 65536)
    (tmp_path / "notes.txt").write_text("no program")
    assert check_pages(tmp_path) == 65536
    library(tmp_path, 4096)
    with pytest.raises(SeaFormerError, match=r"^lib4096\.so must be .* 16 KB or more \(got 4 KB\)"):
        check_pages(tmp_path)


def test_the_bundle_of_this_machine_loads_on_pages_of_16_kilobytes() -> None:
    assert check_pages(arm.needed(arm.bundle).folder) >= PAGE_BYTES


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x7fELF",
        b"\x7fELF\x01\x01" + bytes(58),  # 32 bits
        b"\x7fELF\x02\x01" + bytes(26) + struct.pack("<QQIHHH", 1 << 62, 0, 0, 64, 56, 65535),
        b"\x7fELF\x02\x01" + bytes(26) + struct.pack("<QQIHHHHHH", 64, 0, 0, 64, 56, 9, 0, 0, 0),
    ],
    ids=["empty", "short", "32 bits", "headers without end", "no headers"],
)
def test_half_a_file_has_no_pages(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    assert page_bytes(tmp_path / "x") is None
