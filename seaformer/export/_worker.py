"""``python -m seaformer.export._worker WORK EVENTS``: exports in a process of their own.

WORK is a JSON file: ``{"out": folder, "threads": n, "requests": [request, ...]}``. EVENTS gets a
line of JSON for each thing that happens: a step, a file that is done, an error. Reader of both is
``_workers``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import IO, Any

import torch

from seaformer.core import codec
from seaformer.core.errors import SeaFormerError
from seaformer.core.request import ExportRequest
from seaformer.export._pipeline import export_request
from seaformer.export._shared import Shared


def main(work: Path, events: Path) -> None:
    """Export every request; an error of one does not end the others."""
    document = json.loads(work.read_text(encoding="utf-8"))
    torch.set_num_threads(document["threads"])
    requests = [codec.from_json(ExportRequest, each) for each in document["requests"]]
    shared = Shared()
    with events.open("a", encoding="utf-8") as stream:
        for number, request in enumerate(requests):
            _export(request, document["out"], shared, _Events(stream, number))


class _Events:
    """What happens to the request of one number."""

    def __init__(self, stream: IO[str], number: int) -> None:
        self._stream, self._number = stream, number

    def write(self, **fields: Any) -> None:
        """One line, which the reader sees at once."""
        self._stream.write(json.dumps({"number": self._number} | fields) + "\n")
        self._stream.flush()

    def step(self, what: str) -> None:
        """A step begins."""
        self.write(step=what)


def _export(request: ExportRequest, out: str, shared: Shared, events: _Events) -> None:
    try:
        artifact = export_request(request, out, events.step, shared)
    except SeaFormerError as error:
        events.write(error=type(error).__name__, message=error.message, hint=error.hint)
    except Exception as error:  # a bug, or the user's code: the others are exported all the same
        hint = "This is a bug in seaformer. Rerun with --jobs 1 --debug and report it."
        events.write(error="", message=f"{type(error).__name__}: {error}", hint=hint)
    else:
        events.write(file=str(artifact.path))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
