"""The Markdown pages of this repository as tests read them: links, anchors, code, tables."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = (
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "results" / "README.md",
    *sorted(DOCS.glob("*.md")),
)
_FENCE = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[(?:[^\]]*)\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)


@dataclass(frozen=True)
class Fence:
    """One block of code; ``language`` is empty where none is named."""

    language: str
    text: str


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def tool(name: str) -> ModuleType:
    """A program of ``tools/`` as a module."""
    spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their annotations up
    spec.loader.exec_module(module)
    return module


def fences(text: str) -> list[Fence]:
    """Every fenced block, in the order of the page."""
    return [Fence(*match.groups()) for match in _FENCE.finditer(text)]


def links(text: str) -> list[str]:
    """What every link and image outside of code points to."""
    prose = re.sub(r"`[^`\n]*`", "", _FENCE.sub("", text))
    return _LINK.findall(prose)


def anchors(text: str) -> set[str]:
    """The names GitHub gives the headings of a page: a second one of a name ends with ``-1``."""
    seen: Counter[str] = Counter()
    names = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        names.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return names


def dead_links(page: Path, text: str) -> list[str]:
    """The links of ``text``, as if it were ``page``, to a file or heading that does not exist."""
    return [link for link in links(text) if not _is_alive(page, text, link)]


def _is_alive(page: Path, text: str, link: str) -> bool:
    if re.match(r"[a-z]+:", link):
        return link.startswith("https://")
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    if not target.exists():
        return False
    return not anchor or anchor in anchors(text if target == page else read(target))


def command_lines(text: str) -> Iterator[str]:
    """Every ``seaformer`` command of the page's code, comments and continued lines resolved."""
    for fence in fences(text):
        if fence.language in ("sh", "console"):
            for line in fence.text.replace("\\\n", " ").splitlines():
                if command := re.match(r"(?:\$ )?seaformer +([^#]*)", line.strip()):
                    yield command.group(1).strip()
