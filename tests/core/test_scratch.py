"""Scratch folders: gone at the end of their block, swept when their owner was killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from seaformer.core import files
from seaformer.core.scratch import owned_folder, sweep

KILLED = """
import os, signal, sys
from pathlib import Path
from seaformer.core import files
with files.staging(Path(sys.argv[1])) as scratch:
    (scratch / "half").write_text("x")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_folder_is_there_in_its_block_only(tmp_path: Path) -> None:
    with owned_folder(tmp_path, "a-") as folder:
        (folder / "x").write_text("x")
        assert sweep(tmp_path, "a-") == []  # it has an owner
        assert (folder / "x").exists()
    assert list(tmp_path.iterdir()) == []


def test_the_next_run_sweeps_what_a_kill_left_behind(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    (left,) = tmp_path.iterdir()
    assert (left / "half").exists()
    with files.staging(tmp_path) as scratch:
        assert list(tmp_path.iterdir()) == [scratch]
    assert list(tmp_path.iterdir()) == []


def test_folders_without_an_owner_and_links_stay(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".owner").write_text("")
    (tmp_path / "a-user").mkdir()
    (tmp_path / "a-link").symlink_to(elsewhere)
    (tmp_path / "a-file").write_text("")
    assert sweep(tmp_path, "a-") == []
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"a-file", "a-link", "a-user", "elsewhere"}
