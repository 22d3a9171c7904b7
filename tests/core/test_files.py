"""Atomic writes, hashes, readable errors."""

from __future__ import annotations

import builtins
import errno
import io
import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from seaformer.core import files
from seaformer.core.errors import CorruptArtifact, SeaFormerError, UsageError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_cache_folder_is_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAFORMER_CACHE", "/somewhere/else")
    assert files.cache_dir() == Path("/somewhere/else")
    monkeypatch.delenv("SEAFORMER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert files.cache_dir() == Path("/xdg/seaformer")
    monkeypatch.setenv("HOME", "/home/somebody")
    for folder in ("SEAFORMER_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(folder, "")
    assert files.cache_dir() == Path("/home/somebody/.cache/seaformer")
    monkeypatch.setenv("SEAFORMER_CACHE", "~/elsewhere")
    assert files.cache_dir() == Path("/home/somebody/elsewhere")


HOLDER = """
import sys, time
from pathlib import Path
from seaformer.core import files
with files.locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lock_is_waited_for_and_released_by_a_process_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    argv = [sys.executable, "-c", HOLDER, str(path)]
    waited = []
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"

        def waiting() -> None:
            waited.append(True)
            holder.kill()

        with files.locked(path, waiting):
            assert waited == [True]
    with files.locked(path, lambda: waited.append(False)):
        assert waited == [True]


def test_a_lock_in_a_folder_that_is_not_there_is_one_clear_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(SeaFormerError, match="could not be written: No such file"),
        files.locked(tmp_path / "absent" / ".lock"),
    ):
        pass


def test_a_text_is_written_whole_with_its_folders_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.txt"
    files.write_text(path, "first")
    files.write_text(path, "second\n")
    assert path.read_text() == "second\n"
    assert names(path.parent) == ["file.txt"]


def test_a_json_document_survives_lone_surrogates(tmp_path: Path) -> None:
    files.write_json(tmp_path / "a.json", {"name": "caf\udce9 é"})
    assert json.loads((tmp_path / "a.json").read_text()) == {"name": "caf\udce9 é"}


def test_a_nan_is_not_written_as_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(tmp_path / "a.json", {"value": float("nan")})
    assert names(tmp_path) == []


def test_a_new_file_never_replaces_one_that_exists(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    files.create_text(path, "first")
    with pytest.raises(UsageError, match="exists already"):
        files.create_text(path, "second")
    assert path.read_text() == "first"
    assert names(tmp_path) == ["file.txt"]


def test_a_new_file_is_written_where_there_are_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "file.txt"
    files.create_text(path, "first")
    with pytest.raises(UsageError):
        files.create_text(path, "second")
    assert path.read_text() == "first"
    assert names(tmp_path) == ["file.txt"]


def test_a_folder_that_is_a_file_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        files.write_text(tmp_path / "file" / "inner.txt", "text")


@contextmanager
def nobody() -> Iterator[None]:
    """Root may write anywhere, so root is somebody else for a moment."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_a_folder_without_permission_is_a_usage_error() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        with nobody(), pytest.raises(UsageError, match="cannot be written"):
            files.write_text(folder / "a.txt", "text")
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "kind", "told"),
    [
        (errno.ENOSPC, SeaFormerError, "The disk is full"),
        (errno.EDQUOT, SeaFormerError, "The disk is full"),
        (errno.EACCES, UsageError, "cannot be written"),
        (errno.EROFS, UsageError, "cannot be written"),
        (errno.EIO, SeaFormerError, "could not be written"),
    ],
)
def test_the_systems_errors_become_one_sentence(
    code: int, kind: type[SeaFormerError], told: str
) -> None:
    with pytest.raises(kind, match=told), files.os_errors("a.txt"):
        raise OSError(code, os.strerror(code))


def test_a_scratch_folder_is_removed_also_after_an_error(tmp_path: Path) -> None:
    def half(folder: Path) -> None:
        with files.staging(folder) as scratch:
            (scratch / "half").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half(tmp_path)
    assert names(tmp_path) == []


def test_publishing_replaces_a_file_or_a_folder(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "inner").write_text("old")
    (tmp_path / "new").write_text("new")
    files.publish(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_text() == "new"
    assert names(tmp_path) == ["old"]


def test_a_folders_digest_depends_on_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    first = files.sha256_file(tmp_path)
    assert files.size_bytes(tmp_path) == 1
    (tmp_path / "a").rename(tmp_path / "b")
    assert files.sha256_file(tmp_path) != first


def test_removing_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    files.remove(tmp_path / "absent")


def test_a_file_that_is_absent_or_a_folder_is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(CorruptArtifact, match="does not exist"):
        files.read_bytes(tmp_path / "absent.json")
    with pytest.raises(CorruptArtifact, match="is not a regular file"):
        files.read_bytes(tmp_path)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_pipe_or_a_device_is_not_read(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "endless.json")
    with pytest.raises(CorruptArtifact, match=r"^runs/x\.json is not a regular file"):
        files.read_bytes(tmp_path / "endless.json", "runs/x.json")


def test_ctrl_c_while_a_file_is_opened_stays_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new file object is dropped, and closes its descriptor: nobody may close it again."""
    path = tmp_path / "x"
    path.write_text("x")

    def interrupted(*arguments: Any, **named: Any) -> None:
        real(*arguments, **named)
        raise KeyboardInterrupt

    real = io.open
    for module in (io, builtins):
        monkeypatch.setattr(module, "open", interrupted)
    with pytest.warns(ResourceWarning), pytest.raises(KeyboardInterrupt):
        files.open_regular(path)


def test_a_document_of_any_size_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large.json").open("wb") as stream:
        stream.truncate(10**12)  # sparse: it takes no room
    with pytest.raises(CorruptArtifact, match=r"is too large \(1000000 MB\)"):
        files.read_bytes(tmp_path / "large.json")


def test_json_is_indented_and_ends_with_a_newline(tmp_path: Path) -> None:
    files.write_json(tmp_path / "a.json", {"a": [1]})
    text = (tmp_path / "a.json").read_text()
    assert text.endswith("}\n")
    assert json.loads(text) == {"a": [1]}


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_a_file_keeps_to_the_umask(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        files.write_text(tmp_path / "written", "x")
        files.create_text(tmp_path / "created", "x")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("written", "created")]
    assert modes == [mode, mode]
