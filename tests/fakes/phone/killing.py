"""Ends processes of the fake phone: on request, at a reboot, and when a fault is due."""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path

from tests.fakes.phone.faults import Fault, Faults
from tests.fakes.phone.processes import processes


def kill_matching(base: Path, match: str) -> int:
    """SIGKILL to the processes whose command line matches; how many there were."""
    chosen = [process for process in processes(str(base)) if re.search(match, process.line)]
    for process in chosen:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    return len(chosen)


def strike_kills(faults: Faults, tmp: Path, base: Path) -> None:
    """Kill for each fault ``kill`` that is due and matches a process; ``file`` is below ``tmp``."""
    for fault in faults.all("kill"):
        if _is_due(fault, tmp) and kill_matching(base, fault.options["match"]):
            faults.take("kill")


def _is_due(fault: Fault, tmp: Path) -> bool:
    file = fault.options.get("file")
    if file is not None:
        return any(tmp.glob(file))
    wait = fault.options.get("after_s", 0)
    due = fault.options.setdefault("_due", time.monotonic() + wait)
    return time.monotonic() >= float(due)
