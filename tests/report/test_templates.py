"""What is put into a template is escaped there, without anyone asking for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from seaformer.report import templates
from seaformer.report.templates import Grid, cell, code, markdown

ODD = "a|b `c` <i> *d* [e](f) ~g~ _h_ i_j \\ &amp;\n# k\x1b"
SHOWN = "a\\|b \\`c\\` &lt;i&gt; \\*d\\* \\[e\\](f) \\~g\\~ \\_h\\_ i_j \\\\ &amp;amp; # k"


@dataclass(frozen=True)
class Page:
    """What the templates below are filled with."""

    text: str
    table: Grid


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package with two templates of its own."""
    folder = tmp_path / "a_package_with_templates"
    (folder / "templates").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    grid = '{% from "grid.md.j2" import grid %}\n'
    (folder / "templates" / "page.md.j2").write_text(
        grid + "{{ page.text }}\n`{{ page.text | code }}`\n\n{{ grid(page.table) }}\n"
    )
    (folder / "templates" / "wrong.md.j2").write_text("{{ page.txet }}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    templates._markdown.cache_clear()
    yield folder.name
    templates._markdown.cache_clear()
    sys.modules.pop(folder.name, None)


def test_a_value_shows_its_characters_also_in_a_table_and_in_a_code_span(package: str) -> None:
    text = markdown(package, "page.md.j2", Page(ODD, Grid((ODD, "n"), [(ODD, "1"), ("x", "2")])))
    first, span, empty, header, rule, *lines = text.splitlines()
    assert (first, empty, rule) == (SHOWN, "", "|---|---|")
    assert span == "`a|b 'c' <i> *d* [e](f) ~g~ _h_ i_j \\ &amp; # k`"
    assert header == f"| {SHOWN} | n |"
    assert lines == [f"| {SHOWN} | 1 |", "| x | 2 |"]


def test_a_name_that_a_page_does_not_have_is_an_error(package: str) -> None:
    with pytest.raises(UndefinedError, match="txet"):
        markdown(package, "wrong.md.j2", Page("", Grid((), ())))


def test_what_is_escaped_is_not_escaped_twice() -> None:
    assert cell("<") == "&lt;"
    assert cell("# a") == "\\# a"
    assert cell("a # b") == "a # b"
    assert code("a`b\nc") == "a'b c"
