"""A test whose tool is missing is skipped on a workbench, with the line that installs it; in CI it
fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import requirements
from tests.fakes import adb
from tests.requirements import require


def test_what_lacks_is_skipped_on_a_workbench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no such tool"):
        require("", "no such tool")
    require("there", "no such tool")


def test_what_lacks_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no such tool"):
        require(None, "no such tool")


def test_a_test_that_needs_adb_fails_in_ci_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(adb, "ADB", None)
    reason = r"no adb \(sudo apt-get install adb\)"
    with pytest.raises(pytest.fail.Exception, match=reason), adb.PrivateAdb():
        pass


def test_a_package_that_is_not_installed_is_named_with_its_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"no nothing_at_all \(pip install nothing\)"):
        requirements.module("nothing_at_all", "pip install nothing")
    assert requirements.module("json", "") is json


@pytest.mark.parametrize(("environment", "code"), [({}, 0), ({"CI": "true"}, 1)])
def test_a_session_ends_with_what_was_skipped_and_the_line_that_installs_it(
    environment: dict[str, str], code: int
) -> None:
    """Two workers of a session that finds no programs at all."""
    kept = {name: value for name, value in os.environ.items() if name in ("HOME", "PYTHONPATH")}
    argv = [sys.executable, "-m", "pytest", "-n", "2", "-p", "no:cacheprovider"]
    argv += ["-k", "pins_for_real or compiled_program", "tests/android_bench/test_fake_phone.py"]
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=Path(__file__).parents[1],
        env=kept | environment | {"PATH": ""},
    )
    assert done.returncode == code, done.stdout
    reason = "no adb (sudo apt-get install adb)"
    assert reason in done.stdout
    assert ("skipped 1 test: " + reason in done.stdout) == (code == 0)
