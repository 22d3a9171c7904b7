"""The rules of the house that a machine can check.

A file is parsed once, for all rules; a test is a rule, and lists every place that breaks it.
"""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
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
# What breaks a rule: from a file's name, below the package for one of its, and its parsed text.
Rule = Callable[[str, ast.Module], Iterator[str]]


@functools.cache
def broken() -> dict[Rule, list[str]]:
    """Whatever breaks a rule, as ``file: what``."""
    places: dict[Rule, list[str]] = defaultdict(list)
    for path in SOURCES + OTHERS:
        ours = path.is_relative_to(PACKAGE)
        name = path.relative_to(PACKAGE if ours else ROOT).as_posix()
        module = ast.parse(path.read_text(encoding="utf-8"))
        for rule in OF_THE_PACKAGE if ours else OF_EVERY_FILE:
            places[rule] += [f"{name}: {what}" for what in rule(name, module)]
    return places


def undocumented(name: str, module: ast.Module) -> Iterator[str]:
    if not ast.get_docstring(module):
        yield "no docstring"


def unpacked_literals(name: str, module: ast.Module) -> Iterator[str]:
    """Where a file unpacks a tuple, list, set or dict into the literal or call around it."""
    values: list[ast.expr] = []
    for node in ast.walk(module):
        if isinstance(node, ast.Starred):
            values.append(node.value)
        elif isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            values += [value for key, value in pairs if key is None]
        elif isinstance(node, ast.keyword) and node.arg is None:
            values.append(node.value)
    literals = (ast.Tuple, ast.List, ast.Set, ast.Dict)
    yield from (f"line {value.lineno}" for value in values if isinstance(value, literals))


def spoken(name: str, module: ast.Module) -> Iterator[str]:
    """Calls that print, ask or end the process."""
    if name.startswith(SPEAKS):
        return
    forbidden = ("print", "exit", "quit", "sys.exit", "os._exit", "SystemExit", "input")
    for node in outside_of_programs(module):
        if isinstance(node, ast.Call) and dotted(node.func) in forbidden:
            yield f"{dotted(node.func)} in line {node.lineno}"


def swallowed(name: str, module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.ExceptHandler):
            kind = "" if node.type is None else ast.unparse(node.type)
            broad = kind in ("", "Exception", "BaseException")
            if broad and all(isinstance(s, (ast.Pass, ast.Continue)) for s in node.body):
                yield f"line {node.lineno} swallows whatever happens"
            if not kind:
                yield f"line {node.lineno} catches Ctrl-C as well"


def through_a_shell(name: str, module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and (
            any(word.arg == "shell" for word in node.keywords)
            or dotted(node.func) in ("os.system", "os.popen")
        ):
            yield f"line {node.lineno}"


# Where a precision's name may be read: its row, its conversions, fields of stored results.
NAMES_PRECISIONS = (
    "core/precision.py",
    "core/spec.py",  # PaperRow.latency_fp16_ms
    "core/counts.py",  # Counts.fma_fp16 and fma_fp32
    "export/conversions/",
)


def chosen_by_precision(name: str, module: ast.Module) -> Iterator[str]:
    """Its row has what depends on it; documentation and examples may name one.

    A name that is a type's as well may be listed among types; nothing is compared with it.
    """
    if name.startswith(NAMES_PRECISIONS):
        return
    types = {row.name for row in precision.precisions() if row.name == row.dtype}
    names = [each for each in precision.names() if each not in types]
    lines = ast.unparse(without_documentation(module)).splitlines()
    yield from (line for line in lines if any(each in line for each in names))
    for node in ast.walk(module):
        if isinstance(node, ast.Compare | ast.MatchValue) and any(
            isinstance(each, ast.Constant) and each.value in types for each in ast.walk(node)
        ):
            yield ast.unparse(node)


OF_EVERY_FILE: tuple[Rule, ...] = (unpacked_literals,)
OF_THE_PACKAGE: tuple[Rule, ...] = (
    undocumented,
    unpacked_literals,
    spoken,
    swallowed,
    through_a_shell,
    chosen_by_precision,  # the last one: it takes the documentation out of the module
)


def outside_of_programs(module: ast.Module) -> Iterator[ast.AST]:
    """Every node that is not below ``if __name__ == "__main__"``."""
    for statement in module.body:
        if not (isinstance(statement, ast.If) and "__name__" in ast.dump(statement.test)):
            yield from ast.walk(statement)


def dotted(node: ast.expr) -> str:
    return ast.unparse(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""


DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def without_documentation(module: ast.Module) -> ast.Module:
    for node in ast.walk(module):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass()
    return module


def test_no_layer_reaches_over_its_neighbour() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    if not lint.exists():
        pytest.skip("no import-linter (pip install import-linter)")
    done = subprocess.run(
        [lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout


def test_no_file_is_too_long_to_be_read() -> None:
    files = SOURCES + OTHERS
    lengths = {str(p.relative_to(ROOT)): len(p.read_text("utf-8").splitlines()) for p in files}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def test_every_module_says_what_it_is() -> None:
    assert broken()[undocumented] == []


def test_no_literal_is_unpacked_where_it_stands() -> None:
    """``*("a", "b")`` only steers the formatter: accept its lines, or keep the data in a file."""
    assert broken()[unpacked_literals] == []


def test_only_the_command_line_prints_and_exits() -> None:
    assert broken()[spoken] == []


def test_nothing_is_swallowed_and_ctrl_c_is_never_caught_by_accident() -> None:
    assert broken()[swallowed] == []


def test_no_command_goes_through_a_shell() -> None:
    assert broken()[through_a_shell] == []


def test_nothing_is_chosen_by_the_name_of_a_precision() -> None:
    assert broken()[chosen_by_precision] == []


@pytest.mark.parametrize(
    ("rule", "text", "count"),
    [
        (undocumented, "x = 1", 1),
        (unpacked_literals, "f(*(1, 2), **{'a': 1})\n[*range(3)]", 2),
        (spoken, "print(1)\nsys.exit(2)\nif __name__ == '__main__':\n    print(3)", 2),
        (swallowed, "try:\n    f()\nexcept Exception:\n    pass", 1),
        (swallowed, "try:\n    f()\nexcept:\n    g()", 1),
        (swallowed, "try:\n    f()\nexcept OSError:\n    pass", 0),
        (through_a_shell, "run('ls', shell=True)\nos.system('ls')\nrun(['ls'])", 2),
        (chosen_by_precision, "def f():\n    'of fp16'\n    return 'fp16'", 1),
    ],
)
def test_each_rule_finds_what_breaks_it(rule: Rule, text: str, count: int) -> None:
    assert len(list(rule("core/made_up.py", ast.parse(text)))) == count
