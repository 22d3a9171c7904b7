"""``seaformer export --bisect``: where a format departs from PyTorch, a page a file."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seaformer.commands._print import next_step, print_json, relative, show, steps, titled

if TYPE_CHECKING:
    from seaformer.core.request import ExportRequest


def run_bisect(requests: Sequence[ExportRequest], out: Path, *, as_json: bool) -> None:
    """Search every request in turn, and print each page."""
    from seaformer.core import codec
    from seaformer.export import bisect_request
    from seaformer.report.bisection import bisection_page

    bisections = []
    with steps() as step:
        for number, request in enumerate(requests):
            one = bisect_request(request, out, titled(step, requests, number))
            bisections.append(one)
            if not as_json:
                show(bisection_page(one))
    if as_json:
        print_json([codec.to_json(one) for one in bisections])
    for one in bisections:
        if one.folder:
            next_step(f"cd {shlex.quote(relative(Path(one.folder)))} && python reproduce.py")
