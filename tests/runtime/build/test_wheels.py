"""Engines that are not installed: fetched by the real pip, here from wheels in a folder."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from seaformer.core.errors import MissingExtra, SeaFormerError
from seaformer.runtime.build import wheels as _engine_wheels
from seaformer.runtime.build.engines import files_of, wheel_engines
from seaformer.runtime.build.wheels import (
    download,
    fetch_engines,
    fetched_engines,
    requirement,
    unpack,
    wheel_version,
)

FILES = {
    "executorch": (
        "executorch/include/executorch/version.h",
        "executorch/lib/libexecutorch.so",
        "executorch/share/cmake/executorch-config.cmake",
        "executorch/exir/program.py",
    ),
    "onnxruntime": ("onnxruntime/capi/libonnxruntime.so.1.31.1", "onnxruntime/__init__.py"),
}

WHEELS = {row.name: (row, wheel) for row, wheel in wheel_engines()}


def write_wheel(folder: Path, name: str, version: str) -> Path:
    """A wheel with the layout of the real one, a few bytes in each file."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for item in FILES[name]:
            archive.writestr(item, item)
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        archive.writestr(f"{info}/METADATA", head)
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where pip looks, and nowhere else."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setenv("SEAFORMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_every_engine_is_fetched_once_and_only_what_a_build_needs_is_kept(shelf: Path) -> None:
    for name, version in (("executorch", "1.5.1"), ("onnxruntime", "1.31.1")):
        write_wheel(shelf, name, version)
    assert fetched_engines() == ()
    said: list[str] = []
    engines = fetch_engines(said.append)
    assert {sentence.split()[1].strip(",") for sentence in said} == set(FILES)
    linked, opened = files_of("executorch", engines), files_of("onnxruntime", engines)
    assert linked is not None
    assert opened is not None
    assert (linked.version, opened.version) == ("1.5.1", "1.31.1")
    assert linked.root is not None
    assert opened.library is not None
    root = linked.root
    kept = {path.relative_to(root.parent).as_posix() for path in root.rglob("*") if path.is_file()}
    assert kept == set(FILES["executorch"]) - {"executorch/exir/program.py"}
    assert opened.library.name == "libonnxruntime.so.1.31.1"

    for wheel in shelf.iterdir():
        wheel.unlink()
    assert fetch_engines(said.append) == engines == fetched_engines()
    assert len(said) == len(FILES)


def test_what_pip_cannot_have_is_one_sentence_with_the_line_that_installs_it(shelf: Path) -> None:
    with pytest.raises(MissingExtra, match=r"pip could not fetch it: .*onnxruntime") as raised:
        fetch_engines(lambda sentence: None)
    assert "pip install 'seaformer[export]'" in raised.value.hint
    assert fetched_engines() == ()
    assert list(shelf.parent.rglob("*.so*")) == []


def test_a_wheel_that_is_none_is_one_sentence_and_nothing_is_kept(
    shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = write_wheel(shelf, "executorch", "1.5.1")
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(SeaFormerError, match="cannot be unpacked"):
        unpack(broken, WHEELS["executorch"][1], shelf / "out")
    monkeypatch.setattr(_engine_wheels, "download", lambda row, wanted, folder: broken)
    with pytest.raises(SeaFormerError, match="cannot be unpacked"):
        fetch_engines(lambda sentence: None)
    assert fetched_engines() == ()


def test_the_versions_are_those_the_package_asks_for(shelf: Path) -> None:
    assert requirement("executorch") == "executorch==1.5.1"
    assert requirement("onnxruntime").startswith("onnxruntime<1.32,>=1.")
    wheel = write_wheel(shelf, "onnxruntime", "1.31.1")
    row, _ = WHEELS["onnxruntime"]
    assert wheel_version(download(row, requirement("onnxruntime"), shelf / "got")) == "1.31.1"
    assert wheel_version(Path("executorch-1.5.1+cpu-cp311-cp311-linux_x86_64.whl")) == "1.5.1"
    assert wheel.exists()
