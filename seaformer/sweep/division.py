"""One command line as many: a model, a file, a format and a precision each.

Files come first, behind the command's name. Options other than the four that are divided are handed
to every task as they are.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from seaformer.core.errors import UsageError

EXPORT, BENCH, EVAL = COMMANDS = ("export", "bench", "eval")
_DIVIDED = ("--model", "--format", "--precision")
_EMULATED = "emulator"
# What a task has of its own, and what would stay on its worker.
_REFUSED = ("--results", "--json", "--variant", "--part", "--merge", "--resume", "--profile")
_HINTS = {
    "--results": "Name it before the command.",
    "--variant": "Name models by --model.",
    "--profile": "Profiles are not handed back: run that bench by itself.",
}
Names = Callable[[str], Iterable[str]]


@dataclass(frozen=True)
class Task:
    """One command line of ``seaformer``, and its name: the same for the same line."""

    argv: tuple[str, ...]

    @property
    def key(self) -> str:
        """A digest of the line."""
        return hashlib.sha256(json.dumps(self.argv).encode()).hexdigest()[:24]

    def __str__(self) -> str:
        return " ".join(self.argv)


def divide(argv: Sequence[str], models: Names, formats: Names) -> tuple[Task, ...]:
    """The tasks of a command line; ``models`` and ``formats`` list what a value names.

    Raises ``UsageError`` for a command that is not divided, and for a bench that is not emulated:
    several on one machine would slow each other.
    """
    if not argv or argv[0] not in COMMANDS:
        given = argv[0] if argv else "nothing"
        raise UsageError(f"A sweep is of {', '.join(COMMANDS[:-1])} or {EVAL} (got {given!r}).")
    command, *rest = argv
    files = list(itertools.takewhile(lambda word: not word.startswith("-"), rest))
    values, others = _parsed(rest[len(files) :])
    _check(command, values, others)
    axes = [_values(files, "", list)] if files else []
    axes += [_values(values.get("--model", []), "--model", models)]
    axes += [_values(values.get("--format", []), "--format", formats)]
    axes += [_values(values.get("--precision", []), "--precision", lambda text: [text])]
    lines = itertools.product(*(axis for axis in axes if axis))
    tasks = (Task((command, *itertools.chain(*line), *others)) for line in lines)
    return tuple(dict.fromkeys(tasks))


def _parsed(words: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Values of the divided options, split at commas, and all other words."""
    values: dict[str, list[str]] = {}
    others: list[str] = []
    rest = iter(words)
    for word in rest:
        name, attached, value = word.partition("=")
        if name not in _DIVIDED:
            others.append(word)
            continue
        text = value if attached else next(rest, "")
        values.setdefault(name, []).extend(part for part in text.split(",") if part)
        if not values[name]:
            raise UsageError(f"{name} requires a value.")
    return values, others


def _check(command: str, values: dict[str, list[str]], others: Sequence[str]) -> None:
    for word in others:
        name = word.partition("=")[0]
        if name in _REFUSED:
            raise UsageError(
                f"{name} is not for the commands of a sweep.", hint=_HINTS.get(name, "")
            )
    devices = [b for a, b in itertools.pairwise(("", *others)) if a == "--device"]
    devices += [word.partition("=")[2] for word in others if word.startswith("--device=")]
    names = [one.strip().partition(":")[0] for text in devices for one in text.split(",")]
    if command == BENCH and (len(devices) != 1 or set(names) != {_EMULATED}):
        raise UsageError(
            "A sweep counts on an emulated core: several benches on one machine would slow each "
            "other.",
            hint=f"Add --device {_EMULATED}.",
        )
    if command == EVAL and "--format" in values:
        raise UsageError("--format is not an option of eval: name files.")


def _values(given: Sequence[str], option: str, names: Names) -> list[tuple[str, ...]]:
    """Each value as the words that name it."""
    each = [name for text in given for name in (names(text) if option else (text,))]
    return [((option, name) if option else (name,)) for name in dict.fromkeys(each)]
