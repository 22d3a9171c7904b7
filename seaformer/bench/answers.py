"""``Answers``: what model files on a device answer to tensors, a batch of them at a time.

The runner that is timed by a bench computes them too, so that a phone, a board behind ssh and an
emulated core are judged by what they execute. A batch is one file to the device and one back; of it
nothing stays there. No latency is taken here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from seaformer.bench.foreign import FileOptions, open_file
from seaformer.bench.inputs import external_files, read_tensor, written_as
from seaformer.bench.runner_io import RunnerReport, RunnerRequest
from seaformer.bench.target import (
    AnswerTarget,
    Target,
    TargetOptions,
    choose_cores,
    list_targets,
    open_target,
)
from seaformer.core import files
from seaformer.core.artifact import FORWARD, Artifact
from seaformer.core.engine import runner_engine
from seaformer.core.errors import RunnerFailed, UsageError
from seaformer.core.plan import Stop, Warmup
from seaformer.core.scratch import temporary_folder
from seaformer.runtime import engine_for

Array = npt.NDArray[Any]
Progress = Callable[[str], None]
HOST = "host"
BATCH_BYTES, MOST_IN_A_BATCH = 64 << 20, 32


@dataclass(frozen=True)
class Answers:
    """One file on an open device; ``batch`` tensors at most are sent together."""

    target: Target
    artifact: Artifact
    cpus: tuple[int, ...]
    folder: Path
    batch: int

    def of(self, tensors: Sequence[Array]) -> list[list[Array]]:
        """The outputs of the whole network for each tensor, all of one shape.

        Raises ``RunnerFailed`` with the runner's own sentence, or the error of the device's state.
        """
        with TemporaryDirectory(dir=self.folder) as folder:
            path = Path(folder) / "input.bin"
            with files.os_errors(str(path)), path.open("wb") as stream:
                for tensor in tensors:
                    stream.write(written_as(tensor).tobytes())
            request = self._request(path, tensors[0].shape, len(tensors))
            device = self.target
            run = device.answer if isinstance(device, AnswerTarget) else device.run
            return _split(run(request), len(tensors))

    def _request(self, path: Path, shape: tuple[int, ...], items: int) -> RunnerRequest:
        artifact = self.artifact
        fixed = artifact.foreign is None and not artifact.free_axes
        return RunnerRequest(
            engine=runner_engine(artifact.format, artifact.file).name,
            model=str(artifact.path),
            method=FORWARD,
            cpus=self.cpus,
            inputs=(str(path),),
            output_dir=str(path.parent),
            warmup=Warmup(runs=0),
            stop=Stop(runs=1),
            shapes=() if fixed else (shape,),
            external=external_files(artifact),
            items=items,
        )


@dataclass(frozen=True)
class AnswerDevice:
    """A device that is held for the answers of several files."""

    name: str
    target: Target
    folder: Path

    @property
    def id(self) -> str:
        """As measurements have it."""
        return self.target.device().id

    def open(self, file: Artifact | Path, size: tuple[int, int] | None) -> Answers:
        """A model file, exported here or not, on the device."""
        path = file.path if isinstance(file, Artifact) else file
        artifact = open_file(path, FileOptions(size=size))
        shape = artifact.method(FORWARD).inputs[0].shape
        bytes_each = 4 * int(np.prod(shape))
        batch = max(1, min(MOST_IN_A_BATCH, BATCH_BYTES // max(bytes_each, 1)))
        cores = choose_cores(self.target.device(), "prime", 1)
        return Answers(self.target, artifact, cores.cpus, self.folder, batch)


def choose_devices(
    names: str, options: TargetOptions = TargetOptions(), progress: Progress | None = None
) -> Callable[[Sequence[Path]], AbstractContextManager[Sequence[AnswerDevice | None]]]:
    """``--device A,B`` as what opens them for files; ``None`` is this machine (``host``).

    Raises ``UsageError`` for a list that names nothing.
    """
    listed = list_targets(names, options)
    return lambda paths: answer_devices(listed, paths, options, progress)


@contextmanager
def answer_devices(
    names: Sequence[str],
    paths: Sequence[Path],
    options: TargetOptions = TargetOptions(),
    progress: Progress | None = None,
) -> Iterator[tuple[AnswerDevice | None, ...]]:
    """Devices by their names, each held until the end; ``paths`` are the files to be run there.

    Raises ``UsageError`` without a file, and the error of the first device that cannot be opened.
    """
    if not paths:
        raise UsageError("--device is for model files, and none is named.")
    digest = hashlib.sha256("\0".join(map(str, paths)).encode()).hexdigest()[:16]
    engines = tuple(dict.fromkeys(engine_for(path).name for path in paths))
    options = replace(options, engines=engines)
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder("answers"))
        devices: list[AnswerDevice | None] = []
        for name in names:
            if name == HOST:
                devices.append(None)
                continue
            target = open_target(name, progress, options)
            stack.callback(target.close)
            stack.enter_context(target.session(digest))
            devices.append(AnswerDevice(name, target, folder))
        yield tuple(devices)


def _split(report: RunnerReport, items: int) -> list[list[Array]]:
    """The outputs by item; each file holds those of all items, one after another."""
    outputs = []
    for output in report.outputs:
        values = read_tensor(Path(output.file or ""), output.dtype)
        if values.size != items * int(np.prod(output.shape)):
            raise RunnerFailed(
                f"The runner wrote {values.size} values for {items} outputs of {output.shape}."
            )
        outputs.append(values.reshape(items, *output.shape))
    return [[output[item] for output in outputs] for item in range(items)]
