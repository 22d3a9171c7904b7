"""What the reproduced tables of the paper come to, read from ``results/reproduced``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from seaformer.report.zoo import markdown_table

HEADERS = ("table", "lines", "order, rank correlation", "farthest from the median")
_PAPERS, _OURS = "paper, relative", "ours, relative"
_COUNT = re.compile(r"^- (\d+ of \d+ lines? measured\..*)$", re.MULTILINE)


@dataclass(frozen=True)
class ReproducedLine:
    """A line that both have: the paper's cost and ours, each over that of the same line."""

    name: str
    papers: float
    ours: float


def reproduced_markdown(folder: Path) -> str:
    """A row for each file: its lines, and how well its costs follow the paper's.

    Spearman's correlation is of the ranks of both relative columns; the farthest line is that
    whose ratio of the two differs most from their median, as a factor.
    """
    return markdown_table(HEADERS, (_row(path) for path in sorted(folder.glob("*.md"), key=_order)))


def _order(path: Path) -> tuple[int, str]:
    return int(re.sub(r"\D", "", path.name)), path.name


def _row(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    count = _COUNT.search(text)
    lines = list(lines_of(text))
    yield f"[{path.name.removesuffix('.md')}](../results/reproduced/{path.name})"
    yield count.group(1) if count else ""
    yield f"{rank_correlation(lines):.3f}" if len(lines) > 2 else ""
    yield _farthest(lines) if len(lines) > 2 else ""


def lines_of(text: str) -> Iterator[ReproducedLine]:
    """The lines of a table in Markdown that have both relative figures."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    header, cells = rows[0], rows[2:]
    at = [header.index(_PAPERS), header.index(_OURS)]
    names = [i for i in range(at[0]) if header[i] in _NAMING]
    for row in cells:
        if len(row) > max(at) and "-" not in (row[at[0]], row[at[1]]):
            yield ReproducedLine(" ".join(row[i] for i in names), *(float(row[i]) for i in at))


_NAMING = ("backbone", "decoder", "method", "model", "precision")


def rank_correlation(lines: Sequence[ReproducedLine]) -> float:
    """Spearman's; lines of one cost share their mean rank, and one cost for all gives 0."""
    one, other = (_ranks([getattr(line, side) for line in lines]) for side in ("papers", "ours"))
    middle = (len(lines) + 1) / 2
    both = sum((a - middle) * (b - middle) for a, b in zip(one, other, strict=True))
    spread = [sum((a - middle) ** 2 for a in ranks) for ranks in (one, other)]
    return both / (spread[0] * spread[1]) ** 0.5 if all(spread) else 0.0


def _ranks(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)
    return [ordered.index(v) + (ordered.count(v) + 1) / 2 for v in values]


def _farthest(lines: Iterable[ReproducedLine]) -> str:
    ratios = {line.name: line.ours / line.papers for line in lines}
    middle = median(ratios.values())
    name = max(ratios, key=lambda name: max(ratios[name] / middle, middle / ratios[name]))
    return f"{name}: {ratios[name] / middle:.2f}"
