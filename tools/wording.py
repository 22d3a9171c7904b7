"""The wording rule as patterns, and a listing of what breaks it: ``python tools/wording.py``.

Programs report, support and require; they do not tell, know, say, want or stand. What is read here:
whole Markdown pages, templates and tables of words; string constants of Python (messages, help,
docstrings); string literals of C, C++ and JavaScript; the names of arguments, locals and classes of
Python. Comments are not read.

    python tools/wording.py                      # every offender as file:line, with what to write
    python tools/wording.py seaformer/bench      # of some folders or files
    python tools/wording.py --count              # how many in each file
    python tools/wording.py --names              # names of locals and classes instead of words
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What is not written, and what is written instead.
BANNED = {
    r"(?:is|are|was|were) no(?! longer| more)": "is not a; unknown; without",
    r"stands?|stood|standing": "is; is in; means; replaces",
    r"tells?|told|telling": "reports; gives; distinguishes; unknown",
    r"says?|said|saying": "reports; states; names; use --option",
    r"knows?|knew": "supports; has; unknown",
    r"wants?|wanted": "requires; expects; requested",
    r"nobody|somebody": "not yet; a person; another program",
    r"(?:comes?|came) (?:of|out)": "result; output; outcome",
    r"go(?:es)? on": "continues",
    r"be had": "is not available",
    r"(?:is|are|was) not there": "is missing; is not supported; does not exist",
    r"is not possible: expected": "must be (got ...)",
    r"a? ?fault of seaformer": "a bug in seaformer",
    r"no end in": "timed out after",
    r"what it should be": "invalid",
    r"did not answer to the end": "incomplete reply",
}
# A local is named after what it holds, a class is not a participle.
BANNED_NAMES = {
    "found": "what was found: paths, rows, match",
    "told": "what it holds: version, text, names",
    "wanted": "what it holds: requests, expected",
    "said": "what it holds: message, line",
    **dict.fromkeys(("Ran", "Written", "Wanted", "Told", "Chosen", "Attached"), "a noun"),
    **dict.fromkeys(("Absent", "Outdated", "Found"), "a noun"),
}
_RULE = re.compile(r"\b(?:" + "|".join(f"({pattern})" for pattern in BANNED) + r")\b", re.I)
_ADVICE = tuple(BANNED.values())
# The rule names what it bans; a recorded text is another program's.
EXEMPT = ("tools/wording.py",)
_WHOLE = (".md", ".html", ".j2", ".csv", ".sh", ".toml")
_LITERALS = (".cpp", ".h", ".c", ".js")
_LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"|`[^`]*`' + r"|'(?:[^'\\\n]|\\.)*'")
_FOLDERS = ("seaformer", "tools", "benchmarks", "docs")
_PAGES = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "results/README.md")


@dataclass(frozen=True)
class Offence:
    """One place that breaks the rule."""

    path: str
    line: int
    text: str
    advice: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text!r}: {self.advice}"


def paths() -> list[Path]:
    """Every file whose words a person reads."""
    suffixes = (".py", *_WHOLE, *_LITERALS)
    found = [ROOT / page for page in _PAGES]
    for folder in _FOLDERS:
        found += [path for path in sorted((ROOT / folder).rglob("*")) if path.suffix in suffixes]
    return [path for path in found if str(path.relative_to(ROOT)) not in EXEMPT]


def offences(path: Path) -> list[Offence]:
    """Where one file breaks the rule, by line."""
    text = path.read_text(encoding="utf-8")
    name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
    return [
        Offence(name, line, _around(words, match), _ADVICE[(match.lastindex or 1) - 1])
        for line, words in _words(path.suffix, text)
        for match in _RULE.finditer(words)
    ]


def bad_names(path: Path) -> list[Offence]:
    """The arguments, locals and classes of a Python file that are named after nothing they hold."""
    if path.suffix != ".py":
        return []
    name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
    return [
        Offence(name, line, given, BANNED_NAMES[given])
        for given, line in sorted(set(_names(path.read_text(encoding="utf-8"))), key=lambda x: x[1])
        if given in BANNED_NAMES
    ]


def _names(text: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.ClassDef):
            yield node.name, node.lineno


def _words(suffix: str, text: str) -> Iterator[tuple[int, str]]:
    """The texts that a person reads, each line of them with its number.

    A fence without a language in Markdown is recorded output: the program's words, not the page's.
    """
    if suffix == ".py":
        yield from _constants(text)
        return
    recorded = fenced = False
    for number, line in enumerate(text.splitlines(), start=1):
        if suffix == ".md" and line.lstrip().startswith("```"):
            fenced = not fenced
            recorded = fenced and line.strip() == "```"
        if recorded:
            continue
        if suffix in _WHOLE:
            yield number, line
        else:
            yield from ((number, literal) for literal in _LITERAL.findall(line))


def _constants(text: str) -> Iterator[tuple[int, str]]:
    """String constants of Python source; a long docstring gives the line inside of it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            lines = node.value.split("\n")
            spread = (node.end_lineno or node.lineno) - node.lineno
            step = spread and len(lines) > spread
            for index, line in enumerate(lines):
                yield node.lineno + (index if step else 0), line


def _around(words: str, match: re.Match[str]) -> str:
    """The match with a few words around it."""
    start, end = max(0, match.start() - 30), match.end() + 20
    return words[start:end].strip()


def main(arguments: list[str]) -> int:
    """Print the offenders of all files, or of those named; 1 when there are any."""
    chosen = [Path(name).absolute() for name in arguments if not name.startswith("-")]
    files = [p for p in paths() if not chosen or any(p.is_relative_to(c) for c in chosen)]
    rule = bad_names if "--names" in arguments else offences
    listed = [offence for path in files for offence in rule(path)]
    if "--count" in arguments:
        for name, count in Counter(offence.path for offence in listed).most_common():
            print(f"{count:4} {name}")
    else:
        for offence in listed:
            print(offence)
    print(f"{len(listed)} in {len({offence.path for offence in listed})} files", file=sys.stderr)
    return int(bool(listed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
