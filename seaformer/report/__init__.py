"""From stored measurements to tables people read.

    files = write_report(root, runs)          root/report.html .md .svg tables/*.csv
    stale(root, runs)                         which of them the raw runs no longer give

``zoo`` rows are what is known of models (the paper's row, multiply-accumulates); pictures that
need it leave models out that are not in it. ``estimates`` are drawn beside, never among rows.

Every file is made from ``Runs`` alone (``ResultStore.load``, which is not called here) and is the
same, byte for byte, for the same runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from seaformer.core import files
from seaformer.core.estimate import Estimate
from seaformer.core.memory import no_collections
from seaformer.core.runs import Runs
from seaformer.core.verb import make_callable
from seaformer.report.table import Report, build
from seaformer.report.zoo import ZooRow

__all__ = ["Report", "ReportFile", "ReportFiles", "build", "make_report", "stale", "write_report"]


make_callable(__name__)


@dataclass(frozen=True)
class ReportFile:
    """A regenerated file; ``name`` is relative to the results folder."""

    name: str
    text: str


@dataclass(frozen=True, repr=False)
class ReportFiles:
    """Everything ``seaformer report`` writes under ``root``, and what it was made from."""

    root: Path
    report: Report
    files: tuple[ReportFile, ...]

    def __repr__(self) -> str:
        """The files by name: their texts are megabytes."""
        return f"ReportFiles({', '.join(map(str, self.paths))})"

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(self.root / file.name for file in self.files)


def make_report(
    root: Path, runs: Runs, zoo: Iterable[ZooRow] = (), estimates: Iterable[Estimate] = ()
) -> ReportFiles:
    """The report's files as they should be; nothing is written."""
    from seaformer.report.renderers import documents

    with no_collections():
        report = replace(build(runs, zoo), estimates=tuple(estimates))
        made = tuple(ReportFile(name, text) for name, text in documents(report))
    return ReportFiles(root, report, made)


def write_report(
    root: Path, runs: Runs, zoo: Iterable[ZooRow] = (), estimates: Iterable[Estimate] = ()
) -> ReportFiles:
    """Rebuild every file of the report, each atomically; one that is up to date is left alone.

    One that nothing is left for, such as a table of evaluations that are gone, is deleted. Raises
    ``UsageError`` when the folder cannot be written to.
    """
    made = make_report(root, runs, zoo, estimates)
    for file in made.files:
        if _on_disk(root, file) != file.text:
            files.write_text(root / file.name, file.text)
    for name in _left_behind(made):
        with files.os_errors(name):
            files.remove(root / name)
    return made


def stale(root: Path, runs: Runs, zoo: Iterable[ZooRow] = ()) -> list[str]:
    """The names of files that ``write_report`` would change, create or delete."""
    made = make_report(root, runs, zoo)
    changed = [file.name for file in made.files if _on_disk(root, file) != file.text]
    return [*changed, *_left_behind(made)]


def _left_behind(made: ReportFiles) -> list[str]:
    """Files of an earlier report that this one has nothing for."""
    from seaformer.report.renderers import file_names

    names = {file.name for file in made.files}
    return [name for name in file_names() if name not in names and (made.root / name).is_file()]


def _on_disk(root: Path, file: ReportFile) -> str | None:
    try:
        return (root / file.name).read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None
