"""Rewrite the generated parts of README.md: ``python tools/readme.py``.

The zoo table stands between two comments; it comes from the index of models and is never typed.
"""

from __future__ import annotations

from pathlib import Path

from seaformer._cli_output import zoo_rows
from seaformer.core import paper
from seaformer.report.zoo import absent_markdown, zoo_markdown

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- zoo: make zoo -->\n", "<!-- end of zoo -->\n"


def zoo() -> str:
    """The zoo, and the paper's rows that are not in it, as Markdown tables."""
    return f"{zoo_markdown(zoo_rows())}\n{absent_markdown(paper.absent())}"


def with_zoo(text: str) -> str:
    """``text`` with fresh tables between the comments."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{zoo()}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(with_zoo(README.read_text(encoding="utf-8")), encoding="utf-8")
