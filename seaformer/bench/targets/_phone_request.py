"""A request of a bench as a job on a phone: its files, its name there, its command, its answers."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath

from seaformer.android_bench.job import pull_files
from seaformer.android_bench.link import Phone
from seaformer.android_bench.store import Store, Wanted
from seaformer.bench.runner_io import RunnerReport, RunnerRequest
from seaformer.runtime.build.bundle import Bundle


class PhoneRequests:
    """Turns requests into what a job needs, for one phone and one session after the other.

    Args:
        phone: the connection.
        bundle: the runner and its libraries.
        taskset: whether the phone has one.
    """

    def __init__(self, phone: Phone, bundle: Bundle, taskset: bool) -> None:
        self.taskset = taskset
        self._phone = phone
        self._bundle = bundle
        self._store = Store(phone)
        self._asked: Counter[str] = Counter()
        self._hashes: dict[tuple[str, int, int], Wanted] = {}

    def begin(self) -> None:
        """A new session counts its requests from the start."""
        self._asked.clear()

    def forget(self) -> None:
        """The phone was restarted: what lies on it is looked at again."""
        self._store.forget()

    def argv(self, request: RunnerRequest, folder: str) -> tuple[str, ...]:
        """The command on the phone, after all its files are there."""
        manifest, here = self._bundle.manifest, self._bundle.folder
        parts = {
            file.name: Wanted(here / file.name, file.sha256, file.size_bytes)
            for file in manifest.files
        }
        home = self._store.folder(manifest.content_id, parts)
        wanted = [self._wanted(Path(path)) for path in (request.model, *request.inputs)]
        places = self._store.put(wanted)
        model, *inputs = (places[item.sha256] for item in wanted)
        remote = replace(
            request,
            model=model,
            inputs=tuple(inputs),
            output_dir=f"{folder}/out" if request.output_dir else None,
            profile_ops=f"{folder}/operators.json" if request.profile_ops else None,
            library=self._bundle.library(request.engine, home),
        )
        return (*self._bundle.argv(home), *remote.argv())

    def key(self, request: RunnerRequest) -> str:
        """The request by contents, and how often it has been made in this session."""
        shas = [self._wanted(Path(path)).sha256 for path in (request.model, *request.inputs)]
        same = replace(
            request,
            model=shas[0],
            inputs=tuple(shas[1:]),
            output_dir="out" if request.output_dir else None,
            profile_ops="operators" if request.profile_ops else None,
            library=None,
        )
        text = json.dumps([self._bundle.manifest.content_id, *same.argv()])
        self._asked[text] += 1
        return hashlib.sha256(f"{text} {self._asked[text]}".encode()).hexdigest()[:24]

    def mask(self, request: RunnerRequest) -> str:
        """Android's taskset takes a bare hexadecimal mask."""
        if not self.taskset or not request.cpus:
            return ""
        return f"{sum(1 << cpu for cpu in request.cpus):x}"

    def pulled(self, request: RunnerRequest, report: RunnerReport, folder: str) -> RunnerReport:
        """The files that the report tells of, here."""
        outputs, wanted = [], {}
        for output in report.outputs:
            if output.file and request.output_dir:
                name = PurePosixPath(output.file).name
                here = Path(request.output_dir) / name
                wanted[f"out/{name}"] = here
                outputs.append(replace(output, file=str(here)))
            else:
                outputs.append(output)
        if request.profile_ops and report.profile_file:
            wanted["operators.json"] = Path(request.profile_ops)
            report = replace(report, profile_file=request.profile_ops)
        if wanted:
            pull_files(self._phone, folder, wanted)
        return replace(report, outputs=tuple(outputs))

    def _wanted(self, path: Path) -> Wanted:
        found = path.stat()
        key = (str(path), found.st_size, found.st_mtime_ns)
        if key not in self._hashes:
            self._hashes[key] = Wanted.of(path)
        return self._hashes[key]
