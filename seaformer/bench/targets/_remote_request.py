"""``RemoteRequests``: a request of a bench as a job on a device: files, name, command, outputs."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath

from seaformer.android_bench.connection import Phone
from seaformer.android_bench.job import pull_files
from seaformer.android_bench.store import FileToPush, Store
from seaformer.bench.runner_io import RunnerReport, RunnerRequest
from seaformer.runtime.build.bundle import Bundle


class RemoteRequests:
    """Turns requests into jobs, for one device and one session after the other.

    Args:
        phone: the connection.
        bundle: the runner and its libraries.
        taskset: whether the device has ``taskset``.
    """

    def __init__(self, phone: Phone, bundle: Bundle, taskset: bool) -> None:
        self.taskset = taskset
        self._phone = phone
        self._bundle = bundle
        self._store = Store(phone)
        self._repeats: Counter[str] = Counter()
        self._hashes: dict[tuple[str, int, int], FileToPush] = {}

    def begin(self) -> None:
        """Start a session, which counts its requests from zero."""
        self._repeats.clear()

    def forget(self) -> None:
        """After a restart of the device, check the files on it again."""
        self._store.forget()

    def argv(self, request: RunnerRequest, folder: str) -> tuple[str, ...]:
        """The command on the device; pushes the files that are missing."""
        manifest, here = self._bundle.manifest, self._bundle.folder
        parts = {
            file.name: FileToPush(here / file.name, file.sha256, file.size_bytes)
            for file in manifest.files
        }
        home = self._store.folder(manifest.content_id, parts)
        files = [self._file(Path(path)) for path in (request.model, *request.inputs)]
        places = self._store.put(files)
        model, *inputs = (places[file.sha256] for file in files)
        model = self._with_external(request) if request.external else model
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
        """A hash of the request's contents and of how often it was made in this session."""
        shas = [self._file(Path(path)).sha256 for path in (request.model, *request.inputs)]
        external = [self._file(Path(path)).sha256 for path in request.external]
        same = replace(
            request,
            model="+".join([shas[0], *external]),
            inputs=tuple(shas[1:]),
            output_dir="out" if request.output_dir else None,
            profile_ops="operators" if request.profile_ops else None,
            library=None,
        )
        text = json.dumps([self._bundle.manifest.content_id, *same.argv()])
        self._repeats[text] += 1
        return hashlib.sha256(f"{text} {self._repeats[text]}".encode()).hexdigest()[:24]

    def mask(self, request: RunnerRequest) -> str:
        """The mask for ``taskset``, hexadecimal without a prefix."""
        if not self.taskset or not request.cpus:
            return ""
        return f"{sum(1 << cpu for cpu in request.cpus):x}"

    def pulled(self, request: RunnerRequest, report: RunnerReport, folder: str) -> RunnerReport:
        """Copies the files that the report names to this computer; the report with their paths."""
        outputs, targets = [], {}
        for output in report.outputs:
            if output.file and request.output_dir:
                name = PurePosixPath(output.file).name
                here = Path(request.output_dir) / name
                targets[f"out/{name}"] = here
                outputs.append(replace(output, file=str(here)))
            else:
                outputs.append(output)
        if request.profile_ops and report.profile_file:
            targets["operators.json"] = Path(request.profile_ops)
            report = replace(report, profile_file=request.profile_ops)
        if targets:
            pull_files(self._phone, folder, targets)
        return replace(report, outputs=tuple(outputs))

    def drop(self, request: RunnerRequest) -> None:
        """Removes the inputs of a request from the device."""
        self._store.drop([self._file(Path(path)) for path in request.inputs])

    def _with_external(self, request: RunnerRequest) -> str:
        """The model's path in a folder of its own, with the files that hold its weights."""
        model = Path(request.model)
        parts = {model.name: self._file(model)}
        parts |= {
            Path(path).relative_to(model.parent).as_posix(): self._file(Path(path))
            for path in request.external
        }
        text = json.dumps([[name, file.sha256] for name, file in parts.items()])
        content = hashlib.sha256(text.encode()).hexdigest()[:32]
        return f"{self._store.folder(content, parts)}/{model.name}"

    def _file(self, path: Path) -> FileToPush:
        stat = path.stat()
        key = (str(path), stat.st_size, stat.st_mtime_ns)
        if key not in self._hashes:
            self._hashes[key] = FileToPush.of(path)
        return self._hashes[key]
