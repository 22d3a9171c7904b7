"""Programs that are started here end with what started them, whatever ended that."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar

import pytest

import seaformer
from seaformer.core import child
from seaformer.core.child import ChildTimeoutError
from seaformer.core.interrupt import held
from seaformer.core.scratch import sweep

PACKAGE = Path(seaformer.__file__).parent
# A compiler that has started another one, as make does; both write their numbers.
FAMILY = 'sleep 600 & echo $! > "$0.grandchild"; echo $$ > "$0.new"; mv "$0.new" "$0.child"; wait'
PARENT = """
import sys
from pathlib import Path
from seaformer.core import child
from seaformer.core.scratch import temporary_folder
with temporary_folder("bench") as folder:
    Path(sys.argv[1] + ".folder").write_text(str(folder))
    child.run(["sh", "-c", sys.argv[2], sys.argv[1]], 600)
"""


def until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def runs(number: int) -> bool:
    """Whether a process is there and is not a zombie."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def family(name: Path) -> list[int]:
    """The numbers of a child and of the grandchild it started."""
    until(name.with_name(f"{name.name}.child").exists, "the child has not started")
    parts = ("child", "grandchild")
    return [int(name.with_name(f"{name.name}.{part}").read_text()) for part in parts]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_all_that_was_started_ends_with_the_parent_also_by_kill_9(
    tmp_path: Path, number: signal.Signals
) -> None:
    name, temporary = tmp_path / "p", tmp_path / "tmp"
    temporary.mkdir()
    argv = [sys.executable, "-c", PARENT, str(name), FAMILY]
    environment = os.environ | {"TMPDIR": str(temporary)}
    with subprocess.Popen(argv, env=environment, stderr=subprocess.DEVNULL) as parent:
        started = family(name)
        assert all(map(runs, started))
        parent.send_signal(number)
        parent.wait(20)
    until(lambda: not any(map(runs, started)), f"still running: {started}")

    folder = Path(name.with_name("p.folder").read_text())
    left = [] if number == signal.SIGINT else [folder]  # Ctrl-C has time to clean up
    assert list(temporary.iterdir()) == left
    assert sweep(temporary, "seaformer-") == left
    assert list(temporary.iterdir()) == []


def test_a_time_limit_ends_what_the_child_has_started(tmp_path: Path) -> None:
    with pytest.raises(ChildTimeoutError, match="no end after 1 s"):
        child.run(["sh", "-c", FAMILY, str(tmp_path / "p")], 1)
    started = family(tmp_path / "p")
    until(lambda: not any(map(runs, started)), f"still running: {started}")


def test_what_a_child_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    script = 'sleep 600 >/dev/null 2>&1 & echo $!; echo "x\\377" >&2; exit 7'
    done = child.run(["sh", "-c", script], 20)
    assert (done.returncode, done.stderr) == (7, "x\N{REPLACEMENT CHARACTER}\n")
    until(lambda: not runs(int(done.stdout)), "the background process is still running")


def test_a_time_limit_may_be_longer_than_the_system_can_wait() -> None:
    assert child.run(["true"], 1e9).returncode == 0


def test_a_program_that_is_absent_is_an_os_error() -> None:
    with pytest.raises(FileNotFoundError):
        child.run(["/nowhere/program"], 20)


def test_bytes_go_in_and_come_back() -> None:
    assert child.run_bytes(["cat"], 20, send=b"\xff\0x").stdout == b"\xff\0x"
    assert child.run_bytes(["cat"], 20).stdout == b""  # its stdin is empty, not the terminal


def test_telemetry_is_off_in_every_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    assert "ORT_DISABLE_TELEMETRY=1" in child.run(["env"], 20).stdout.splitlines()
    assert child.run(["env"], 20, environment={"A": "b"}).stdout == "A=b\n"
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")  # the user's own choice
    assert "ORT_DISABLE_TELEMETRY=0" in child.run(["env"], 20).stdout.splitlines()


class CtrlC:
    """A trace function that presses Ctrl-C before a line of those that start or end a program."""

    FUNCTIONS: ClassVar = {"run_bytes", "running", "_finish", "_started", "_group"}
    FUNCTIONS |= {"_execute_child", "_close_pipe_fds", "__enter__", "__exit__"}

    def __init__(self, before_line: int, *functions: str) -> None:
        self.left = before_line
        self.functions = self.FUNCTIONS | set(functions)

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        ours = code.co_filename.endswith(("subprocess.py", "child.py"))
        return self.line if ours and code.co_name in self.functions else None

    def line(self, frame: FrameType, event: str, argument: Any) -> Any:
        self.left -= event == "line"
        if not self.left and event == "line":
            sys.settrace(None)
            signal.raise_signal(signal.SIGINT)
        return self.line


def left_over() -> tuple[int, set[int]]:
    """Files that are open, and children."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return len(list(Path("/proc/self/fd").iterdir())), set(map(int, children))


def running_true() -> None:
    with Path(os.devnull).open("wb") as log, child.running(["true"], log):
        pass


@pytest.mark.parametrize(
    ("start", "functions"),
    [
        (lambda: child.run(["true"], 20, environment={}), ["__del__"]),
        (running_true, []),  # whoever runs it decides when it is dropped
    ],
    ids=["run", "running"],
)
def test_ctrl_c_at_any_line_of_a_start_is_ctrl_c_and_leaves_nothing(
    start: Callable[[], object], functions: list[str]
) -> None:
    start()
    before, lines = left_over(), 0
    handler, tracer = signal.getsignal(signal.SIGINT), sys.gettrace()
    while True:
        press = CtrlC(lines + 1, *functions)
        sys.settrace(press)
        try:
            start()
            break
        except KeyboardInterrupt:
            lines += 1
        finally:
            sys.settrace(tracer)
        assert signal.getsignal(signal.SIGINT) is handler
        assert left_over() == before, lines
    assert press.left > 0, "a Ctrl-C was lost"
    assert lines > 50


def test_a_second_ctrl_c_is_not_held() -> None:
    with held():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_programs_are_started_in_one_place_only() -> None:
    starters = {"subprocess", "multiprocessing", "pty"}
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if starters & _imports(node)
    }
    assert found == {"core/child.py"}


def _imports(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    return {(node.module or "").split(".")[0]} if isinstance(node, ast.ImportFrom) else set()
