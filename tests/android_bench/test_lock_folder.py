"""A phone on which the lock can be neither made nor found: the reason, and what to do."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest

from seaformer.android_bench.connection import Phone
from seaformer.android_bench.lock import Lock
from seaformer.android_bench.place import ANDROID
from seaformer.android_bench.transport import ShellResult
from seaformer.core.errors import DeviceError

REFUSING = """#!/bin/sh
[ "$1" = -p ] && exit 0
echo "mkdir: '$1': {reason}" >&2
exit 1
"""


class ThisComputer:
    """Runs the scripts of a phone here, with a ``mkdir`` that refuses."""

    serial = "R5CT30"
    place = ANDROID

    def __init__(self, folder: Path, reason: str) -> None:
        self._path = folder / "bin"
        self._path.mkdir()
        program = self._path / "mkdir"
        program.write_text(REFUSING.format(reason=reason))
        program.chmod(0o755)
        self.scripts = 0

    def script(self, text: str, *arguments: str) -> ShellResult:
        self.scripts += 1
        environment = os.environ | {"PATH": f"{self._path}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["sh", "-c", text, "sh", *arguments], capture_output=True, text=True, check=False,
            env=environment,
        )  # fmt: skip
        return ShellResult(done.stdout, done.stderr, done.returncode)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} is not needed to see that the folder is closed")


@pytest.mark.parametrize(
    "reason", ["Permission denied", "Read-only file system", "No space left on device"]
)
def test_a_folder_that_takes_no_lock_is_not_taken_for_another_bench(
    tmp_path: Path, reason: str
) -> None:
    phone = ThisComputer(tmp_path, reason)
    with pytest.raises(DeviceError, match=f"lock could not be created: .*{reason}") as refused:
        Lock(cast(Phone, phone), "bench").take()
    assert "adb shell rm -r /data/local/tmp/seaformer" in refused.value.hint
    assert phone.scripts == 1
