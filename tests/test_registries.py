"""Every public file in a plug-in folder is an entry, and has what its registry asks for."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from seaformer.bench.operators import OPERATORS
from seaformer.bench.target import TARGETS
from seaformer.core import engine
from seaformer.core.registry import Registry
from seaformer.export import FORMATS
from seaformer.export.conversions import CONVERSIONS
from seaformer.export.rewrites import FAMILIES as REWRITES
from seaformer.models import FAMILIES, list_models, zoo_entry
from seaformer.report.renderers import RENDERERS
from seaformer.runtime import RUNTIMES
from seaformer.runtime.python_runner.engines import ENGINES as PYTHON_ENGINES

PACKAGE = Path(engine.__file__).parents[1]
NEEDS = {
    FORMATS: ("supports", "write", "verify"),
    CONVERSIONS: ("convert",),
    REWRITES: ("RULES",),
    RUNTIMES: ("open_session",),
    OPERATORS: ("parse", "join"),
    PYTHON_ENGINES: ("open_engine", "recognises", "expected_bytes"),
    TARGETS: ("open_target",),
    RENDERERS: ("FILES", "render"),
    FAMILIES: ("specs", "build", "official_keys"),
}


@dataclass(frozen=True)
class Entry:
    """One plug-in file; it is read, not imported: what it imports may not be installed."""

    registry: Registry
    name: str

    def __str__(self) -> str:
        return f"{self.registry.package.removeprefix('seaformer.')}.{self.name}"

    @property
    def tree(self) -> ast.Module:
        return ast.parse((folder(self.registry) / f"{self.name}.py").read_text(encoding="utf-8"))

    def names(self) -> set[str]:
        """What the file defines at its top."""
        found = set()
        for node in self.tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found.add(node.name)
            elif isinstance(node, ast.Assign):
                found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found.add(node.target.id)
        return found


def folder(registry: Registry) -> Path:
    spec = importlib.util.find_spec(registry.package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


ENTRIES = [Entry(registry, name) for registry in NEEDS for name in registry.names()]


@pytest.mark.parametrize("registry", NEEDS, ids=lambda registry: str(registry.noun))
def test_every_public_file_is_an_entry(registry: Registry) -> None:
    public = {path.stem for path in folder(registry).glob("[!_]*.py")}
    assert set(registry.names()) == public
    assert public


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_an_entry_has_what_its_registry_asks_for(entry: Entry) -> None:
    assert set(NEEDS[entry.registry]) <= entry.names()
    assert ast.get_docstring(entry.tree)


def test_every_engine_has_the_files_that_its_row_promises() -> None:
    rows = engine.engines()
    assert sorted(row.format for row in rows) == list(FORMATS.names())
    assert sorted(row.name for row in rows) == list(RUNTIMES.names())
    assert sorted(row.name for row in rows if row.profiles) == list(OPERATORS.names())
    assert {row.name for row in rows if row.timed} >= set(PYTHON_ENGINES.names())
    for row in rows:
        source = PACKAGE / "runtime" / "runner" / f"engine_{row.name}.cpp"
        assert source.is_file() == row.timed, row.name


def test_formats_have_suffixes_of_their_own() -> None:
    suffixes = {engine.engine_of(name).suffix for name in FORMATS.names()}
    assert len(suffixes) == len(FORMATS.names())
    assert all(suffix.startswith(".") for suffix in suffixes)


def test_every_model_of_the_zoo_belongs_to_a_family() -> None:
    families = {zoo_entry(name).spec.family for name in list_models()}
    assert families == set(FAMILIES.names())


def test_listing_what_there_is_imports_none_of_it() -> None:
    script = (
        "import sys\n"
        "from seaformer.bench.target import TARGETS\n"
        "from seaformer.export import FORMATS\n"
        "from seaformer.models import FAMILIES\n"
        "from seaformer.report.renderers import RENDERERS\n"
        "from seaformer.runtime import RUNTIMES\n"
        "from seaformer.bench.operators import OPERATORS\n"
        "from seaformer.runtime.python_runner.engines import ENGINES\n"
        "engines = (FORMATS, RUNTIMES, OPERATORS, ENGINES)\n"
        "for registry in (*engines, TARGETS, FAMILIES, RENDERERS):\n"
        "    for name in registry.names():\n"
        "        assert f'{registry.package}.{name}' not in sys.modules, name\n"
        "assert not {'torch', 'onnx', 'onnxruntime', 'executorch'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
