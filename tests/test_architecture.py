"""The rules of the house that a machine can check."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seaformer.core import precision

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "seaformer"
SOURCES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = ("tests", "tools", "benchmarks")
OTHERS = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
LONGEST = 350
SPEAKS = ("cli.py", "commands/")


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.fixture(params=SOURCES, ids=name_of)
def source(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def outside_of_programs(module: ast.Module) -> Iterator[ast.AST]:
    """Every node that is not below ``if __name__ == "__main__"``."""
    for statement in module.body:
        if not (isinstance(statement, ast.If) and "__name__" in ast.dump(statement.test)):
            yield from ast.walk(statement)


def dotted(node: ast.expr) -> str:
    return ast.unparse(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""


def test_no_layer_reaches_over_its_neighbour() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    if not lint.exists():
        pytest.skip("no import-linter (pip install import-linter)")
    done = subprocess.run(
        [lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout


def test_every_module_says_what_it_is(source: Path) -> None:
    assert ast.get_docstring(tree(source))


def test_no_file_is_too_long_to_be_read(source: Path) -> None:
    lines = len(source.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST


def test_no_test_tool_or_benchmark_is_too_long_either() -> None:
    lengths = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in OTHERS}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def test_no_literal_is_unpacked_where_it_stands() -> None:
    """``*("a", "b")`` only steers the formatter: accept its lines, or keep the data in a file."""
    assert [line for path in SOURCES + OTHERS for line in unpacked_literals(path)] == []


def unpacked_literals(path: Path) -> list[str]:
    """Where a file unpacks a tuple, list, set or dict into the literal or call around it."""
    found: list[ast.expr] = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Starred):
            found.append(node.value)
        elif isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            found += [value for key, value in pairs if key is None]
        elif isinstance(node, ast.keyword) and node.arg is None:
            found.append(node.value)
    literals = (ast.Tuple, ast.List, ast.Set, ast.Dict)
    name = path.relative_to(ROOT)
    return [f"{name}:{value.lineno}" for value in found if isinstance(value, literals)]


def test_only_the_command_line_prints_and_exits(source: Path) -> None:
    if name_of(source).startswith(SPEAKS):
        return
    calls = [n for n in outside_of_programs(tree(source)) if isinstance(n, ast.Call)]
    spoken = [f"{dotted(call.func)} in line {call.lineno}" for call in calls]
    forbidden = ("print ", "exit ", "quit ", "sys.exit ", "os._exit ", "SystemExit ", "input ")
    assert [call for call in spoken if call.startswith(forbidden)] == []


def test_nothing_is_swallowed_and_ctrl_c_is_never_caught_by_accident(source: Path) -> None:
    for node in ast.walk(tree(source)):
        if isinstance(node, ast.ExceptHandler):
            kind = "" if node.type is None else ast.unparse(node.type)
            broad = kind in ("", "Exception", "BaseException")
            silent = all(isinstance(s, (ast.Pass, ast.Continue)) for s in node.body)
            assert not (broad and silent), f"line {node.lineno} swallows whatever happens"
            assert kind, f"line {node.lineno} catches Ctrl-C as well"


def test_no_command_goes_through_a_shell(source: Path) -> None:
    for node in ast.walk(tree(source)):
        if isinstance(node, ast.Call):
            assert not any(word.arg == "shell" for word in node.keywords), node.lineno
            assert dotted(node.func) not in ("os.system", "os.popen"), node.lineno


# Where a precision's name may be read: its row, its conversions, fields of stored results.
NAMES_PRECISIONS = (
    "core/precision.py",
    "core/spec.py",  # PaperRow.latency_fp16_ms
    "core/counts.py",  # Counts.fma_fp16 and fma_fp32
    "export/conversions/",
)


DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def without_documentation(module: ast.Module) -> ast.Module:
    for node in ast.walk(module):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass()
    return module


def test_nothing_is_chosen_by_the_name_of_a_precision(source: Path) -> None:
    """Its row has what depends on it; documentation and examples may name one."""
    if name_of(source).startswith(NAMES_PRECISIONS):
        return
    module = without_documentation(tree(source))
    types = {row.name for row in precision.precisions() if row.name == row.dtype}
    names = [name for name in precision.names() if name not in types]
    lines = ast.unparse(module).splitlines()
    assert [line for line in lines if any(name in line for name in names)] == []
    # A name that is a type's as well may be listed among types; nothing is compared with it.
    compared = [
        ast.unparse(node)
        for node in ast.walk(module)
        if isinstance(node, ast.Compare | ast.MatchValue)
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and each.value in types
    ]
    assert compared == []
