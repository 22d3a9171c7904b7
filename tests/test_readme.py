"""What the README promises a reader: short, narrow, one picture, two commands, no catalogue."""

from __future__ import annotations

from tests.pages import ROOT, command_lines, fences, links, read

README = read(ROOT / "README.md")


def test_it_is_read_in_a_few_minutes() -> None:
    assert 120 <= README.count("\n") <= 185


def test_no_block_of_code_is_wider_than_a_terminal() -> None:
    lines = [line for fence in fences(README) for line in fence.text.splitlines()]
    assert [line for line in lines if len(line) > 100] == []


def test_it_has_one_picture_and_begins_with_the_two_commands() -> None:
    assert README.count("![") == 1
    first = fences(README)[0]
    assert [line.split("#")[0].strip() for line in first.text.splitlines()] == [
        "make demo",
        "make test",
    ]


def test_it_shows_ten_command_lines() -> None:
    section = README.partition("## Ten command lines")[2].partition("\n## ")[0]
    assert len(list(command_lines(section))) == 10


def test_it_links_to_the_documentation_and_has_no_zoo_of_its_own() -> None:
    assert {"docs/README.md", "docs/models.md", "docs/phone.md"} <= set(links(README))
    assert "make docs" in README
    assert README.count(".ade20k |") == 0
