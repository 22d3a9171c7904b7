"""What keeps this code small enough to be read, counted.

    python tools/house.py [CHECKOUT]

Prints a Markdown table of a checkout (this one): lines of Python and of C and C++ by folder, the
longest file and the longest functions, places that name an engine outside its own files
(``tools/engine_names.py`` lists them), and the processor seconds of ``seaformer --help``. The same
command counts any other checkout, an older one for instance.
"""

from __future__ import annotations

import ast
import os
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from engine_names import ROOT, is_own, places

SUFFIXES = {".py", ".c", ".cpp", ".h"}
MOST_FUNCTIONS = 3


def main() -> None:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT).resolve()
    lengths = dict(_lengths(root / "seaformer"))
    functions = sorted(_functions(root / "seaformer"), reverse=True)[:MOST_FUNCTIONS]
    named = [place for place in places(root) if not is_own(place.file)]
    longest = max(lengths, key=lambda name: lengths[name])
    rows = [
        *_by_folder(lengths),
        ("longest file", f"{lengths[longest]} lines: {longest}"),
        *(("long function", f"{lines} lines: {name}") for lines, name in functions),
        (
            "engines named outside",
            f"{len(named)} lines in {len({one.file for one in named})} files",
        ),
        ("seaformer --help", f"{_help_seconds(root):.2f} s of processor"),
    ]
    print("| what | count |\n|---|---|")
    print("\n".join(f"| {name} | {value} |" for name, value in rows))


def _lengths(package: Path) -> Iterator[tuple[str, int]]:
    for path in sorted(package.rglob("*")):
        if path.suffix in SUFFIXES and path.is_file():
            yield str(path.relative_to(package)), len(path.read_bytes().splitlines())


def _by_folder(lengths: dict[str, int]) -> list[tuple[str, str]]:
    lines, files = Counter[str](), Counter[str]()
    for name, length in lengths.items():
        folder = f"{name.partition('/')[0]}/" if "/" in name else "seaformer/*.py"
        lines[folder] += length
        files[folder] += 1
    return [(name, f"{lines[name]:,} lines in {files[name]} files") for name in sorted(lines)]


def _functions(package: Path) -> Iterator[tuple[int, str]]:
    """Every function with the lines of its body, without its signature and its docstring."""
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                body = node.body[ast.get_docstring(node) is not None :]
                if body:
                    lines = (body[-1].end_lineno or 0) - body[0].lineno + 1
                    yield lines, f"{path.relative_to(package)}: {node.name}"


def _help_seconds(root: Path) -> float:
    """The least of five starts."""
    times = []
    for _ in range(5):
        before = _children_seconds()
        subprocess.run(
            [sys.executable, "-m", "seaformer", "--help"],
            env=os.environ | {"PYTHONPATH": str(root)},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        times.append(_children_seconds() - before)
    return min(times)


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
