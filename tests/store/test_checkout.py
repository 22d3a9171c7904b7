"""The commit a measurement was made from, asked of real repositories."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from seaformer.core.measurement import short_commit
from seaformer.store.checkout import commit_of


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No repository above, no settings of whoever runs the tests."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    argv = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def repository(folder: Path) -> Path:
    """One commit with a source and a report."""
    (folder / "results").mkdir(parents=True)
    (folder / "model.py").write_text("1\n")
    (folder / "results" / "report.md").write_text("nothing\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "one")
    return folder


def test_a_clean_checkout_is_its_commit(tmp_path: Path) -> None:
    made = repository(tmp_path / "a")
    assert commit_of(made / "results", made) == git(made, "rev-parse", "HEAD")


def test_a_changed_source_marks_it_and_an_untracked_file_does_not(tmp_path: Path) -> None:
    made = repository(tmp_path / "a")
    (made / "notes.txt").write_text("mine\n")
    assert commit_of(made / "results", made) == git(made, "rev-parse", "HEAD")
    (made / "model.py").write_text("2\n")
    assert commit_of(made / "results", made) == git(made, "rev-parse", "HEAD") + "-dirty"
    git(made, "add", "model.py")
    assert commit_of(made / "results", made).endswith("-dirty")


def test_what_measuring_itself_changes_does_not_mark_it(tmp_path: Path) -> None:
    made = repository(tmp_path / "a")
    (made / "results" / "report.md").write_text("something\n")
    git(made, "mv", "results/report.md", "results/a name with spaces.md")
    assert commit_of(made / "results", made) == git(made, "rev-parse", "HEAD")
    git(made, "mv", "results/a name with spaces.md", "report.md")
    assert commit_of(made / "results", made).endswith("-dirty")


def test_the_working_directory_comes_before_the_results_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = repository(tmp_path / "a"), repository(tmp_path / "b")
    git(here, "commit", "--quiet", "--allow-empty", "-m", "two")
    monkeypatch.chdir(here)
    assert commit_of(there / "results") == git(here, "rev-parse", "HEAD")


def test_without_a_repository_here_that_of_the_results_counts(tmp_path: Path) -> None:
    made, plain = repository(tmp_path / "a"), tmp_path / "plain"
    plain.mkdir()
    assert commit_of(made / "new" / "results", plain) == git(made, "rev-parse", "HEAD")
    assert commit_of(plain / "results", plain) == ""


def test_a_repository_without_a_commit_has_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "empty")
    assert commit_of(tmp_path / "empty" / "results", tmp_path / "empty") == ""


def test_without_git_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = repository(tmp_path / "a")
    monkeypatch.setenv("PATH", "")
    assert commit_of(made / "results", made) == ""


def test_a_working_directory_that_is_gone_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert commit_of() == ""


def test_a_short_commit_keeps_its_mark() -> None:
    assert short_commit("0123456789abcdef") == "0123456"
    assert short_commit("0123456789abcdef-dirty") == "0123456+"
    assert short_commit("") == ""
