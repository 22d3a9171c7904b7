"""The library of an engine is built from its source once, from pip's own index, hash checked."""

from __future__ import annotations

import functools
import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from seaformer.bench.flags import library_flags
from seaformer.core.engine import ENGINES, STOCK_VARIABLE, Engine, Source
from seaformer.core.errors import MissingExtra, SeaFormerError
from seaformer.runtime.build import compiled
from seaformer.runtime.build.toolchain import Toolchain, find_toolchain
from tests.requirements import module, skip_for

FILES = {
    "CMakeLists.txt": "cmake_minimum_required(VERSION 3.20)\nproject(tiny LANGUAGES CXX)\n"
    "add_library(tiny SHARED tiny.cpp)\ntarget_compile_definitions(tiny PRIVATE N=${TINY_N})\n",
    "tiny.cpp": 'extern "C" int tiny() { return N; }\n',
    "setup.py": "raise SystemExit('a source distribution is unpacked, and nothing of it is run')\n",
}
NAME = "tiny-1.0"


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@dataclass(frozen=True)
class Tiny:
    """An engine of three files on an index of its own."""

    row: Engine
    source: Source
    folder: Path

    def build(self, toolchain: Toolchain, steps: list[str]) -> Path:
        library = compiled.build_library(self.row, self.source, toolchain, steps.append).library
        assert library is not None
        return library


@pytest.fixture
def toolchain() -> Toolchain:
    module("unearth", "pip install 'seaformer[ncnn]'")
    try:
        return find_toolchain()
    except MissingExtra as error:
        skip_for(error)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tiny]:
    index, recipes = tmp_path / "simple" / "tiny", tmp_path / "recipes"
    index.mkdir(parents=True)
    recipes.mkdir()
    (recipes / "tiny.cmake").write_text('set(TINY_N 3 CACHE STRING "")\n')
    archive = index / f"{NAME}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, text in FILES.items():
            info = tarfile.TarInfo(f"{NAME}/{name}")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    (index / "index.html").write_text(f'<a href="{archive.name}">{archive.name}</a>')
    handler = functools.partial(_Silent, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
        monkeypatch.setenv("SEAFORMER_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(compiled, "RECIPES", recipes)
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        stock = ("TINY_N=7",)
        source = Source("tiny", "1.0", digest, "libtiny.so", "libtiny.so.1", (), 1, stock)
        row = Engine("tiny", "Tiny", "tiny", ".tiny", "a tiny", tools=(), source=source)
        yield Tiny(row, source, index)
        server.shutdown()


def test_a_library_is_built_once_for_a_recipe(tiny: Tiny, toolchain: Toolchain) -> None:
    import ctypes

    steps: list[str] = []
    library = tiny.build(toolchain, steps)
    assert library.name == "libtiny.so.1"
    assert ctypes.CDLL(str(library)).tiny() == 3
    assert steps == ["Building Tiny for this machine, once (1 minutes of one core)."]
    assert tiny.build(toolchain, steps) == library
    assert len(steps) == 1

    (compiled.RECIPES / "tiny.cmake").write_text('set(TINY_N 4 CACHE STRING "")\n')
    other = tiny.build(toolchain, steps)
    assert other != library
    assert ctypes.CDLL(str(other)).tiny() == 4
    assert len(steps) == 2

    other.unlink()  # it is loaded: another file of its name, not other bytes in it
    other.write_bytes(b"damaged")
    again = tiny.build(toolchain, steps)
    assert again == other
    assert again.read_bytes() != b"damaged"


def test_the_stock_library_is_another_one_beside_that_of_the_recipe(
    tiny: Tiny, toolchain: Toolchain, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ctypes

    steps: list[str] = []
    own = tiny.build(toolchain, steps)
    monkeypatch.setenv(STOCK_VARIABLE, "1")
    stock = tiny.build(toolchain, steps)
    assert ctypes.CDLL(str(stock)).tiny() == 7
    assert STOCK_VARIABLE in steps[-1]
    monkeypatch.setenv(STOCK_VARIABLE, "0")
    assert tiny.build(toolchain, steps) == own != stock
    assert len(steps) == 2


def test_a_row_of_the_stock_library_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    (with_kernels, *_) = (row.name for row in ENGINES if row.source and row.source.stock)
    (other, *_) = (row.name for row in ENGINES if row.source is None)
    assert not library_flags(with_kernels)
    monkeypatch.setenv(STOCK_VARIABLE, "1")
    assert [flag.name for flag in library_flags(with_kernels)] == ["stock kernels"]
    assert not library_flags(other)


def test_another_file_of_that_name_is_refused(tiny: Tiny, toolchain: Toolchain) -> None:
    (tiny.folder / f"{NAME}.tar.gz").write_bytes(b"another file")
    with pytest.raises(SeaFormerError, match="has another sha256 than the one that was tested"):
        tiny.build(toolchain, [])


def test_a_source_that_is_not_there_is_reported_with_the_line_that_helps(
    tiny: Tiny, toolchain: Toolchain
) -> None:
    (tiny.folder / "index.html").write_text("")
    with pytest.raises(MissingExtra, match=r"source of tiny==1\.0 could not be fetched"):
        tiny.build(toolchain, [])


def test_a_build_that_fails_quotes_its_log(tiny: Tiny, toolchain: Toolchain) -> None:
    (compiled.RECIPES / "tiny.cmake").write_text('set(TINY_N undefined CACHE STRING "")\n')
    with pytest.raises(SeaFormerError, match=r"(?s)Tiny could not be built: .*undefined"):
        tiny.build(toolchain, [])
