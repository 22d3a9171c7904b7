"""Counts with their nouns, in what is printed."""

from __future__ import annotations

import re
from pathlib import Path

import seaformer
from seaformer.core.plural import counted


def test_one_is_singular_and_all_else_plural() -> None:
    assert [counted(n, "image") for n in (0, 1, 2)] == ["0 images", "1 image", "2 images"]
    assert counted(1, "process", "processes") == "1 process"
    assert counted(2000, "file is", "files are") == "2,000 files are"


def test_no_sentence_leaves_the_plural_to_the_reader() -> None:
    package = Path(seaformer.__file__).parent
    texts = {p: p.read_text() for p in package.rglob("*.py") if "runner" not in p.parts}
    left = [p.name for p, text in texts.items() if re.search(r"""["'].*[a-z]\(s\)""", text)]
    assert not left
