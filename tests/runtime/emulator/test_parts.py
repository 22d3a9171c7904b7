"""The counting plugin's parts: what `hint #98` cuts an inference into."""

from __future__ import annotations

from pathlib import Path

import pytest

from seaformer.core.code_blocks import CodePart
from seaformer.core.errors import RunnerFailed
from seaformer.runtime.emulator.counter import read_counts, read_parts
from tests import arm

BEGIN, CUT, END = "hint #96", "hint #98", "hint #97"


def parts_of(body: str, folder: Path) -> tuple[int, tuple[CodePart, ...]]:
    """Instructions of the last window of a program that is ``body``, and its parts."""
    program, out, parts = arm.assemble(body, folder), folder / "counts", folder / "parts"
    plugin = arm.needed(lambda: arm.counter(True)).plugin(out, parts=parts)
    done = arm.run_arm(program, plugin=plugin)
    assert done.returncode == 0, done.stderr
    return read_counts(out)[-1].instructions, read_parts(parts)


def test_parts_are_counted_to_the_last_instruction_and_add_up_to_the_window(
    tmp_path: Path,
) -> None:
    body = f"""
  mov x0, #10
  {BEGIN}
  nop
  {CUT}
1: fmla v3.4s, v0.4s, v1.4s
  subs x0, x0, #1
  b.ne 1b
  {CUT}
  nop
  nop
  {CUT}
  {END}
"""
    whole, parts = parts_of(body, tmp_path)
    counts = [part.counts for part in parts]
    # A cut begins its part, as a begin does not begin its window.
    assert [one.instructions for one in counts] == [1, 30, 2, 0]
    assert [one.vector_fma for one in counts] == [0, 10, 0, 0]
    assert whole == 33
    for part in parts:
        assert sum(block.instructions for block in part.blocks) == part.counts.instructions


def test_a_cut_in_a_loop_makes_a_part_of_every_round(tmp_path: Path) -> None:
    body = f"mov x0, #4\n {BEGIN}\n1: nop\n {CUT}\n nop\n subs x0, x0, #1\n b.ne 1b\n {END}"
    whole, parts = parts_of(body, tmp_path)
    assert [part.counts.instructions for part in parts] == [1, 4, 4, 4, 3]
    assert whole == 16


def test_parts_are_of_the_last_window_alone(tmp_path: Path) -> None:
    once = f"{BEGIN}\n nop\n {CUT}\n nop\n nop\n {END}\n"
    whole, parts = parts_of(once + f" {CUT}\n nop\n" + once, tmp_path)
    assert [part.counts.instructions for part in parts] == [1, 2]
    assert whole == 3


def test_parts_that_were_cut_short_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "parts"
    path.write_text('{"address":"0x0","count":1,"words":"d503201f"}\n', encoding="utf-8")
    with pytest.raises(RunnerFailed, match="parts cannot be read"):
        read_parts(path)
