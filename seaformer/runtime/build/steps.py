"""One step of a build: a program with its output in a log, whose end a failure quotes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from seaformer.core import child, files
from seaformer.core.errors import SeaFormerError

_LOG_TAIL_LINES = 25


def run_step(
    argv: list[str],
    log: Path,
    timeout_s: float,
    what: str = "The C++ runner",
    *,
    cwd: Path | None = None,
) -> str:
    """Run one step of a build of ``what``, its output appended to ``log``; the output.

    With ``cwd`` the step runs there in an empty environment. A failure quotes the end of the log.
    """
    environment = os.environ | {"LC_ALL": "C"} if cwd is None else {}
    with log.open("a+", encoding="utf-8", errors="replace") as stream:
        stream.write(f"$ {' '.join(argv)}\n")
        stream.flush()
        start = stream.tell()
        try:
            done = child.run(argv, timeout_s, environment=environment, cwd=cwd, log=stream)
            problem = "" if done.returncode == 0 else f"exit code {done.returncode}"
        except OSError as error:
            problem = str(error)
        stream.seek(start)
        output = stream.read()
    if problem:
        raise _failed(argv, problem, log, what)
    return output


def _failed(argv: list[str], problem: str, log: Path, what: str) -> SeaFormerError:
    kept = files.make_dir(files.cache_dir() / "runner") / "failed.log"
    shutil.copy2(log, kept)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_TAIL_LINES:]
    step = " ".join([Path(argv[0]).name, *argv[1:2]])
    return SeaFormerError(
        f"{what} could not be built: {step}: {problem}.\n" + "\n".join(lines),
        hint=f"The whole log is in {kept}.",
    )
