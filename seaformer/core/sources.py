"""Digests of Python sources: what was made from code is stale when that code changes.

Docstrings, comments on lines of their own and blank lines do not count: rewording them changes
nothing that code computes.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def sha256(paths: Iterable[Path]) -> str:
    """Hex digest of the code in these files, with their names, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        code = code_of(path.read_text(encoding="utf-8"))
        digest.update(path.name.encode() + b"\0" + code.encode() + b"\0")
    return digest.hexdigest()


def code_of(source: str) -> str:
    """The lines of a module that are neither blank, nor a comment, nor part of a docstring."""
    skipped: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            text = node.body[0]
            skipped.update(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    lines = enumerate(source.splitlines(), start=1)
    kept = (line for number, line in lines if number not in skipped)
    return "\n".join(line for line in kept if line.strip() and not line.lstrip().startswith("#"))
