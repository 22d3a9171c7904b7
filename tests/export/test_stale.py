"""An edit of a rule makes those files of the cache stale that the rule meets, and no others."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.core.request import ExportRequest
from seaformer.export import _cache, cached_export, find_export
from seaformer.export.rewrites import FAMILIES
from tests.exports import shared

pytest.importorskip("onnxruntime")

REQUEST = ExportRequest("seaformer_t", "onnx", size=(64, 64))


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes a family of rules look edited since; the cache is a folder that has the file."""

    def export(folder: Path) -> str:
        monkeypatch.setenv("SEAFORMER_CACHE", str(folder))
        cached_export(REQUEST)
        return str(folder)

    shutil.copytree(shared("cache", export), tmp_path / "cache")
    monkeypatch.setenv("SEAFORMER_CACHE", str(tmp_path / "cache"))
    real = _cache.family_digests()

    def changed(name: str) -> None:
        assert name in real
        monkeypatch.setattr(_cache, "family_digests", lambda: real | {name: "edited"})

    return changed


@pytest.mark.slow
def test_an_edit_of_a_rule_makes_the_files_stale_that_it_touches(
    edit: Callable[[str], None],
) -> None:
    made = cached_export(REQUEST)
    for untouched in ("mobilevit", "topformer", "ncnn"):
        edit(untouched)
        again = find_export(REQUEST)
        assert again is not None
        assert again.sha256 == made.sha256
    edit("attention")
    assert find_export(REQUEST) is None
    assert cached_export(REQUEST).sha256 == made.sha256
    assert find_export(REQUEST) is not None  # of the edited rule


def test_an_edited_rule_that_meets_a_module_from_now_on_makes_its_file_stale(
    edit: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from seaformer.export import rewrites
    from seaformer.models._blocks import ConvBN

    cached_export(REQUEST)
    family = FAMILIES.load("mobilevit")
    other = replace(family.RULES[0], name="new", kind=ConvBN, engines=(), delegates=(), dtypes=())
    monkeypatch.setattr(family, "RULES", (*family.RULES, other))
    rewrites.list_rules.cache_clear()
    edit("mobilevit")
    try:
        assert find_export(REQUEST) is None
    finally:
        monkeypatch.undo()
        rewrites.list_rules.cache_clear()


def test_a_file_whose_rules_are_not_remembered_is_made_again(edit: Callable[[str], None]) -> None:
    made = cached_export(REQUEST)
    (made.path.parent / "rules").unlink()
    assert find_export(REQUEST) is None


def test_no_family_of_rules_of_modules_depends_on_another() -> None:
    """An edit is looked for in the file of a rule alone, and in what is not a family."""
    folder = Path(_cache.__file__).parent / "rewrites"
    for name in FAMILIES.names():
        tree = ast.parse((folder / f"{name}.py").read_text())
        homes = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        others = {f"seaformer.export.rewrites.{other}" for other in FAMILIES.names()}
        # Rules of operators are for modules, which are not cached.
        assert not homes & others or name == "operators", name
