"""Rewrite the generated parts of README.md: ``python tools/readme.py``.

The zoo table stands between two comments; it comes from the index of models and is never typed.
"""

from __future__ import annotations

from pathlib import Path

from seaformer.models import list_models, zoo_entry
from seaformer.report.zoo import zoo_markdown

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- zoo: make zoo -->\n", "<!-- end of zoo -->\n"


def zoo() -> str:
    """The zoo as a Markdown table."""
    entries = [zoo_entry(name) for name in list_models()]
    return zoo_markdown(
        (entry.spec, entry.params, entry.macs, entry.paper_flops) for entry in entries
    )


def with_zoo(text: str) -> str:
    """``text`` with a fresh zoo table between the comments."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{zoo()}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(with_zoo(README.read_text(encoding="utf-8")), encoding="utf-8")
