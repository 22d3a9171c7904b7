"""The error for a model file that does not exist, with what its name reports of how it is made."""

from __future__ import annotations

import difflib
import re
import shlex
from pathlib import Path

from seaformer.core import zoo
from seaformer.core.engine import engines
from seaformer.core.errors import CorruptArtifact
from seaformer.core.precision import BASE

_NAME = re.compile(r"(?P<model>.+?)__(?P<size>\d+x\d+)__(?P<precision>[a-z0-9]+)(__(?P<rest>.+))?")


def absent(path: Path) -> CorruptArtifact:
    """The error: a file beside it of nearly that name, or the command that makes that file."""
    hint = _near(path) or _command(path)
    hint = hint or "Check the path, or export a model of the zoo: seaformer export --model NAME"
    return CorruptArtifact(f"{path} does not exist.", hint=hint)


def _near(path: Path) -> str:
    """A model file of the same folder and suffix that a typo may have meant."""
    suffixes = {engine.suffix for engine in engines()}
    if path.suffix not in suffixes or not path.parent.is_dir():
        return ""
    names = [file.name for file in path.parent.glob(f"*{path.suffix}")]
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.9)
    same = near and _size_and_precision(near[0]) == _size_and_precision(path.name)
    return f"Did you mean {path.with_name(near[0])}?" if same else ""


def _size_and_precision(name: str) -> tuple[str, str]:
    seen = _NAME.fullmatch(name.rpartition(".")[0])
    return (seen["size"], seen["precision"]) if seen else ("", "")


def _command(path: Path) -> str:
    """What exports a file of that name, where it is of a model of the zoo."""
    seen = _NAME.fullmatch(path.stem)
    formats = {engine.suffix: engine.format for engine in engines()}
    if seen is None or path.suffix not in formats:
        return ""
    entry = zoo.entries().get(seen["model"])
    if entry is None:
        return ""
    words = ["seaformer export", f"--model {seen['model']}", f"--format {formats[path.suffix]}"]
    if seen["precision"] != BASE.name:
        words.append(f"--precision {seen['precision']}")
    if seen["size"] != f"{entry.spec.height}x{entry.spec.width}":
        words.append(f"--size {seen['size']}")
    words.append(f"--out {shlex.quote(str(path.parent))}")
    rest = f", and the options for {seen['rest'].replace('__', ', ')}" if seen["rest"] else ""
    return f"Export it first: {' '.join(words)}{rest}"
