"""The few file operations that everything else relies on: atomic writes, hashes, the cache folder.

A file written here is either whole or absent. Nothing here reads the bytes.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import platformdirs

from seaformer.core.errors import CorruptArtifact, SeaFormerError, UsageError
from seaformer.core.scratch import owned_folder

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

CACHE_VARIABLE = "SEAFORMER_CACHE"
_LONGEST_NAME = 200
_SAFE = re.compile(rf"[A-Za-z0-9_+-][A-Za-z0-9._+-]{{0,{_LONGEST_NAME - 1}}}")
_LARGEST_DOCUMENT = 64 << 20


@dataclass(frozen=True)
class DamagedFile:
    """A file of a store that was skipped; ``path`` is relative to the store's root."""

    path: str
    reason: str


def cache_dir() -> Path:
    """Home of what can be made again: ``$SEAFORMER_CACHE``, else the system's cache folder.

    On Linux that is ``$XDG_CACHE_HOME/seaformer`` or ``~/.cache/seaformer``.
    """
    named = os.environ.get(CACHE_VARIABLE)
    return expanded(named or platformdirs.user_cache_dir("seaformer", appauthor=False))


def safe_name(text: str) -> str:
    """``text`` as a file name on every system: other characters than ``A-Za-z0-9._+-`` are _."""
    if _SAFE.fullmatch(text):
        return text
    clean = re.sub(r"[^A-Za-z0-9._+-]", "_", text)[:_LONGEST_NAME]
    return f"_{clean[1:]}" if clean.startswith(".") or not clean else clean


def sha256_file(path: Path) -> str:
    """Hex digest of a file, or of a folder's files with their relative names."""
    digest = hashlib.sha256()
    if path.is_dir():
        for child in sorted(p for p in path.rglob("*") if p.is_file()):
            digest.update(child.relative_to(path).as_posix().encode() + b"\0")
            digest.update(bytes.fromhex(sha256_file(child)))
        return digest.hexdigest()
    with open_regular(path) as handle:
        while chunk := handle.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


class NotRegularError(OSError):
    """A pipe, a device or a folder where a file was expected."""


def open_regular(path: Path | str) -> BinaryIO:
    """Open a regular file to read. Raises ``OSError`` for a pipe or a device.

    Reading those might not end, and opening a pipe as usual waits for its other end.
    """
    # An opener: one object owns the descriptor from the start, also when Ctrl-C comes in between.
    return open(path, "rb", opener=lambda path, _: _regular(path)[0])


def _regular(path: Path | str) -> tuple[int, int]:
    """The descriptor of a regular file that is open to be read, and the file's size."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise NotRegularError(errno.EINVAL, "it is not a regular file", str(path))
    except BaseException:
        os.close(handle)
        raise
    return handle, status.st_size


def size_bytes(path: Path) -> int:
    """Bytes of a file, or of everything in a folder."""
    if path.is_dir():
        return sum(child.stat().st_size for child in path.rglob("*") if child.is_file())
    return path.stat().st_size


def remove(path: Path) -> None:
    """Delete a file or a folder; one that does not exist is ignored."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(FileNotFoundError):
            path.unlink()


@contextmanager
def os_errors(what: str) -> Iterator[None]:
    """Turn the operating system's errors about writing ``what`` into one sentence."""
    try:
        yield
    except OSError as error:
        raise write_error(what, error) from error


_ANOTHER = "Name a folder you may write to."
_NOT_THERE = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.ELOOP,
)


def is_full(error: OSError) -> bool:
    """Whether an error means that no space is left."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def expanded(path: Path | str) -> Path:
    """A path with ``~`` replaced. Raises ``UsageError`` for an unknown user."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UsageError(
            f"{path} names a home folder that does not exist.", hint="Write the path in full."
        ) from error


def write_error(what: str, error: OSError) -> SeaFormerError:
    """The user's error for a write that failed: no space, not allowed, or something else."""
    reason = error.strerror or str(error)
    if is_full(error):
        hint = "Free some space or name another folder; nothing half-written was left behind."
        return SeaFormerError(f"The disk is full: {what} could not be written.", hint=hint)
    if error.errno in _NOT_THERE:
        return UsageError(f"{what} cannot be written: {reason}.", hint=_ANOTHER)
    return SeaFormerError(f"{what} could not be written: {reason}.")


def make_dir(path: Path) -> Path:
    """Create a folder and prove it can be written to."""
    with os_errors(f"The folder {path}"):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError as error:  # /proc and the like let nobody make a folder
            raise UsageError(f"The folder {path} cannot be made.", hint=_ANOTHER) from error
        with tempfile.TemporaryFile(dir=path):
            pass
    return path


def nearest(folder: Path) -> Path:
    """``folder``, or the first folder above it that exists."""
    home = folder.absolute()
    while not home.exists() and home != home.parent:
        home = home.parent
    return home


def free_bytes(folder: Path) -> int:
    """Free space where ``folder`` is or will be."""
    return shutil.disk_usage(nearest(folder)).free


def check_dir(path: Path) -> None:
    """Prove that a folder can be made and written to, and leave nothing of it behind.

    Raises ``UsageError`` where it cannot.
    """
    with without_empty(path):
        make_dir(path)


@contextmanager
def without_empty(path: Path) -> Iterator[None]:
    """Afterwards folders that did not exist before, and hold nothing, are gone again."""
    absent = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        yield
    finally:
        for folder in absent:
            with suppress(OSError):
                folder.rmdir()


@contextmanager
def locked(path: Path, waiting: Callable[[], object] = lambda: None) -> Iterator[None]:
    """One process at a time in here; ``waiting`` is called when another one has to end first.

    The kernel releases the lock when its process dies, killed or not. filelock uses the same
    ``flock``, but polls instead of waiting and takes 0.1 s to import, so these lines stay.
    """
    import fcntl  # here: Windows has none, and reads all the same

    with os_errors(str(path)):
        handle = path.open("w")
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """A scratch folder in ``folder`` (same file system: renames are atomic), always removed."""
    make_dir(folder)
    with ExitStack() as stack:
        with os_errors(f"The folder {folder}"):
            scratch = stack.enter_context(owned_folder(folder, ".staging-"))
        yield scratch


def publish(source: Path, target: Path) -> None:
    """Move a finished file or folder to its final name, replacing what was there."""
    with os_errors(str(target)):
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        source.replace(target)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically: a reader sees the old file or the new one.

    Lone surrogates (a file name that is not UTF-8) are written as ``\\udcff``: the escape that
    JSON reads back as the same character.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_bytes(path: Path, content: Buffer) -> None:
    """Write a file atomically: a reader sees the old file or the new one."""
    with _written(path, content) as scratch, os_errors(str(path)):
        scratch.replace(path)


def create_text(path: Path, text: str) -> None:
    """As ``create_bytes``, of a text; lone surrogates as ``write_text`` writes them."""
    create_bytes(path, text.encode("utf-8", "backslashreplace"))


def create_bytes(path: Path, content: Buffer) -> None:
    """Write a new file atomically. Raises ``UsageError`` when the name is taken."""
    with _written(path, content) as scratch, os_errors(str(path)):
        try:
            os.link(scratch, path)  # unlike a rename, a link never replaces what is there
        except FileExistsError as error:
            raise UsageError(f"{path} exists already, and nothing is overwritten.") from error
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            with path.open("x"):  # reserves the name where links are unknown
                scratch.replace(path)


_NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK)


@contextmanager
def _written(path: Path, content: Buffer) -> Iterator[Path]:
    """``content`` in a hidden file beside ``path``, on the disk, and gone afterwards."""
    make_dir(path.parent)
    name = ""
    try:
        with os_errors(str(path)):
            # Not mkstemp, whose files nobody else may read: this one keeps to the user's umask.
            name = str(path.parent / f".{path.name[:100]}.{secrets.token_hex(6)}")
            with Path(name).open("xb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        yield Path(name)
    finally:
        if name:
            remove(Path(name))


def json_text(document: Any) -> str:
    """A JSON document as it is written here: indented, ending with a newline, no NaN."""
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, document: Any) -> None:
    """Write a JSON document atomically."""
    write_text(path, json_text(document))


def read_bytes(path: Path | str, name: str = "") -> bytes:
    """The content of a document; messages call it ``name``, or by its path.

    Raises ``CorruptArtifact`` when it is missing or cannot be read. A pipe, a device or a file of
    more than 64 MiB is not opened: reading it might not end.
    """
    name = name or str(path)
    try:
        handle, size = _regular(path)
        try:
            if size > _LARGEST_DOCUMENT:
                raise CorruptArtifact(f"{name} is too large ({size / 1e6:.0f} MB).")
            return os.read(handle, size)
        finally:
            os.close(handle)
    except NotRegularError as error:
        raise CorruptArtifact(f"{name} is not a regular file.") from error
    except FileNotFoundError as error:
        raise CorruptArtifact(f"{name} does not exist.") from error
    except OSError as error:
        raise CorruptArtifact(f"{name} cannot be read: {error.strerror}.") from error
