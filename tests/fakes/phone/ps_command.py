"""``ps``, ``pidof``, ``pgrep``, ``pkill``, ``killall`` and ``top`` on the fake phone.

A program of its own, started by the shim ``ps``. It knows the phone's processes alone: those whose
environment names the phone's root. ``ps`` prints toybox' columns: USER PID PPID VSZ RSS WCHAN ADDR
S NAME, or those of ``-o``.
"""

import os
import re
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from processes import Process, processes

_COLUMNS = "USER,PID,PPID,VSZ,RSS,WCHAN,ADDR,S,NAME"


def main(me: str, arguments: list[str]) -> int:
    """The name decides."""
    here = os.getpid()
    running = [p for p in processes(os.environ["FAKE_ROOT"]) if p.pid not in (here, os.getppid())]
    if me == "top":
        return _top(running)
    if me == "ps":
        return _ps(running, arguments)
    options = [a for a in arguments if a.startswith("-")]
    words = [a for a in arguments if not a.startswith("-")]
    whole_line = any("f" in option.lstrip("-") for option in options)
    if me in ("pidof", "killall"):
        chosen = [p for p in running if p.name in words]
    else:
        chosen = [p for p in running if re.search(words[0], p.line if whole_line else p.name)]
    if me in ("pidof", "pgrep"):
        sys.stdout.write((" " if me == "pidof" else "\n").join(str(p.pid) for p in chosen))
        sys.stdout.write("\n" if chosen else "")
    else:
        number = signal.SIGKILL if {"-9", "-KILL", "-l9"} & set(options) else signal.SIGTERM
        for process in chosen:
            os.kill(process.pid, number)
    return 0 if chosen else 1


def _ps(running: list[Process], arguments: list[str]) -> int:
    text = " ".join(arguments)
    columns_option = re.search(r"-o\s*(\S+)", text)
    columns = (columns_option.group(1) if columns_option else _COLUMNS).upper().split(",")
    only = re.search(r"-p\s*(\d+)", text)
    shown = [p for p in running if only is None or p.pid == int(only.group(1))]
    headless = all(column.endswith("=") for column in columns)
    columns = [column.rstrip("=") for column in columns]
    if not headless:
        sys.stdout.write(" ".join(f"{column:<8}" for column in columns).rstrip() + "\n")
    for process in shown:
        cells = (process.column(column) for column in columns)
        sys.stdout.write(" ".join(f"{cell:<8}" for cell in cells).rstrip() + "\n")
    return 0 if shown or only is None else 1


def _top(running: list[Process]) -> int:
    sys.stdout.write(f"Tasks: {len(running)} total,   1 running,   0 sleeping\n")
    sys.stdout.write("  PID USER         PR  NI VIRT  RES  SHR S[%CPU] %MEM     TIME+ ARGS\n")
    for p in running:
        sys.stdout.write(
            f"{p.pid:5} shell        20   0  10M 3.0M 2.0M S  0.0   0.0   0:00 {p.line}\n"
        )
    return 0


sys.exit(main(sys.argv[1], sys.argv[2:]))
