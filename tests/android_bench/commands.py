"""The real command in a process of its own, with the scripted runner for the compiled one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

# ``python -m seaformer`` with another bundle.
_COMMAND = """
import runpy, sys
from pathlib import Path
from seaformer.bench.targets import phone
from tests.fakes.scripted import scripted_bundle
bundle = scripted_bundle(Path(sys.argv.pop(1)))
phone.build_arm64_bundle = lambda progress, libraries=(): bundle
runpy.run_module("seaformer", run_name="__main__", alter_sys=True)
"""


_STARTED: list[subprocess.Popen[str]] = []


def end_all() -> None:
    """Kill the commands that a failed test has left running."""
    while _STARTED:
        with _STARTED.pop() as started:
            started.kill()


def command(tmp_path: Path, *arguments: str, scratch: Path | None = None) -> subprocess.Popen[str]:
    """``seaformer bench ...`` with its results in ``tmp_path``; ``scratch`` is its TMPDIR."""
    argv = [sys.executable, "-c", _COMMAND, str(tmp_path / f"bundle{time.monotonic_ns()}")]
    argv += ["bench", "--runs", "3", "--warmup", "1", "--results", str(tmp_path / "results")]
    started = subprocess.Popen(
        [*argv, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | ({"TMPDIR": str(scratch)} if scratch else {}),
    )  # fmt: skip
    _STARTED.append(started)
    return started


def wait_for(condition: Callable[[], object], within_s: float = 180) -> None:
    """Wait until ``condition`` is true."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
