"""Progress in a file: a line for each step, or one in ten seconds of images and iterations."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seaformer.cli import app
from seaformer.commands._print import COUNTING, steps
from seaformer.data.synth import synthesise
from tests.commands.terminal import on_terminal
from tests.evaluation.test_devices import convolution

PRINTS_MEANWHILE = """
import time
from seaformer.commands._print import show, steps
from seaformer.report.terminal import Line
with steps() as step:
    step("tracing")
    time.sleep(0.3)
    show([Line("a file")])
"""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds, as a test has them; and no terminal."""
    now = [100.0]
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def count(clock: list[float], every: float, images: int) -> None:
    with steps(every) as step:
        for number in range(1, images + 1):
            step(f"image {number} of {images}")
            clock[0] += 4.0


def test_every_step_is_a_line(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    count(clock, 0.0, 3)
    assert capsys.readouterr().err == "0:00 image 1 of 3\n0:04 image 2 of 3\n0:08 image 3 of 3\n"


@pytest.mark.parametrize(
    ("images", "last"), [(4, "0:12 image 4 of 4\n"), (3, "0:08 image 3 of 3\n")]
)
def test_counts_are_a_line_in_ten_seconds_and_the_last(
    clock: list[float], capsys: pytest.CaptureFixture[str], images: int, last: str
) -> None:
    count(clock, COUNTING, images)
    assert capsys.readouterr().err == f"0:00 image 1 of {images}\n{last}"


def test_a_count_that_an_error_ends_shows_how_far_it_came(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    def failing() -> None:
        with steps(COUNTING) as step:
            for number in (1, 2, 0):
                step(f"image {number} of {9 // number}")

    with pytest.raises(ZeroDivisionError):
        failing()
    assert capsys.readouterr().err == "0:00 image 1 of 9\n0:00 image 2 of 4\n"


def test_an_evaluation_in_a_log_is_no_line_for_each_image(tmp_path: Path) -> None:
    synthesise(tmp_path / "shapes", 10, 5)
    file, data = str(convolution(tmp_path)), str(tmp_path / "shapes")
    argv = ["eval", file, "--data", data, "--split", "train", "--results", str(tmp_path / "r")]
    done = CliRunner().invoke(app, argv)
    assert done.exit_code == 0, done.output
    counts = [line for line in done.stderr.splitlines() if " image " in line]
    assert counts[-1].endswith("image 8 of 8")
    assert len(counts) < 8


def spinning(stdout: int | None) -> str:
    """What a terminal gets of a command whose stderr it is, and stdout unless that is a file."""
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-c", PRINTS_MEANWHILE]
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "80"}
    output = theirs if stdout is None else stdout
    subprocess.run(argv, stdout=output, stderr=theirs, env=environment, check=True, timeout=60)
    written = os.read(ours, 1 << 16).decode()
    for handle in (ours, theirs):
        os.close(handle)
    return written


def test_a_file_gets_what_is_printed_while_the_terminal_shows_a_step(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        shown = spinning(log.fileno())
    assert "tracing" in shown
    assert "a file" not in shown
    assert (tmp_path / "log").read_text(encoding="utf-8") == "a file\n"


def test_a_terminal_has_what_is_printed_meanwhile_on_a_line_of_its_own() -> None:
    before, _, _ = spinning(None).partition("a file")
    assert "tracing" in before
    assert before.endswith("\x1b[2K"), "the step is still on this line"


def test_an_evaluation_fits_the_terminal(tmp_path: Path) -> None:
    synthesise(tmp_path / "shapes", 5, 5)
    file = convolution(tmp_path)
    line = ("eval", file, file, "--data", "shapes", "--results", "r")
    screen = on_terminal(*line, columns=80, cwd=tmp_path)
    assert screen.code == 0, screen.raw
    printed = screen.text.partition("% of pixels")[0].splitlines()
    assert len(printed) > 3
    assert max(map(len, printed)) <= 80
