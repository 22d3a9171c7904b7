"""The part of ``report.svg`` with engines and precisions of one model, counted, against the floor.

A bar is the instructions of one inference on an emulated core, the upright line at it the floor of
its precision. The best is first. Drawn are the first ``MOST`` models that two engines ran.
"""

from __future__ import annotations

from collections.abc import Sequence

from seaformer.report.engines import EngineBar, EngineGroup
from seaformer.report.renderers._shapes import BAR, LABEL, ROW, line, shortened, text

MOST = 12
_HEAD, _GAP = 46, 10


def drawn(groups: Sequence[EngineGroup], top: int) -> tuple[list[str], int]:
    """The models below ``top``, and where they end; nothing where no two engines were counted."""
    parts = []
    for group in groups[:MOST]:
        parts.append(_group(group, top))
        top += _HEAD + ROW * len(group.bars) + _GAP
    if len(groups) > MOST:
        parts.append(text(12, top + 12, f"{MOST} of {len(groups)} models are drawn.", "quiet"))
        top += 24
    return parts, top


def alternative(groups: Sequence[EngineGroup]) -> str:
    """The same in words."""
    models = [
        f"{group.name}: {', '.join(f'{bar.name} {group.figure(bar)}' for bar in group.bars)}"
        for group in groups[:MOST]
    ]
    return f"Engines side by side. {'; '.join(models)}." if models else ""


def _group(group: EngineGroup, top: int) -> str:
    longest = max(bar.value for bar in group.bars)
    heads = [
        text(12, top + 18, group.name, "head"),
        text(LABEL, top + 36, f"{group.unit}, {group.source} (upright line: the floor)", "quiet"),
    ]
    bars = [
        _bar(group, bar, top + _HEAD + ROW * i, BAR / longest) for i, bar in enumerate(group.bars)
    ]
    return "\n".join([*heads, *bars])


def _bar(group: EngineGroup, bar: EngineBar, y: int, scale: float) -> str:
    base = y + ROW / 2 + 1
    width = bar.value * scale
    marks = [
        text(LABEL - 8, base, shortened(bar.name), "", "end"),
        f'<rect class="counted" x="{LABEL}" y="{y}" width="{width:.2f}" height="{ROW - 8}"/>',
        text(LABEL + width + 8, base, group.figure(bar)),
    ]
    if bar.floor:
        at = round(LABEL + bar.floor * scale, 2)
        marks.append(line(at, y - 2, at, y + ROW - 6, "floor"))
    return "\n".join(marks)
