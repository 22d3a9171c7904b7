"""What a reproduced table comes to: its lines, the order of its costs, its farthest line."""

from __future__ import annotations

from pathlib import Path

import pytest

from seaformer.report.reproduced import ReproducedLine, rank_correlation, reproduced_markdown

TABLE = """## Table 2: ADE20K

| backbone | decoder | precision | paper ms | paper, relative | ours, relative | note |
| --- | --- | --- | --- | --- | --- | --- |
| a | x | fp32 | 10 | 1.00 | 1.00 |  |
| b | x | fp32 | 20 | 2.00 | 2.00 |  |
| c | y | fp32 | 30 | 3.00 | 9.00 |  |
| d | y | fp32 | 40 | 4.00 | - | not measured |
| e | y | fp16 | 50 | 5.00 | 5.00 |  |

- 4 of 5 lines measured. 1 line has no model, for the reason in the note.
"""


def test_a_table_is_one_row_with_its_lines_and_the_line_that_is_farthest(tmp_path: Path) -> None:
    (tmp_path / "table14.host.md").write_text(TABLE.replace("9.00", "3.00"))
    (tmp_path / "table2.host.md").write_text(TABLE)
    told = reproduced_markdown(tmp_path).splitlines()[2:]
    assert [line.split("]")[0] for line in told] == ["| [table2.host", "| [table14.host"]
    assert "| 4 of 5 lines measured. 1 line has no model, for the reason in the note. |" in told[0]
    assert told[0].endswith("| 0.800 | c y fp32: 3.00 |")
    assert "| 1.000 |" in told[1]


@pytest.mark.parametrize(
    ("ours", "expected"),
    [((1, 2, 3), 1.0), ((3, 2, 1), -1.0), ((1, 1, 1), 0.0), ((1, 3, 3), 0.866)],
)
def test_the_correlation_is_of_ranks_and_equal_costs_share_theirs(
    ours: tuple[int, ...], expected: float
) -> None:
    lines = [ReproducedLine("x", papers, one) for papers, one in zip((1, 2, 9), ours, strict=True)]
    assert rank_correlation(lines) == pytest.approx(expected, abs=1e-3)
