"""Where an export takes its network from, if not from the zoo, and what its file should be."""

from __future__ import annotations

from dataclasses import dataclass

from seaformer.core.errors import UnknownName, UsageError
from seaformer.core.files import expanded

_LONGEST = 80
_FILES = (".onnx", ".pt2")


@dataclass(frozen=True)
class GraphOptions:
    """Values of ``--opset`` and ``--dynamic``."""

    opset: int | None = None
    dynamic: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModuleSource:
    """Values of ``--module``, ``--shape``, ``--name``, ``--mean`` and ``--std``, and the rest."""

    module: str = ""
    shape: str = ""
    name: str = ""
    mean: str = ""
    std: str = ""
    graph: GraphOptions = GraphOptions()


def free_axes(text: str) -> tuple[str, ...]:
    """The axes that ``--dynamic`` names, in their order. Raises ``UnknownName``."""
    from seaformer.core.free import ordered

    return ordered(name.strip() for name in text.lower().split(",") if name.strip())


def one_source(file: str, module: str) -> str:
    """The file or module to export.

    Raises ``UsageError`` where both are named, and ``UnknownName`` for a file that does not exist,
    before what reads files is imported.
    """
    if file and module:
        raise UsageError("FILE and --module are exported by a command each.")
    if file and not file.endswith(_FILES):
        raise UsageError(
            f"FILE must be an .onnx or .pt2 file (got {file[:_LONGEST]!r}).",
            hint="A model of the zoo is named by --variant or --model, code by --module.",
        )
    named = file or module
    if named.endswith(_FILES) and not expanded(named).is_file():
        problem = "is not a file" if expanded(named).exists() else "does not exist"
        raise UnknownName(f"{expanded(named)} {problem}.")
    return named
