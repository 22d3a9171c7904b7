"""A bench that is packed, run by hand on a board, and merged from the file that comes back."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.bench.answer import is_answer, merge_answer
from seaformer.bench.pack import PackRecord, choose_script, record_path, write_pack
from seaformer.commands.results import merge
from seaformer.core import files
from seaformer.core.artifact import Artifact, SideFile
from seaformer.core.checksums import joint_sha256
from seaformer.core.cpu import find_emulated, list_cores
from seaformer.core.errors import ChecksumMismatch, CorruptArtifact, SeaFormerError, UsageError
from seaformer.core.foreign import Foreign
from seaformer.core.measurement import Measurement
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.runtime.build.bundle import Bundle
from seaformer.store.results import ResultStore
from tests import arm
from tests.bench.test_chips import CHIPS, clusters_of
from tests.commands.program import seaformer
from tests.exports import half, small
from tests.fakes.board import FakeBoard
from tests.fakes.scripted import scripted_artifact, scripted_bundle
from tests.requirements import require

PLAN = RunPlan(processes=2, warmup=Warmup(runs=1), stop=Stop(runs=3))


@pytest.fixture(autouse=True)
def _own_cache(
    cache: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    require((os.cpu_count() or 1) > 1, "fewer than 2 cores")
    if "real" not in request.node.name:
        monkeypatch.setenv("SEAFORMER_CACHE", str(cache))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> tuple[PackRecord, Path]:
    """A pack of two models, and its answer from a board."""
    folder = tmp_path_factory.mktemp("packed")
    models = [scripted_artifact(folder / "a", name) for name in ("one", "two")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEAFORMER_CACHE", str(cache))
        return _run(folder, models, scripted_bundle(folder), FakeBoard(folder / "b"))


def _run(
    folder: Path, models: list[Artifact], bundle: Bundle, board: FakeBoard
) -> tuple[PackRecord, Path]:
    record = write_pack(folder / "p.tar", models, PLAN, bundle, "seaformer runner pack")
    return record, board.run_by_hand(folder / "p.tar")


def changed(answer: Path, change: Callable[[str, bytes], tuple[str, bytes] | None]) -> Path:
    """A copy of an answer with other members; ``None`` leaves one out."""
    target = answer.with_name("changed.tar")
    with tarfile.open(answer) as old, tarfile.open(target, "w") as new:
        for member in old:
            source = old.extractfile(member)
            if source is None:
                continue
            result = change(member.name, source.read())
            if result is not None:
                info = tarfile.TarInfo(result[0])
                info.size = len(result[1])
                new.addfile(info, io.BytesIO(result[1]))
    return target


def whole(row: Measurement) -> None:
    run = row.methods["forward"]
    assert row.failure is None
    assert run.output is not None
    assert run.output.passed
    assert {cpu for process in run.processes for cpu in process.sample_cpus} == {1}
    assert len(run.processes) == PLAN.processes


def test_an_answer_becomes_rows_of_the_board_once(
    answered: tuple[PackRecord, Path], tmp_path: Path
) -> None:
    _, answer = answered
    assert is_answer(answer)
    store = ResultStore(tmp_path / "results")
    merged = merge_answer(answer, store)
    assert [row.model for row in merged.measured] == ["one", "two"]
    for row in merged.measured:
        whole(row)
        assert row.valid
        assert (row.target, row.source, row.plan) == ("board", "measured", PLAN)
        assert row.device.id.startswith("board-raspberry-pi-5-model-b")
        assert (row.before.temperature_c, row.before.governor) == (48.2, "ondemand")
        assert row.before.at.endswith("+00:00")
        assert "by hand" in {flag.name for flag in row.flags}
    assert merge_answer(answer, store).present == 2
    assert len(store.load().measurements) == 2


def test_the_command_line_merges_it_once(
    answered: tuple[PackRecord, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, answer = answered
    results = str(tmp_path / "results")
    merge([answer], dry_run=True, results=results)
    assert "2 measurements would be stored" in capsys.readouterr().out
    assert not (tmp_path / "results").exists()
    done = seaformer("results", "merge", answer, cwd=tmp_path)
    assert done.code == 0, done.err
    assert "2 measurements stored" in done.out
    for dry_run, verb in ((True, "would be stored"), (False, "stored")):
        merge([answer], dry_run=dry_run, results=results)
        out = capsys.readouterr().out
        assert f"0 measurements {verb}" in out
        assert "2 were there" in out


def test_a_board_in_a_state_that_is_refused_gives_rows_that_are_invalid(tmp_path: Path) -> None:
    board = FakeBoard(tmp_path / "b")
    board.put("throttled", "0x50005")
    models = [scripted_artifact(tmp_path / "a")]
    _, answer = _run(tmp_path, models, scripted_bundle(tmp_path), board)
    (row,) = merge_answer(answer, ResultStore(tmp_path / "results")).measured
    flags = {flag.name: flag for flag in row.flags}
    assert flags["refused state"].fatal
    assert "low voltage" in flags["refused state"].detail
    assert not row.valid


REPORT = "answer/0.json"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda name, data: ("../../evil", data), "is not an answer of a board: it has"),
        (lambda name, data: (f"/tmp/{name}", data), "is not an answer of a board: it has"),
        (lambda name, data: None if name == "answer/id" else (name, data), "lacks id"),
        (lambda name, data: None if name == "answer/probe" else (name, data), "lacks probe"),
        (
            lambda name, data: (name, b"../../etc/passwd" if name == "answer/id" else data),
            "does not name its pack",
        ),
        (
            lambda name, data: (name, b"0" * 16 if name == "answer/id" else data),
            "was not made here",
        ),
        (
            lambda name, data: (name, b"" if name == "answer/probe" else data),
            "Incomplete reply",
        ),
    ],
)
def test_what_is_not_an_answer_is_refused_whole(
    answered: tuple[PackRecord, Path],
    tmp_path: Path,
    change: Callable[[str, bytes], tuple[str, bytes] | None],
    reason: str,
) -> None:
    store = ResultStore(tmp_path / "results")
    with pytest.raises(SeaFormerError, match=reason):
        merge_answer(changed(answered[1], change), store)
    assert not list(tmp_path.rglob("evil"))
    assert store.load().measurements == ()


def test_a_report_that_cannot_be_used_is_a_failed_row_and_the_other_is_kept(
    answered: tuple[PackRecord, Path], tmp_path: Path
) -> None:
    record, answer = answered

    def other_core(name: str, data: bytes) -> tuple[str, bytes]:
        if name == REPORT:
            report = json.loads(data.splitlines()[-1])
            report["affinity"]["requested"] = [0]
            data = json.dumps(report).encode()
        return name, data

    def no_output(name: str, data: bytes) -> tuple[str, bytes] | None:
        return None if name.startswith("answer/0.out/") else (name, data)

    def garbage(name: str, data: bytes) -> tuple[str, bytes]:
        return name, b'{"schema": 1, "samples_ns": [1e400]}' if name == REPORT else data

    failed = record.artifacts[record.runs[0].artifact].artifact.model
    for change, reason in (
        (other_core, r"ran it on cores \(0,\)|ran it on cores"),
        (no_output, "lacks the output"),
        (garbage, "report"),
    ):
        store = ResultStore(tmp_path / reason[:6])
        rows = {row.model: row for row in merge_answer(changed(answer, change), store).measured}
        assert reason.split("|")[-1] in (rows.pop(failed).failure or "")
        (other,) = rows.values()
        assert other.failure is None


@pytest.mark.parametrize("manifest", [True, False])
def test_weights_beside_a_model_are_part_of_what_was_packed(manifest: bool, tmp_path: Path) -> None:
    model = scripted_artifact(tmp_path / "a")
    weights = model.path.with_name("weights.bin")
    weights.write_bytes(b"weights")
    digest = joint_sha256(model.path, [weights.name])
    side = SideFile(weights.name, files.sha256_file(weights))
    model = replace(
        model,
        sha256=digest,
        external=(side,) if manifest else (),
        foreign=None if manifest else Foreign(external=(weights.name,)),
    )
    board = FakeBoard(tmp_path / "b")
    _, answer = _run(tmp_path, [model], scripted_bundle(tmp_path), board)
    (row,) = merge_answer(answer, ResultStore(tmp_path / "results")).measured
    whole(row)
    weights.write_bytes(b"others!")
    with pytest.raises(ChecksumMismatch):
        merge_answer(answer, ResultStore(tmp_path / "others"))


def test_a_cut_answer_a_changed_model_and_a_lost_record_are_named(
    answered: tuple[PackRecord, Path], tmp_path: Path
) -> None:
    record, answer = answered
    store = ResultStore(tmp_path / "results")
    cut = tmp_path / "cut.tar"
    cut.write_bytes(answer.read_bytes()[:3000])
    with pytest.raises(CorruptArtifact):
        merge_answer(cut, store)
    record_path(record.id).rename(tmp_path / "record")
    with pytest.raises(UsageError, match="was not made here"):
        merge_answer(answer, store)
    shutil.move(tmp_path / "record", record_path(record.id))
    model = Path(record.artifacts[0].path)
    model.rename(tmp_path / "model")
    with pytest.raises(UsageError, match="does not exist any more"):
        merge_answer(answer, store)
    model.write_text("another")
    with pytest.raises(ChecksumMismatch):
        merge_answer(answer, store)
    shutil.move(tmp_path / "model", model)


@pytest.mark.parametrize(
    ("core", "threads"), [("fastest", 1), ("4-7", 2), ("4", 2), ("0;reboot", 1), ("$(x)", 1)]
)
def test_a_core_that_the_script_could_not_choose_is_refused_before(core: str, threads: int) -> None:
    with pytest.raises(UsageError):
        choose_script(core, threads)


PARTS = {core.name: (core.implementer, core.part) for core in list_cores()}


def test_the_script_chooses_the_core_of_every_chip_that_python_does(tmp_path: Path) -> None:
    for number, (text, expected) in enumerate(CHIPS.values()):
        world = tmp_path / str(number)
        blocks = []
        for cluster in clusters_of(text):
            maker, part = PARTS[cluster.part]
            for cpu in cluster.cpus:
                folder = world / f"sys/devices/system/cpu/cpu{cpu}/cpufreq"
                folder.mkdir(parents=True)
                (folder / "cpuinfo_max_freq").write_text(f"{cluster.max_freq_khz}\n")
                related = " ".join(map(str, cluster.cpus))
                (folder / "related_cpus").write_text(f"{related}\n")
                blocks.append(
                    f"processor\t: {cpu}\nCPU implementer\t: {maker}\nCPU part\t: {part}\n"
                )
        (world / "proc").mkdir()
        (world / "proc/cpuinfo").write_text("\n".join(blocks))
        scripts = [choose_script(core, 1) for core in ("prime", "big", "little")]
        for path in ("/proc/cpuinfo", "/sys/devices/system/cpu"):
            scripts = [script.replace(path, f"{world}{path}") for script in scripts]
        done = subprocess.run(
            ["sh", "-c", "\n".join(scripts)], capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stdout.split() == expected.split(), (text, done.stdout, done.stderr)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(small, marks=pytest.mark.slow),
        pytest.param(half, marks=pytest.mark.zoo),  # its exports take minutes
    ],
)
def test_the_real_runner_is_run_by_hand_in_both_engines(
    make: Callable[[str], Artifact], tmp_path: Path
) -> None:
    models = [make("onnx"), make("executorch")]
    emulator = arm.needed(arm.qemu).argv(find_emulated(arm.A76), ())
    board = FakeBoard(tmp_path / "b", emulator)
    _, answer = _run(tmp_path, models, arm.needed(arm.bundle), board)
    merged = merge_answer(answer, ResultStore(tmp_path / "results"))
    assert len(merged.measured) == 2
    for row in merged.measured:
        whole(row)
