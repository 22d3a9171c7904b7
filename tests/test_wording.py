"""Messages, help, documentation and names follow the wording rule of ``tools/wording.py``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pages import ROOT, tool

WORDING = tool("wording")


def test_no_sentence_breaks_the_rule() -> None:
    files = WORDING.paths()
    assert ROOT / "README.md" in files
    assert [str(offence) for path in files for offence in WORDING.offences(path)] == []


def test_no_local_or_class_is_named_after_nothing_it_holds() -> None:
    files = WORDING.paths()
    assert [str(offence) for path in files for offence in WORDING.bad_names(path)] == []


@pytest.mark.parametrize(
    ("file", "text", "lines"),
    [
        ("a.py", 'x = 1\nraise E(\n    f"{x} is "\n    "no checkpoint"\n)\n', [3]),
        ("a.py", '"""Head.\n\nIt tells\nnothing.\n"""\n', [3]),
        ("a.py", "told = 1  # it stands\n", []),
        ("a.md", "It is no longer\nhere, and stands.\n", [2]),
        ("a.md", "```\nIt is no model.\n```\n\n```sh\ntold\n```\nIt tells.\n", [6, 8]),
        ("a.cpp", 'fail("the file is no model");  // tells\n', [1]),
        ("a.csv", "a,the paper does not say\n", [1]),
        ("a.md", "--runs 0 is not possible: expected 1\nThis is a fault of seaformer\n", [1, 2]),
    ],
)
def test_offenders_are_listed_by_line(
    tmp_path: Path, file: str, text: str, lines: list[int]
) -> None:
    path = tmp_path / file
    path.write_text(text, encoding="utf-8")
    assert [offence.line for offence in WORDING.offences(path)] == lines


def test_names_of_arguments_locals_and_classes_are_listed_by_line(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("class Ran:\n    def f(self, told):\n        found = told.found\n")
    assert [(o.text, o.line) for o in WORDING.bad_names(path)] == [
        ("Ran", 1),
        ("told", 2),
        ("found", 3),
    ]


def test_each_pattern_finds_its_words() -> None:
    text = "is no|stands|told|says|knows|wants|nobody|came out|goes on|be had|are not there"
    text += "|is not possible: expected|fault of seaformer|no end in|what it should be"
    examples = f"{text}|did not answer to the end".split("|")
    assert len(examples) == len(WORDING.BANNED)
    for pattern, example in zip(WORDING.BANNED, examples, strict=True):
        assert WORDING.re.search(pattern, example)
