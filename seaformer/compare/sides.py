"""Where the two sides of a comparison come from: a folder, a file, or a commit of this repository.

    results            a results folder with its accuracy/, or runs/ or any folder below
    run.json           one run file, or what ``seaformer bench --json`` printed
    main  v1.2  HEAD~3 the results folder as that commit has it
    main:other/results another folder of that commit

What exists as a file or folder is that; git is asked about the rest. Git gets argument lists and
nothing is checked out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from seaformer.compare.rows import Side
from seaformer.core import child, files
from seaformer.core.accuracy import FOLDER as ACCURACY
from seaformer.core.accuracy import Accuracy
from seaformer.core.errors import ArtifactError, MissingExtra, UsageError
from seaformer.core.files import DamagedFile
from seaformer.core.measurement import RUNS, Measurement
from seaformer.store.accuracy import parse as parse_accuracy
from seaformer.store.results import parse_all

_GIT_SECONDS = 120
_Document = tuple[str, Callable[[], bytes]]  # a name, and what reads it


def load_side(name: str, results: Path) -> Side:
    """The measurements that ``name`` means; ``results`` is the folder read from a commit.

    Damaged files are listed and skipped. Raises ``UsageError`` when there is nothing of that name.
    """
    path = files.expanded(name)
    if path.exists():
        records = _on_disk(path / ACCURACY) if (path / ACCURACY).is_dir() else iter(())
        return _side(name, _on_disk(path), records)
    revision, colon, folder = name.partition(":")
    below = Path(folder) if colon else results
    runs, records = (_in_commit(revision, below / part, name) for part in (RUNS, ACCURACY))
    return _side(name, runs, records)


def _side(label: str, documents: Iterator[_Document], records: Iterator[_Document]) -> Side:
    by_id: dict[str, Measurement] = {}
    damaged = []
    for where, read in documents:
        try:
            for one in parse_all(read(), where=where):
                by_id.setdefault(one.id, one)
        except ArtifactError as error:
            damaged.append(DamagedFile(where, error.message))
    evaluations: dict[str, Accuracy] = {}
    for where, read in records:
        try:
            record = parse_accuracy(read(), where)
            evaluations.setdefault(record.id, record)
        except ArtifactError as error:
            damaged.append(DamagedFile(where, error.message))
    ordered = sorted(evaluations.values(), key=lambda one: (one.created_at, one.id))
    return Side(label, tuple(by_id.values()), tuple(damaged), tuple(ordered))


def _on_disk(path: Path) -> Iterator[_Document]:
    """A file, or those below a folder; what is not a regular file is listed too, and refused."""
    if not path.is_dir():
        yield str(path), partial(files.read_bytes, path)
        return
    folder = path / RUNS if (path / RUNS).is_dir() else path
    for file in sorted(folder.rglob("*.json")):
        parts = file.relative_to(folder).parts
        other = any(part.startswith(".") for part in parts) or parts[0] == ACCURACY
        if not (file.is_dir() or other or _describes(file)):
            yield str(file), partial(files.read_bytes, file)


def _describes(file: Path) -> bool:
    """A folder without runs/ may hold devices/ and profiles/ beside the runs."""
    return file.parent.name in ("devices", "profiles")


def _in_commit(revision: str, folder: Path, name: str) -> Iterator[_Document]:
    """The files below a folder of a commit, read from git's own store."""
    commit = _git_line(
        "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
    )
    if not commit:
        raise UsageError(
            f"{name} is not a file, a folder or a commit of this repository.",
            hint="Name a results folder, a run file, or a commit such as main or HEAD~1.",
        )
    top = Path(_git_line("rev-parse", "--show-toplevel"))
    inside = folder.absolute().resolve()
    if not inside.is_relative_to(top.resolve()):
        raise UsageError(f"{folder.parent} is outside of the repository {top}: no commit has it.")
    below = inside.relative_to(top.resolve()).as_posix()
    listed = _git("-C", str(top), "ls-tree", "-r", "-z", commit, "--", below).split(b"\0")
    blobs = dict(_blob(line) for line in listed if line)
    runs = {path: blob for path, blob in blobs.items() if _is_record(path)}
    contents = _contents(list(runs.values()))
    for path, content in zip(runs, contents, strict=True):
        yield path, partial(bytes, content)


def _blob(line: bytes) -> tuple[str, str]:
    """``mode blob hash<TAB>path`` as (path, hash)."""
    entry, _, path = line.partition(b"\t")
    return path.decode("utf-8", "surrogateescape"), entry.split()[2].decode()


def _is_record(path: str) -> bool:
    return path.endswith(".json") and not Path(path).name.startswith(".")


def _contents(blobs: list[str]) -> Iterator[bytes]:
    """Many blobs by one git process."""
    if not blobs:
        return
    answer = _git("cat-file", "--batch", send="\n".join(blobs).encode() + b"\n")
    start = 0
    for _ in blobs:
        header, _, _ = answer[start : start + 200].partition(b"\n")
        size = int(header.split()[2])
        begin = start + len(header) + 1
        yield answer[begin : begin + size]
        start = begin + size + 1


def _git_line(*arguments: str) -> str:
    """The one line git answers with; nothing when it refuses."""
    return _git(*arguments, strict=False).decode("utf-8", "surrogateescape").strip()


def _git(*arguments: str, send: bytes = b"", strict: bool = True) -> bytes:
    argv = ["git", *arguments]
    try:
        done = child.run_bytes(argv, _GIT_SECONDS, send=send)
    except FileNotFoundError as error:
        raise MissingExtra("git is not installed.", hint="apt install git") from error
    except child.ChildTimeoutError as error:
        raise UsageError(f"git gave no answer in {_GIT_SECONDS} s.") from error
    if done.returncode != 0:
        if not strict:
            return b""
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise UsageError(f"git refused: {lines[-1] if lines else done.returncode}.")
    return done.stdout
