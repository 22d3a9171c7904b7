"""Progress in a file: a line for each step, or one in ten seconds of images and iterations."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from seaformer.cli import app
from seaformer.commands._print import COUNTING, steps
from seaformer.data.synth import synthesise
from tests.evaluation.test_devices import convolution


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
