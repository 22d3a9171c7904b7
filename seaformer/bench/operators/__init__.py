"""How the engines report the time of their operators, a file each. Nothing is run or read here.

A file has

- ``parse(text, runs)``: the events of the timed runs in what the runner left of a profiled run
- ``cut(events, parts)``: the code of each event, where a clock counted its own readings
- ``whole(events, parts)``: the code of the inference, without what only a profile executes
- ``join(events, graph)``: the module of each event, by the operators of the file's graph
"""

from __future__ import annotations

from seaformer.core.registry import Registry

OPERATORS = Registry("seaformer.bench.operators", noun="profile of engine")
