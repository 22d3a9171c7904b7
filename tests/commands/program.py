"""The command line as a user meets it: a real process, its exit code and what it prints."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
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


class Forks:
    """The same in processes forked from one that has imported torch: 50 ms instead of 1 to 3 s.

    For commands that are refused before they compute: a fork has none of the threads of torch.
    """

    def __init__(self) -> None:
        script = Path(__file__).with_name("forks.py")
        self._server = subprocess.Popen(
            [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, *arguments: object, cwd: Path) -> Done:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder) / "out", Path(folder) / "err"
            request = {
                "arguments": list(map(str, arguments)),
                "cwd": str(cwd),
                "environment": {"SEAFORMER_RESULTS": str(cwd / "results")},
                "out": str(out),
                "err": str(err),
            }
            print(json.dumps(request), file=self._server.stdin, flush=True)
            assert select.select([self._server.stdout], [], [], 60)[0], "the command hangs"
            code = int(self._server.stdout.readline())
            return Done(code, out.read_text(), err.read_text())

    def close(self) -> None:
        self._server.kill()
        self._server.communicate()


def stored(folder: Path) -> list[Path]:
    return sorted((folder / "runs").rglob("*.json"))
