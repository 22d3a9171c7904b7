"""Where code names an engine or its format: what ``tests/test_engines.py`` keeps small.

    python tools/engine_names.py [CHECKOUT]      # prints the places and how many there are

A place is a line of code in ``seaformer/``. Comments and docstrings are free to name engines, data
files too. The same command counts any other checkout, an older one for instance.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from seaformer.core.engine import engines

ROOT = Path(__file__).parents[1]
_CODE = {".py", ".cpp", ".h", ".c", ".cmake", ".txt"}
_WORDS = ("param",)  # suffixes that are words of their own: they count with their dot
_ABBREVIATIONS = ("ort",)  # how code writes ONNX Runtime where it is short of room
# The row, and what lies under an engine's or a format's own name.
OWN = (
    "core/engine.py",
    "export/{format}.py",
    "export/_{format}/*",
    "export/conversions/{format}_*.py",
    "export/quantize/{format}.py",
    "export/quantize/_{format}_*.py",
    "export/rewrites/{name}.py",
    "export/rewrites/{name}_*.py",
    "runtime/{name}.py",
    "runtime/_{format}/*",
    "runtime/build/recipes/{name}*",
    "runtime/runner/{name}_*",
    "runtime/runner/engine_{name}.*",
    "runtime/runner/format_{format}.cpp",
    "runtime/runner/tests/*",
    "runtime/python_runner/engines/{name}.py",
    "bench/operators/{name}.py",
)


@dataclass(frozen=True)
class Place:
    """A line of code that names an engine; ``file`` is below ``seaformer/``."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


def pattern() -> re.Pattern[str]:
    """The names, formats, titles and suffixes of all rows; a short one only as a word."""
    words = set(_ABBREVIATIONS)
    for row in engines():
        words |= {row.name, row.format, row.title.lower(), row.suffix.removeprefix(".")}
    parts = [rf"\.{word}(?![a-z])" for word in _WORDS]
    parts += [
        rf"(?<![a-z]){re.escape(word)}(?![a-z])" if len(word) < 4 else re.escape(word)
        for word in sorted(words - set(_WORDS), key=len, reverse=True)
    ]
    return re.compile("|".join(parts), re.IGNORECASE)


def places(root: Path = ROOT) -> Iterator[Place]:
    """Every place in a checkout, in whatever file."""
    names, package = pattern(), root / "seaformer"
    for path in sorted(package.rglob("*")):
        if path.suffix not in _CODE or not path.is_file():
            continue
        source = path.read_text(encoding="utf-8")
        if not names.search(source):
            continue
        code = _python(source) if path.suffix == ".py" else _other(source, path.suffix)
        lines = source.splitlines()
        for number in sorted({number for number, text in code if names.search(text)}):
            yield Place(path.relative_to(package).as_posix(), number, lines[number - 1].strip())


def is_own(file: str) -> bool:
    """Whether a file below ``seaformer/`` is a row's own."""
    return any(
        fnmatch(file, own.format(name=row.name, format=row.format))
        for own in OWN
        for row in engines()
    )


def _python(source: str) -> Iterator[tuple[int, str]]:
    """Names and strings with their lines; neither comments nor docstrings."""
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            continue
        if isinstance(node.value.value, str):
            docstrings.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.NAME, tokenize.STRING) and token.start[0] not in docstrings:
            for offset, text in enumerate(token.string.splitlines()):
                yield token.start[0] + offset, text


def _other(source: str, suffix: str) -> Iterator[tuple[int, str]]:
    """Lines of C++ or CMake without their comments."""
    comment = r"#.*" if suffix in (".cmake", ".txt") else r"//.*|/\*.*?\*/"
    for number, line in enumerate(source.splitlines(), start=1):
        yield number, re.sub(comment, "", line)


def main(argv: list[str]) -> int:
    root = Path(argv[0]).resolve() if argv else ROOT
    every = list(places(root))
    elsewhere = [place for place in every if not is_own(place.file)]
    print("\n".join(map(str, elsewhere)))
    own, files = len(every) - len(elsewhere), len({place.file for place in elsewhere})
    print(f"{len(elsewhere)} places in {files} files, and {own} in files of their own")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
