"""What several folders of tests share: exports of a small model, a base install, the summary."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import venv
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests import exports, requirements

# Workers share the cores: while one waits, threads that spin for it take the other's time. Read by
# OpenMP when torch is imported, here and in every command that a test starts.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# onnxruntime 1.31: telemetry is on unless this is set before the import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# A command that crashes prints where, and a test shows what it printed.
os.environ.setdefault("PYTHONFAULTHANDLER", "1")
# A session started in a shell's background ignores Ctrl-C, and so would what it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """A folder for the exports of this session; workers inherit it with the environment."""
    if not hasattr(config, "workerinput"):
        os.environ[exports.FOLDER] = tempfile.mkdtemp(prefix="seaformer-exports-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(exports.FOLDER), ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was skipped, and the line that installs what was missing."""
    for line in requirements.summary(terminalreporter.stats.get("skipped", [])):
        terminalreporter.write_line(line, yellow=True)


@pytest.fixture(scope="session")
def exported() -> exports.CommandExport:
    """SeaFormer-T in both formats, by the real command."""
    return exports.by_command()


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
