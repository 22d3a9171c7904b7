"""What leaves a table that is too wide, in which order, and what never does."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from seaformer.report.terminal import Cell, Column, Facts, Line, Table, plain


@dataclass(frozen=True)
class Row:
    """A made-up row of a table."""

    name: str
    kind: str = "same"
    first: str = "1.11"
    second: str = "22.22"
    third: str = "333.33"
    note: str = ""
    state: str = "no"


COLUMNS: tuple[Column[Row], ...] = (
    Column("name", lambda row: row.name, key=True),
    Column("kind", lambda row: row.kind, key=True, shared=True),
    Column("first", lambda row: row.first, "ms", right=True),
    Column("second", lambda row: row.second, "ms", rank=2, right=True),
    Column("third", lambda row: row.third, "ms", ("aside",), rank=1, right=True, apart=True),
    Column("state", lambda row: Cell(f"{row.state}: because", row.state)),
    Column("note", lambda row: row.note, below="note: {}"),
)
ROWS = (Row("alpha"), Row("beta", note="a sentence that is rather long for a table"))
EVERY_WIDTH = range(20, 140)


def shown(width: int | None, *rows: Row, columns: tuple[Column[Row], ...] = COLUMNS) -> str:
    return plain([Table(columns, rows or ROWS)], width)


def lines_of(name: str, text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(name)]


def test_without_a_width_everything_is_in_one_line_of_each_row() -> None:
    text = shown(None)
    for row in ROWS:
        (line,) = lines_of(row.name, text)
        for cell in (row.kind, row.first, row.second, row.third, "no: because", row.note):
            assert cell in line
    assert "Left out" not in text


def test_a_table_that_fits_is_the_same_as_without_a_width() -> None:
    assert shown(200) == shown(None)


@pytest.mark.parametrize("width", EVERY_WIDTH)
def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    text = shown(width)
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("width", EVERY_WIDTH)
def test_names_and_columns_without_a_rank_are_there_at_every_width(width: int) -> None:
    text = shown(width)
    assert text.count("1.11") == len(ROWS)
    for row in ROWS:
        assert lines_of(row.name, text)
    assert "rather" in text


@pytest.mark.parametrize("width", EVERY_WIDTH)
def test_what_is_not_shown_is_named_and_how_to_see_it(width: int) -> None:
    text = shown(width)
    (hint,) = [" ".join(text[text.index("Left out") :].split())] if "Left out" in text else [""]
    for name, figure in (("second", "22.22"), ("third aside", "333.33")):
        assert (figure in text) != (name in hint)
    assert not hint or hint.endswith("--wide prints everything.")


def test_the_highest_rank_leaves_first() -> None:
    narrowing = [shown(width) for width in reversed(EVERY_WIDTH)]
    without_second = next(i for i, text in enumerate(narrowing) if "22.22" not in text)
    without_third = next(i for i, text in enumerate(narrowing) if "333.33" not in text)
    assert without_second < without_third


def test_a_column_with_one_value_becomes_a_sentence_and_one_with_two_stays() -> None:
    assert "kind same in every row" in shown(42)
    differing = shown(42, Row("alpha"), Row("beta", kind="other"))
    assert "in every row" not in differing
    assert [line.split()[1] for line in differing.splitlines() if line[:1] in "ab"] == [
        "same",
        "other",
    ]


def test_prose_is_beside_its_row_where_it_fits_and_below_it_where_not() -> None:
    short, long = Row("alpha", note="short"), ROWS[1]
    text = shown(62, short, long)
    assert lines_of("alpha", text)[0].endswith("  short")
    below = text.splitlines()[text.splitlines().index(lines_of("beta", text)[0]) + 1]
    assert below.startswith("  note: a sentence that")


@pytest.mark.parametrize("width", EVERY_WIDTH)
def test_the_heading_of_prose_has_room_where_prose_is_beside_its_row(width: int) -> None:
    columns = (*COLUMNS[:3], Column[Row]("a heading longer than its prose", lambda row: row.note,
                                         below="{}"))  # fmt: skip
    text = shown(width, Row("alpha", note="short"), ROWS[1], columns=columns)
    assert max(map(len, text.splitlines())) <= width


def test_names_too_long_for_their_figures_have_the_first_of_two_lines() -> None:
    rows = (Row("a_name_as_long_as_the_terminal", kind="x"), Row("b", kind="y"))
    text = shown(36, *rows)
    (line,) = lines_of(rows[0].name, text)
    assert line.split() == [rows[0].name, "x"]
    following = text.splitlines()[text.splitlines().index(line) + 1]
    assert following.startswith("  ")
    assert "1.11" in following


def test_at_the_narrowest_a_row_is_a_record_with_a_name_for_each_figure() -> None:
    text = shown(24, Row("a_name_longer_than_the_terminal_is"))
    assert lines_of("a_name_longer_than_the_terminal_is", text)
    for pair in ("first 1.11 ms", "second 22.22 ms", "third aside 333.33 ms"):
        assert pair in text
    assert "Left out" not in text


def test_a_record_has_no_unit_behind_a_figure_that_is_not_there() -> None:
    text = shown(24, Row("a_name_longer_than_the_terminal_is", second="-"))
    assert "second -\n" in text or "second -  " in text


def test_columns_that_are_empty_in_every_row_leave_first_and_are_not_mentioned() -> None:
    rows = (Row("alpha", third="-"), Row("beta", third=""))
    text = shown(50, *rows)
    assert "aside" not in text
    assert "aside" in shown(None, *rows)


def test_rows_of_a_group_have_its_title_once() -> None:
    table = Table(COLUMNS[:3], (Row("a"), Row("b"), Row("c", kind="x")), group=lambda r: r.kind)
    text = plain([table], 80)
    assert [line for line in text.splitlines() if line in ("same", "x")] == ["same", "x"]


def test_text_cannot_move_the_cursor_or_break_a_row() -> None:
    hostile = Row("al\x1b[2Jpha\nbeta\r", note="\x07bell")
    for width in (None, 30, 80):
        text = shown(width, hostile)
        assert not set(text) & {"\x1b", "\r", "\x07"}
        assert lines_of("al [2Jpha beta", text)


def test_wide_characters_count_twice() -> None:
    rows = (Row("手机手机手机"), Row("phone"))
    text = plain([Table(COLUMNS[:3], rows)])
    first, second = (line for line in text.splitlines() if "same" in line)
    assert first.index("same") + 6 == second.index("same")


def test_a_sentence_is_broken_between_words_and_a_path_never_is() -> None:
    path = "/a/path/that/is/longer/than/the/terminal/is.json"
    text = plain([Line(f"file: {path} and more", hang=2), Facts((("file", path),))], 30)
    assert text.splitlines() == ["file:", path, "  and more", "file", path]


def test_a_figure_stays_with_its_percent_sign() -> None:
    assert plain([Line("an interval of 95 % and")], 18) == "an interval of\n95 % and\n"


def test_facts_have_their_text_below_itself() -> None:
    text = plain([Facts((("a", "one two three"), ("long", "four")), indent=2)], 16)
    assert text == "  a     one two\n        three\n  long  four\n"
