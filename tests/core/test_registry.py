"""Plug-in folders made on the spot."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seaformer.core.errors import MissingExtra, UnknownName
from seaformer.core.registry import Registry, missing, unknown


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    folder = tmp_path / "example_plugins"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "onnx.py").write_text("LOADED = True\n")
    (folder / "coreml.py").write_text("import a_package_nobody_has\n")
    (folder / "broken.py").write_text("import seaformer.a_module_we_forgot\n")
    (folder / "_shared.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Registry("example_plugins", "format", extra="export")
    for name in [name for name in sys.modules if name.startswith("example_plugins")]:
        del sys.modules[name]


def test_listing_imports_no_entry_and_hides_shared_code(plugins: Registry) -> None:
    assert plugins.names() == ("broken", "coreml", "onnx")
    assert "example_plugins.onnx" not in sys.modules


def test_asking_for_an_entry_imports_that_entry_alone(plugins: Registry) -> None:
    assert plugins.load("onnx").LOADED
    assert "example_plugins.coreml" not in sys.modules


def test_an_unknown_name_is_answered_with_the_nearest_one(plugins: Registry) -> None:
    with pytest.raises(
        UnknownName, match=r"Unknown format 'onx'. Known: broken, coreml, onnx"
    ) as told:
        plugins.load("onx")
    assert told.value.hint == "Did you mean onnx?"
    assert told.value.exit_code == 2


@pytest.mark.parametrize("name", ["_shared", "__init__", "", "../onnx", "onnx.inner"])
def test_only_public_files_are_entries(plugins: Registry, name: str) -> None:
    with pytest.raises(UnknownName):
        plugins.load(name)


def test_a_package_that_is_absent_is_named_with_the_line_that_installs_it(
    plugins: Registry,
) -> None:
    with pytest.raises(MissingExtra, match="a_package_nobody_has is not installed") as told:
        plugins.load("coreml")
    assert told.value.hint == "Run: pip install 'seaformer[export]'"


def test_a_mistake_of_ours_is_not_called_a_missing_package(plugins: Registry) -> None:
    with pytest.raises(ModuleNotFoundError):
        plugins.load("broken")


def test_without_an_extra_the_package_itself_is_named() -> None:
    assert missing("adbutils", "the target phone", "").hint == "Run: pip install adbutils"


def test_a_name_like_no_other_gets_no_guess_and_a_long_list_is_cut() -> None:
    error = unknown("model", "qqqqq", [f"name{i:02d}" for i in range(20)])
    assert error.hint == ""
    assert error.message.endswith("name11, ....")


def test_a_folder_that_is_absent_has_no_entries() -> None:
    assert Registry("seaformer.core.nowhere", "thing").names() == ()
