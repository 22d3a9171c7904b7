"""Real exports of a small SeaFormer-T, made once in a session and shared by its workers.

Each lies in a folder of its own below ``$SEAFORMER_TEST_EXPORTS``, which ``conftest`` makes for the
session; the first test that asks for one exports it under a lock, the others load it. They are
shared: a test that changes a file changes a copy.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from seaformer.core.artifact import Artifact, load_artifact
from seaformer.core.files import locked
from seaformer.core.request import ExportRequest

FOLDER = "SEAFORMER_TEST_EXPORTS"
FORMATS = ("onnx", "executorch")
SIZE = (64, 96)  # not square: height and width cannot be exchanged
_TIMEOUT_S = 600  # two lowerings on a machine that does other things


@dataclass(frozen=True)
class CommandExport:
    """Output of ``seaformer export --format onnx,executorch --json``, and the two files."""

    stdout: str
    stderr: str
    onnx: Path
    executorch: Path


def small(format: str, precision: str = "fp32", *, components: bool = False) -> Artifact:
    """SeaFormer-T at 64x96. Lowering to ExecuTorch takes 12 s, half a minute with components."""
    if precision == "fp32" and not components:
        return load_artifact(getattr(by_command(), format))
    return _small(format, precision, components)


def half(format: str) -> Artifact:
    """SeaFormer-T in half precision, always with its components: one export less."""
    return small(format, "fp16", components=True)


@functools.cache
def _small(format: str, precision: str, components: bool) -> Artifact:
    def export(folder: Path) -> str:
        from seaformer.export import export_request

        request = ExportRequest("seaformer_t", format, precision, SIZE, components=components)
        return str(export_request(request, folder).path)

    parts = "components" if components else "whole"
    return load_artifact(shared(f"{format}-{precision}-{parts}", export))


@functools.cache
def by_command() -> CommandExport:
    """Both formats by the real command, in a process of its own: torch stays out of this one."""
    stdout, stderr = json.loads(shared("command", _export_by_command))
    paths = {document["format"]: Path(document["path"]) for document in json.loads(stdout)}
    return CommandExport(stdout, stderr, paths["onnx"], paths["executorch"])


def _export_by_command(folder: Path) -> str:
    height, width = SIZE
    argv = [sys.executable, "-m", "seaformer", "export", "--variant", "t", "--json"]
    argv += ["--size", f"{height}x{width}", "--format", ",".join(FORMATS), "--out", str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr
    return json.dumps([done.stdout, done.stderr])


def shared(name: str, make: Callable[[Path], str]) -> str:
    """What ``make`` returned for the folder ``name`` of this session, here or in another worker."""
    folder = Path(os.environ[FOLDER]) / name
    answer = folder.with_suffix(".answer")
    with locked(folder.with_suffix(".lock")):
        if not answer.exists():
            folder.mkdir(exist_ok=True)
            answer.write_text(make(folder), encoding="utf-8")
        return answer.read_text(encoding="utf-8")


@functools.cache
def free() -> Artifact:
    """An ONNX file that leaves batch, height and width free, in multiples of 16; by the command."""

    def export(folder: Path) -> str:
        from tests import nets

        argv = [sys.executable, "-m", "seaformer", "export", "--json", "--format", "onnx"]
        argv += ["--module", f"{nets.__file__}:Sixteenths", "--name", "sixteenths"]
        argv += ["--shape", "1x3x64x96", "--dynamic", "Width, batch,height", "--input", "uint8"]
        argv += ["--out", str(folder)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
        assert done.returncode == 0, done.stderr
        (document,) = json.loads(done.stdout)
        return str(document["path"])

    return load_artifact(shared("free", export))
