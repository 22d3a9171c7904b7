"""A test that lacks a tool may skip on a workbench; in CI it fails, or nobody would ever know."""

from __future__ import annotations

import pytest

from tests.fakes import adb
from tests.needed import require


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
    with pytest.raises(pytest.fail.Exception, match="apt-get install adb"), adb.PrivateAdb():
        pass
