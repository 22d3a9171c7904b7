"""Several exports of a command: one after the other, or side by side in processes of their own.

Requests for one network go to one process, which makes once what they share; where there are fewer
networks than processes, those of one network and format. A process begins when a core is free and
memory suffices for it beside those that run. An export that fails, and a process that is killed,
lose their own file and no other.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from seaformer.core import child, codec, errors, files, memory
from seaformer.core.artifact import Artifact, load_artifact
from seaformer.core.errors import ExportError, SeaFormerError
from seaformer.core.registry import missing
from seaformer.core.request import ExportRequest
from seaformer.core.scratch import temporary_folder
from seaformer.export import FORMATS
from seaformer.export._shared import Shared, network_of

Progress = Callable[[int, str], None]
# A process with torch and every exporter, and SeaFormer-T at 512x512; learned anew as files end.
_USUAL_BYTES = 1_000_000_000
_POLL_SECONDS = 0.05
_TORCH = "torch"
_LOG_LINES = 3


@dataclass(frozen=True)
class Outcome:
    """What became of the request of a number: an artifact, or the error in its place."""

    number: int
    request: ExportRequest
    artifact: Artifact | None = None
    error: SeaFormerError | None = None


def export_all(
    requests: Sequence[ExportRequest],
    out: Path | str,
    jobs: int = 1,
    progress: Progress = lambda number, step: None,
) -> Iterator[Outcome]:
    """Every request, at most ``jobs`` at a time, in the order they end.

    ``progress`` gets the number of a request, from 0, and what begins. Raises ``MissingExtra``
    where torch is not installed.
    """
    if find_spec(_TORCH) is None:
        raise missing(_TORCH, "an export", FORMATS.extra)
    if jobs == 1 or len(requests) == 1:
        yield from _one_by_one(requests, out, progress)
        return
    home = files.expanded(out)
    # Made here, so that no worker whose export fails takes it away from the others.
    with files.without_empty(home), temporary_folder("exports") as folder:
        files.make_dir(home)
        yield from _Pool(requests, home, jobs, progress, folder).run()


def _one_by_one(
    requests: Sequence[ExportRequest], out: Path | str, progress: Progress
) -> Iterator[Outcome]:
    from seaformer.export import export_request  # torch: not beside processes with it

    shared = Shared()
    for number, request in enumerate(requests):
        try:
            artifact = export_request(request, out, _numbered(progress, number), shared)
        except SeaFormerError as error:
            yield Outcome(number, request, error=error)
        else:
            yield Outcome(number, request, artifact)


def _numbered(progress: Progress, number: int) -> Callable[[str], None]:
    return lambda step: progress(number, step)


def groups(requests: Sequence[ExportRequest], jobs: int) -> list[list[int]]:
    """Numbers of the requests that one process takes, in the order of their first."""
    by_network = _grouped(requests, network_of)
    if len(by_network) >= jobs:
        return by_network
    return _grouped(requests, lambda each: (network_of(each), each.format))


def _grouped(
    requests: Sequence[ExportRequest], key: Callable[[ExportRequest], Any]
) -> list[list[int]]:
    numbers: dict[Any, list[int]] = {}
    for number, request in enumerate(requests):
        numbers.setdefault(key(request), []).append(number)
    return list(numbers.values())


@dataclass
class _Worker:
    """A process at work: the requests that it has not ended, and how far its events were read."""

    process: child.Running[bytes]
    events: Path
    log: Path
    numbers: list[int]
    stack: ExitStack
    left: list[int]
    read: int = 0
    step: str = "start"

    def lines(self) -> Iterator[dict[str, Any]]:
        """Events that were written since the last call; a line without its end is not one yet."""
        with self.events.open("rb") as stream:
            stream.seek(self.read)
            content = stream.read()
        whole = content[: content.rfind(b"\n") + 1]
        self.read += len(whole)
        yield from (json.loads(line) for line in whole.splitlines())


@dataclass
class _Pool:
    """The processes that run, and the groups that wait."""

    requests: Sequence[ExportRequest]
    out: Path
    jobs: int
    progress: Progress
    folder: Path
    running: list[_Worker] = field(default_factory=list)
    need_bytes: int = _USUAL_BYTES
    started: int = 0

    def run(self) -> Iterator[Outcome]:
        """Every outcome, as it is reported; processes that still run end with this generator."""
        waiting = groups(self.requests, self.jobs)
        try:
            while waiting or self.running:
                while waiting and self._has_room():
                    self._start(waiting.pop(0))
                for worker in tuple(self.running):
                    ended = worker.process.poll() is not None  # before its last events are read
                    yield from self._outcomes(worker)
                    if ended:
                        yield from self._end(worker, waiting)
                time.sleep(_POLL_SECONDS)
        finally:
            for worker in self.running:
                worker.stack.close()

    def _has_room(self) -> bool:
        """One process always runs; another where memory holds the peaks of all."""
        if len(self.running) >= self.jobs:
            return False
        available = memory.available_bytes()
        if not self.running or available is None:
            return True
        held = sum(memory.resident_bytes(each.process.pid) for each in self.running)
        return available + held >= (len(self.running) + 1) * self.need_bytes

    def _start(self, numbers: list[int]) -> None:
        name = str(self.started)
        self.started += 1
        work, events, log = (self.folder / f"{name}{end}" for end in (".json", ".events", ".log"))
        threads = max(1, (os.cpu_count() or 1) // self.jobs)
        requests = [codec.to_json(self.requests[number]) for number in numbers]
        document = {"out": str(self.out), "threads": threads, "requests": requests}
        work.write_text(json.dumps(document), encoding="utf-8")
        events.touch()
        stack = ExitStack()
        argv = [sys.executable, "-m", "seaformer.export._worker", str(work), str(events)]
        process = stack.enter_context(child.running(argv, stack.enter_context(log.open("wb"))))
        worker = _Worker(process, events, log, numbers, stack, list(numbers))
        self.running.append(worker)

    def _outcomes(self, worker: _Worker) -> Iterator[Outcome]:
        for event in worker.lines():
            number = worker.numbers[event["number"]]
            if "step" in event:
                worker.step = event["step"]
                self.progress(number, worker.step)
                continue
            worker.left.remove(number)
            if "file" in event:
                artifact = load_artifact(event["file"])
                peaks = (each.peak_bytes for each in artifact.steps)
                self.need_bytes = max(self.need_bytes, *peaks)
                yield Outcome(number, self.requests[number], artifact)
            else:
                yield Outcome(number, self.requests[number], error=_error(event))

    def _end(self, worker: _Worker, waiting: list[list[int]]) -> Iterator[Outcome]:
        """The process has ended; what it has not done but the request at hand waits again."""
        self.running.remove(worker)
        worker.stack.close()
        if worker.left:
            number, *rest = worker.left
            waiting.extend([rest] if rest else [])
            yield Outcome(number, self.requests[number], error=_killed(worker))


def _error(event: dict[str, Any]) -> SeaFormerError:
    """The error of the other process, of the kind that it was there."""
    kind = getattr(errors, event["error"] or "ExportError")
    error: SeaFormerError = kind(event["message"], hint=event["hint"])
    return error


def _killed(worker: _Worker) -> SeaFormerError:
    code = worker.process.returncode
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    tail = worker.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = f": {' '.join(tail[-_LOG_LINES:])}" if tail else "."
    return ExportError(
        f"The process of the export {how} at the step {worker.step!r}{last}",
        hint="Where memory was short, use fewer --jobs.",
    )


def failure(outcomes: Iterable[Outcome]) -> SeaFormerError | None:
    """The error that a command of several exports ends with; of one request its own."""
    ended = list(outcomes)
    failed = [each for each in ended if each.error is not None]
    if not failed:
        return None
    first = failed[0].error
    assert first is not None
    if len(ended) == 1:
        return first
    names = ", ".join(
        f"{each.request.model} {each.request.format} {each.request.precision}" for each in failed
    )
    return type(first)(f"{len(failed)} of {len(ended)} exports failed: {names}.")
