"""``merge_answer``: measurements from the file that a board wrote by hand (``pack.py``).

The file comes from elsewhere: its members have known names and bounded sizes, nothing is unpacked
under a name of its own, and every text goes through the door that a phone's reply goes through.
What was run, under which plan, and what the right output is comes from this computer's own record.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, cast

from seaformer.android_bench import condition, parse
from seaformer.android_bench.board import BoardCare, read_board
from seaformer.android_bench.connection import Phone
from seaformer.android_bench.place import Place
from seaformer.android_bench.transport import ShellResult
from seaformer.bench.pack import SCHEMA, PackedArtifact, PackRecord, record_path
from seaformer.bench.run import Bench
from seaformer.bench.runner_io import RunnerFailure, RunnerReport, RunnerRequest
from seaformer.bench.tails import callable_of
from seaformer.bench.target import PlainTarget
from seaformer.bench.targets._bundle_report import check_bundle
from seaformer.core import codec, files
from seaformer.core.artifact import Artifact, check_file
from seaformer.core.errors import CorruptArtifact, RunnerFailed, UsageError
from seaformer.core.measurement import MEASURED, Conditions, DeviceInfo, Flag, Measurement
from seaformer.core.plan import is_tail, tail_method
from seaformer.core.scratch import temporary_folder
from seaformer.runtime.build.bundle import Bundle
from seaformer.store.results import ResultStore

_MEMBER = re.compile(
    r"answer/(id|probe|\d{1,5}\.(?:json|err|code|before|after)|\d{1,5}\.out/\w[\w.-]{0,99})",
    re.ASCII,
)
_MOST_MEMBERS = 100_000
_MOST_TEXT_BYTES = 64 << 20
_MOST_BYTES = 4 << 30
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", re.ASCII)
_NAME = "the board of this answer"


@dataclass(frozen=True)
class Merged:
    """The measurements of one answer; none when they were ``present`` before."""

    measured: tuple[Measurement, ...]
    present: int


def is_answer(path: Path) -> bool:
    """Whether a file is a tar file, as an answer is."""
    try:
        with files.open_regular(path) as handle:
            return tarfile.is_tarfile(cast(IO[bytes], handle))
    except OSError:
        return False


def merge_answer(path: Path, store: ResultStore, known: ResultStore | None = None) -> Merged:
    """Make and store the measurements of an answer, unless ``known`` (``store``) has them.

    Raises ``CorruptArtifact`` for a file that is not an answer, ``UsageError`` for one of another
    computer's pack, and the error of an artifact that is not here any more.
    """
    with temporary_folder("answer") as folder:
        _unpack(path, folder)
        record = _record(_text(folder, "id").strip())
        command = f"{record.command}  # answer {files.sha256_file(path)[:16]}"
        here = [m for m in (known or store).load().measurements if m.command == command]
        if here:
            return Merged((), len(here))
        artifacts = [_artifact(each) for each in record.artifacts]
        target = AnswerTarget(folder, record, artifacts)
        bench = Bench(target, record.plan, store, command=command)
        target.expect_cores(bench.cores)
        return Merged(tuple(bench.run(artifacts)), 0)


class AnswerTarget(PlainTarget):
    """A board that has already run: each request is answered from the file."""

    runner = "cpp"
    source = MEASURED
    redos = 0

    def __init__(self, folder: Path, record: PackRecord, artifacts: list[Artifact]) -> None:
        self._folder = folder
        self._bundle = Bundle(folder, record.bundle)
        self._probe = read_board(lambda text, *more: _reply(_text(folder, "probe")), _NAME)
        self._waiting: dict[tuple[str, str], list[int]] = {}
        for number, run in enumerate(record.runs):
            model, method = callable_of(artifacts[run.artifact], run.method)
            key = (str(model), run.method if is_tail(run.method) else method)
            self._waiting.setdefault(key, []).append(number)
        self._state = "0.before"
        self._care = BoardCare(cast(Phone, _Recording(self)))
        self._cores: tuple[int, ...] = ()
        self.runner_build = record.bundle.content_id

    def expect_cores(self, cpus: tuple[int, ...]) -> None:
        """The cores that the plan means on this board."""
        self._cores = cpus

    def device(self) -> DeviceInfo:
        return self._probe.info

    def conditions(self, cpu: int) -> Conditions:
        return self._read(cpu)[0]

    def preflight(self, cpus: tuple[int, ...]) -> tuple[Flag, ...]:
        """The reasons that would have refused the measurement make its rows invalid."""
        _, state = self._read(cpus[0])
        reasons = self._care.refusals(state, cpus)
        reasons += condition.offline_refusal(self._probe.offline, _NAME)
        flags = [Flag("refused state", True, reason.message) for reason in reasons]
        flags += [Flag("unexpected board", False, note) for note in self._probe.notes]
        by_hand = Flag("by hand", False, "run by hand; its answer was merged")
        return (by_hand, *flags, *self._care.notes(state))

    def run(self, request: RunnerRequest) -> RunnerReport:
        """The report of the next process of that method."""
        method = tail_method(request.tail.kind) if request.tail else request.method
        numbers = self._waiting.get((request.model, method), [])
        if not numbers:
            raise RunnerFailed(f"The answer has no further run of {method}.")
        number = numbers.pop(0)
        stdout, stderr = (_text(self._folder, f"{number}.{end}") for end in ("json", "err"))
        code = _text(self._folder, f"{number}.code").strip()
        if code != "0":
            exit_code = int(code) if re.fullmatch(r"\d{1,3}", code) else None
            raise RunnerFailure.parse(stdout, stderr=stderr, exit_code=exit_code).error()
        report = check_bundle(RunnerReport.parse(stdout), self._bundle)
        if report.affinity.requested != self._cores:
            raise RunnerFailed(
                f"The board ran it on cores {report.affinity.requested}; the plan means "
                f"{self._cores}.",
                hint="Pack it again: the script and this version choose differently.",
            )
        self._state = f"{number}.after"
        state = self._read(self._cores[0])[1]
        throttled = self._care.too_hot(state) or self._care.throttled(state)
        return replace(self._with_outputs(report, number), throttled=throttled)

    def text(self) -> str:
        """The recorded state of the moment."""
        return _text(self._folder, self._state)

    def _read(self, cpu: int) -> tuple[Conditions, condition.State]:
        state = self._care.read(cpu)
        date = parse.split_sections(self.text()).get("date", "").strip()
        at = date if _DATE.fullmatch(date) else state.conditions.at
        return replace(state.conditions, at=at), state

    def _with_outputs(self, report: RunnerReport, number: int) -> RunnerReport:
        """The report with the files of its outputs here."""
        outputs = []
        for output in report.outputs:
            name = PurePosixPath(output.file or "").name
            file = self._folder / _member_file(f"{number}.out/{name}")
            if name and not file.is_file():
                raise RunnerFailed(f"The answer lacks the output {name} of run {number}.")
            outputs.append(replace(output, file=str(file) if name else None))
        return replace(report, outputs=tuple(outputs))


class _Recording:
    """The connection of ``BoardCare``: every script is answered with the recorded state."""

    serial = _NAME
    place = Place("/", "", "", "")

    def __init__(self, target: AnswerTarget) -> None:
        self._target = target

    def script(self, text: str, *arguments: str) -> ShellResult:
        return _reply(self._target.text())


def _reply(text: str) -> ShellResult:
    return ShellResult(text, "", 0)


def _unpack(path: Path, folder: Path) -> None:
    """Copy the members to files with names of our own."""
    total = count = 0
    try:
        with files.open_regular(path) as handle, tarfile.open(fileobj=handle, mode="r:") as tar:
            for member in tar:
                count, total = count + 1, total + max(member.size, 0)
                if member.isdir() and member.name.rstrip("/").startswith("answer"):
                    continue
                match = _MEMBER.fullmatch(member.name)
                if match is None or not member.isreg():
                    raise _damaged(path, f"has {codec.shortened(member.name)!r}")
                if count > _MOST_MEMBERS or total > _MOST_BYTES:
                    raise _damaged(path, f"has more than {_MOST_BYTES >> 30} GiB or too many files")
                if ".out/" not in match[1] and member.size > _MOST_TEXT_BYTES:
                    raise _damaged(path, f"has {member.size} bytes in {member.name}")
                source = tar.extractfile(member)
                assert source is not None
                with source, (folder / _member_file(match[1])).open("wb") as target:
                    while block := source.read(1 << 20):
                        target.write(block)
    except (tarfile.TarError, EOFError) as error:
        raise _damaged(path, f"is cut short or damaged ({error})") from error


def _member_file(name: str) -> str:
    """The file of a member: a digest, so that no name from outside becomes a path."""
    return hashlib.sha256(name.encode()).hexdigest()


def _text(folder: Path, name: str) -> str:
    path = folder / _member_file(name)
    if not path.is_file():
        raise CorruptArtifact(f"The answer lacks {name}.", hint=_AGAIN)
    return path.read_bytes().decode("utf-8", "replace")


def _record(pack_id: str) -> PackRecord:
    if not re.fullmatch(r"[0-9a-f]{16}", pack_id):
        raise CorruptArtifact("The answer does not name its pack.", hint=_AGAIN)
    path = record_path(pack_id)
    if not path.is_file():
        raise UsageError(
            f"The answer belongs to pack {pack_id}, which was not made here (or the cache was "
            "cleared).",
            hint="Merge it on the computer and as the user that packed it.",
        )
    return codec.decode(PackRecord, files.read_bytes(path), where=path.name, newest=SCHEMA)


def _artifact(packed: PackedArtifact) -> Artifact:
    """The artifact where it was when it was packed, checked to be the same file."""
    here = Path(packed.path)
    if not here.is_file():
        raise UsageError(
            f"{here} does not exist any more, so the board's output cannot be judged.",
            hint="Put the model back and merge again.",
        )
    artifact = replace(packed.artifact, path=here, foreign=packed.foreign)
    check_file(artifact)
    return artifact


def _damaged(path: Path, what: str) -> CorruptArtifact:
    return CorruptArtifact(f"{path.name} is not an answer of a board: it {what}.", hint=_AGAIN)


_AGAIN = "Copy seaformer-answer.tar from the board again, or run run.sh once more."
