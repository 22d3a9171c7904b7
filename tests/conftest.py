"""What costs seconds and several tests look at: exported files, a base install. Made once."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import venv
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

# onnxruntime 1.31: telemetry is on unless this is set before the import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# A session started in a shell's background ignores Ctrl-C, and so would what it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Exported:
    """What ``seaformer export --format onnx,executorch --json`` of a 64x64 SeaFormer-T gave."""

    stdout: str
    stderr: str
    onnx: Path
    executorch: Path


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Both files by the real command, in a process of its own: torch stays out of this one."""
    out = tmp_path_factory.mktemp("exported")
    argv = [sys.executable, "-m", "seaformer", "export", "--variant", "t", "--size", "64x64"]
    argv += ["--format", "onnx,executorch", "--out", str(out), "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    documents: list[dict[str, Any]] = json.loads(done.stdout)
    paths = {document["format"]: Path(document["path"]) for document in documents}
    return Exported(done.stdout, done.stderr, paths["onnx"], paths["executorch"])


@dataclass(frozen=True)
class Environment:
    """A virtual environment with chosen packages and nothing else; no network, no copies."""

    root: Path

    @property
    def python(self) -> Path:
        return self.root / "bin" / "python"

    @property
    def site(self) -> Path:
        return next(self.root.glob("lib/python*/site-packages"))

    def add(self, name: str) -> None:
        """Link an installed package and all that it requires, without any extra."""
        pending, seen = [name], set()
        while pending:
            name = re.sub(r"[-_.]+", "-", pending.pop()).lower()
            if name in seen:
                continue
            seen.add(name)
            distribution = metadata.distribution(name)
            wanted = [Requirement(line) for line in distribution.requires or []]
            pending += [r.name for r in wanted if not r.marker or r.marker.evaluate({"extra": ""})]
            for top in {file.parts[0] for file in distribution.files or []} - {".."}:
                link = self.site / top
                if not link.exists():
                    link.symlink_to(Path(str(distribution.locate_file(top))))

    def run(self, *arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """``python -m seaformer`` with these arguments."""
        argv = [str(self.python), "-m", "seaformer", *arguments]
        environment = {name: v for name, v in os.environ.items() if name != "PYTHONPATH"}
        environment["PYTHONDONTWRITEBYTECODE"] = "1"  # what is linked is not ours to write to
        return subprocess.run(
            argv,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            cwd=cwd,
            env=environment | variables,
        )


def new_environment(root: Path) -> Environment:
    """A virtual environment with nothing in it, not even pip."""
    venv.create(root, symlinks=True)
    return Environment(root)


@pytest.fixture(scope="session")
def base_install(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """seaformer without any extra: no torch, no onnxruntime, no executorch."""
    made = new_environment(tmp_path_factory.mktemp("base"))
    made.add("seaformer")
    return made
