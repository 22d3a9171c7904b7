"""The command line as a user meets it: a real process, its exit code and what it prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = [sys.executable, "-m", "seaformer"]
QUICK = ("--runs", "20", "--warmup", "1", "--repeats", "1")
TINY = ("export", "--variant", "t", "--format", "onnx", "--size", "64x64")
MEASURED = (0, 5)  # 5: on a busy machine twenty samples may be too unsteady to be valid


@dataclass(frozen=True)
class Done:
    """What one command left behind."""

    code: int
    out: str
    err: str

    @property
    def documents(self) -> list[dict[str, Any]]:
        """stdout, which is JSON and nothing else."""
        parsed: list[dict[str, Any]] = json.loads(self.out)
        return parsed

    @property
    def complaint(self) -> str:
        """The one sentence on stderr, and the hint behind it; nothing that looks like a crash."""
        assert "Traceback" not in self.err, self.err
        assert "bug in seaformer" not in self.err, self.err
        lines = self.err.splitlines()
        errors = [line for line in lines if line.startswith("Error: ")]
        assert len(errors) == 1, self.err
        told = lines[lines.index(errors[0]) :]
        assert len(told) <= 2, self.err
        return "\n".join(told)


def done(finished: subprocess.CompletedProcess[str]) -> Done:
    return Done(finished.returncode, finished.stdout, finished.stderr)


def seaformer(*arguments: object, cwd: Path, **variables: str) -> Done:
    argv = [*PROGRAM, *map(str, arguments)]
    return done(
        subprocess.run(
            argv,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
            cwd=cwd,
            env=os.environ | {"SEAFORMER_RESULTS": str(cwd / "results")} | variables,
        )
    )


def stored(folder: Path) -> list[Path]:
    return sorted((folder / "runs").rglob("*.json"))
