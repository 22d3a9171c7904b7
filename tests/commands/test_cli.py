"""The command line as a user meets it: real processes, their exit codes and what they print."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seaformer.core import files
from seaformer.core.artifact import manifest_path
from seaformer.runtime.build.runner import find_host_runner
from seaformer.store.results import ResultStore
from tests.conftest import Environment, Exported
from tests.fakes.measurements import measurement

PROGRAM = [sys.executable, "-m", "seaformer"]
QUICK = ("--runs", "20", "--warmup", "1", "--repeats", "1")
TINY = ("export", "--variant", "t", "--format", "onnx", "--size", "64x64")
MEASURED = (0, 5)  # 5: on a busy machine twenty samples may be too unsteady to be valid


@dataclass(frozen=True)
class Done:
    """What one command left behind."""

    code: int
    out: str
    err: str

    @property
    def documents(self) -> list[dict[str, Any]]:
        """stdout, which is JSON and nothing else."""
        parsed: list[dict[str, Any]] = json.loads(self.out)
        return parsed

    @property
    def complaint(self) -> str:
        """The one sentence on stderr, and the hint behind it; nothing that looks like a crash."""
        assert "Traceback" not in self.err, self.err
        assert "fault of seaformer" not in self.err, self.err
        lines = self.err.splitlines()
        errors = [line for line in lines if line.startswith("Error: ")]
        assert len(errors) == 1, self.err
        told = lines[lines.index(errors[0]) :]
        assert len(told) <= 2, self.err
        return "\n".join(told)


def done(finished: subprocess.CompletedProcess[str]) -> Done:
    return Done(finished.returncode, finished.stdout, finished.stderr)


def seaformer(*arguments: object, cwd: Path, **variables: str) -> Done:
    argv = [*PROGRAM, *map(str, arguments)]
    return done(
        subprocess.run(
            argv,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
            cwd=cwd,
            env=os.environ | {"SEAFORMER_RESULTS": str(cwd / "results")} | variables,
        )
    )


@pytest.fixture
def copied(exported: Exported, tmp_path: Path) -> Path:
    """The ONNX artifact and what lies beside it, to be damaged."""
    folder = tmp_path / "copied"
    folder.mkdir()
    for path in exported.onnx.parent.glob(f"{exported.onnx.name}*"):
        shutil.copy(path, folder)
    return folder / exported.onnx.name


def stored(folder: Path) -> list[Path]:
    return sorted((folder / "runs").rglob("*.json"))


# What needs no torch stays without it.


def imported(*arguments: object, cwd: Path) -> set[str]:
    """The top-level packages a command imports."""
    argv = [sys.executable, "-X", "importtime", "-m", "seaformer", *map(str, arguments)]
    environment = os.environ | {"SEAFORMER_RESULTS": str(cwd / "results")}
    finished = subprocess.run(
        argv, capture_output=True, text=True, timeout=60, check=False, cwd=cwd, env=environment
    )
    assert finished.returncode in MEASURED, finished.stderr
    lines = [line for line in finished.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize("arguments", [("--help",), ("models",), ("bench", "--help")])
def test_what_only_tells_imports_nothing_heavy(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    seen = imported(*arguments, cwd=tmp_path)
    assert "typer" in seen
    assert seen.isdisjoint({"torch", "numpy", "pandas", "PIL", "onnx", "onnxruntime", "executorch"})


def test_a_bench_of_a_file_and_a_report_import_no_engine(
    exported: Exported, tmp_path: Path
) -> None:
    engines = {"torch", "onnx", "onnxruntime", "executorch", "coremltools"}
    assert imported("bench", exported.onnx, *QUICK, cwd=tmp_path).isdisjoint(engines)
    assert imported("report", cwd=tmp_path).isdisjoint(engines)


# Names and numbers that cannot be.


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("export --variant q", 2, ("no variant 'q'", "t (tiny)")),
        ("bench --variant q", 2, ("no variant 'q'", "t (tiny)")),
        ("export --model seaformr_t", 2, ("'seaformr_t'", "Did you mean seaformer_t.ade20k?")),
        ("bench --model seaformer_t.citiscapes", 2, ("Did you mean seaformer_t.cityscapes?",)),
        ("models seaformr_t.ade20k", 2, ("Did you mean seaformer_t.ade20k?",)),
        ("models x*", 2, ("No model matches 'x*'", "seaformer_{t,s,b,l}", "List them")),
        ("models retinanet*", 2, ("No model matches", "seaformer_t.coco")),
        ("export --model retinanet_t", 2, ("no model 'retinanet_t'", "seaformer_t.coco")),
        ("export --variant t++ku", 2, ("no variant 't++ku'", "t++kd")),
        ("export --variant t --format onx", 2, ("no format 'onx'", "Did you mean onnx?")),
        ("bench --variant t --format executorc", 2, ("Did you mean executorch?",)),
        ("export --variant t --format ,", 2, ("No format",)),
        ("export --variant t --precision fp23", 2, ("Did you mean fp32?",)),
        ("export --variant t --scope logit", 2, ("Did you mean logits?",)),
        (
            "export --model seaformer_t.* --scope upsample",
            2,
            ("imagenet is for classification", "logits or argmax", "upsample is for segmentation"),
        ),
        ("bench --variant t --scope boxes", 2, ("logits, upsample or argmax, not boxes",)),
        ("bench --variant t --device hots", 2, ("no device 'hots'", "Did you mean host?")),
        ("export", 2, ("No model was named", "--variant t")),
        ("bench", 2, ("No model was named", "--variant t")),
        ("export --variant t --size 64", 2, ("--size '64'", "--size 512x1024")),
        ("export --variant t --size 64x", 2, ("--size '64x'",)),
        ("export --variant t --size 64x64x64", 2, ("--size '64x64x64'",)),
        ("export --variant t --size=-64x64", 2, ("--size '-64x64'",)),
        ("export --variant t --size 6.5x64", 2, ("--size '6.5x64'",)),
        (f"export --variant t --size {'9' * 5000}x64", 2, ("is not a size",)),
        ("export --variant t --size 0x0", 3, ("32 to 4096 pixels, not 0x0",)),
        ("export --variant t --size 64x999999999", 3, ("not 64x999999999", "512x512")),
        ("export --variant t --size 100x64", 3, ("multiples of 32", "96x64")),
        ("bench --variant t --size 100x64", 3, ("multiples of 32", "96x64")),
        ("bench --variant t --threads 0", 2, ("--threads 0", "expected 1 to")),
        ("bench --variant t --threads=-1", 2, ("--threads -1", "expected 1 to")),
        ("bench --variant t --threads 4096", 2, ("--threads 4096", "expected 1 to")),
        ("bench --variant t --core 4096", 2, ("--core 4096", "cores 0 to")),
        ("bench --variant t --core fast", 2, ("prime, big, little or a core's number",)),
        ("bench --variant t --runs 0", 2, ("--runs 0",)),
        ("bench --variant t --repeats 0", 2, ("--repeats 0",)),
        ("bench --variant t --warmup=-2", 2, ("--warmup -2",)),
        ("bench --variant t --min-secs 9 --max-secs 1", 2, ("--min-secs 9",)),
        ("bench --variant t --min-secs nan", 2, ("--min-secs nan",)),
        ("bench --variant t --max-secs inf", 2, ("--max-secs inf",)),
        ("bench --variant t --checkpoint no.pth", 3, ("no.pth does not exist",)),
        ("bench no.onnx", 3, ("no.onnx does not exist", "seaformer export")),
    ],
    ids=lambda value: value[:60] if isinstance(value, str) else None,
)
def test_what_cannot_be_is_one_sentence_with_its_exit_code(
    tmp_path: Path, arguments: str, code: int, words: tuple[str, ...]
) -> None:
    told = seaformer(*arguments.split(), cwd=tmp_path)
    assert (told.code, told.out) == (code, "")
    assert all(word in told.complaint for word in words), told.err
    assert list(tmp_path.iterdir()) == []


def test_an_option_nobody_has_and_a_word_for_a_number_are_usage(tmp_path: Path) -> None:
    for arguments in (("bench", "--thread", "1"), ("bench", "--threads", "one"), ("bnch",)):
        told = seaformer(*arguments, cwd=tmp_path)
        assert told.code == 2
        assert "Traceback" not in told.err


# Checkpoints that are none.


class Hostile:
    """Unpickled by a reader that runs code, this makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    from seaformer.models import create_model

    folder = tmp_path_factory.mktemp("checkpoints")
    torch.save(create_model("seaformer_s").state_dict(), folder / "small.pth")
    torch.save(create_model("seaformer_t.imagenet").state_dict(), folder / "task.pth")
    torch.save(create_model("seaformer_t", classes=7).state_dict(), folder / "classes.pth")
    whole = (folder / "small.pth").read_bytes()
    (folder / "truncated.pth").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.pth").touch()
    torch.save({"state_dict": Hostile(folder / "ran")}, folder / "hostile.pth")
    (folder / "pickle.pth").write_bytes(pickle.dumps(Hostile(folder / "ran")))
    return folder


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("small.pth", ("does not fit seaformer_t.ade20k", "--variant s")),
        ("task.pth", ("does not fit seaformer_t.ade20k", "--model seaformer_t.imagenet")),
        ("classes.pth", ("expected 150x96x1x1, found 7x96x1x1", "add --classes 7")),
        ("truncated.pth", ("truncated.pth is cut short",)),
        ("empty.pth", ("empty.pth is empty",)),
        ("hostile.pth", ("holds more than tensors", "never run")),
        ("pickle.pth", ("pickle.pth",)),
    ],
)
def test_a_checkpoint_that_is_none_is_refused_and_its_code_does_not_run(
    checkpoints: Path, tmp_path: Path, name: str, words: tuple[str, ...]
) -> None:
    told = seaformer(*TINY, "--checkpoint", checkpoints / name, "--out", "out", cwd=tmp_path)
    assert (told.code, told.out) == (3, "")
    assert all(word in told.complaint for word in words), told.err
    assert not (checkpoints / "ran").exists()
    assert not (tmp_path / "out").exists()


def test_the_hostile_checkpoint_is_hostile(checkpoints: Path) -> None:
    pickle.loads((checkpoints / "pickle.pth").read_bytes())
    assert (checkpoints / "ran").is_dir()
    (checkpoints / "ran").rmdir()


# Folders and disks that do not take what is written.


@pytest.mark.parametrize("out", ["file", "file/below", "/proc/nowhere"])
def test_an_output_folder_that_cannot_be_written_is_a_usage_error(tmp_path: Path, out: str) -> None:
    (tmp_path / "file").write_text("in the way")
    told = seaformer(*TINY, "--out", out, cwd=tmp_path)
    assert (told.code, told.out) == (2, "")
    assert "Name a folder you may write to." in told.complaint
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize("results", ["file", "/proc/nowhere"])
def test_results_that_cannot_be_written_are_told_before_anything_runs(
    exported: Exported, tmp_path: Path, results: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    told = seaformer("bench", exported.onnx, *QUICK, "--results", results, cwd=tmp_path)
    assert told.code == 2
    assert "Name a folder you may write to." in told.complaint
    assert "process 1" not in told.err
    told = seaformer("report", "--results", results, cwd=tmp_path)
    assert told.code == 2
    assert "Name a folder you may write to." in told.complaint


# What is mounted behind this is gone when the command ends, and nobody else sees it.
PRIVATE = ("unshare", "--user", "--map-root-user", "--mount")


@dataclass(frozen=True)
class SmallDisk:
    """A file system of a few kilobytes that exists for one command."""

    folder: Path

    def seaformer(self, kilobytes: int, *arguments: object) -> tuple[Done, list[str]]:
        """Run a command in it; what it printed, and the files left on the disk."""
        script = (
            f'mount -t tmpfs -o size={kilobytes}k tmpfs "$0" && cd "$0" || exit 99\n'
            'left=$1; shift; "$@"; code=$?; find . -type f > "$left"; exit $code\n'
        )
        left = self.folder.with_suffix(".left")
        places = (str(self.folder), str(left))
        argv = [*PRIVATE, "sh", "-c", script, *places, *PROGRAM, *map(str, arguments)]
        finished = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
        return done(finished), left.read_text().split()


@pytest.fixture
def small_disk(tmp_path: Path) -> SmallDisk:
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        argv = [*PRIVATE, "mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(folder)]
        tried = subprocess.run(argv, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if tried.returncode != 0:
        pytest.skip(f"no file system may be mounted here: {tried.stderr.decode()}")
    return SmallDisk(folder)


def test_a_full_disk_is_told_and_leaves_nothing_behind(small_disk: SmallDisk) -> None:
    told, left = small_disk.seaformer(3000, *TINY, "--out", "out")
    assert (told.code, told.out) == (1, "")
    assert "The disk is full" in told.complaint
    assert left == []


def test_a_full_disk_at_the_end_of_a_bench_leaves_no_half_result(
    small_disk: SmallDisk, exported: Exported
) -> None:
    told, left = small_disk.seaformer(4, "bench", exported.onnx, *QUICK, "--results", ".")
    assert (told.code, told.out) == (1, "")
    assert "The disk is full" in told.complaint
    assert {Path(name).parts[0] for name in left} <= {"devices"}  # whole or absent, like all files


# Artifacts that are not what they say.


def test_a_file_that_was_cut_short_is_not_timed(copied: Path, tmp_path: Path) -> None:
    copied.write_bytes(copied.read_bytes()[:-10])
    told = seaformer("bench", copied, *QUICK, cwd=tmp_path)
    assert (told.code, told.out) == (3, "")
    assert "is not the file its manifest describes: sha256 expected" in told.complaint
    assert stored(tmp_path / "results") == []


def test_a_manifest_that_names_another_digest_is_not_believed(copied: Path, tmp_path: Path) -> None:
    manifest = json.loads(manifest_path(copied).read_text())
    manifest_path(copied).write_text(json.dumps(manifest | {"sha256": "0" * 64}))
    told = seaformer("bench", copied, *QUICK, cwd=tmp_path)
    assert (told.code, told.out) == (3, "")
    assert "sha256 expected 0000000000000000..." in told.complaint


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "has no manifest beside it"),
        ("", "is not readable JSON"),
        ('{"schema": 1', "is not readable JSON"),
        ("[]", "expected an object"),
        ('{"schema": 1}', "is missing"),
        ('{"schema": 99}', "has schema 99"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_one_sentence(
    copied: Path, tmp_path: Path, content: str | None, words: str
) -> None:
    if content is None:
        manifest_path(copied).unlink()
    else:
        manifest_path(copied).write_text(content)
    told = seaformer("bench", copied, *QUICK, cwd=tmp_path)
    assert (told.code, told.out) == (3, "")
    assert words in told.complaint


def test_a_model_no_engine_can_load_is_a_failed_row(copied: Path, tmp_path: Path) -> None:
    copied.write_bytes(copied.read_bytes()[:5000])
    manifest = json.loads(manifest_path(copied).read_text())
    manifest |= {"sha256": files.sha256_file(copied), "size_bytes": 5000}
    manifest_path(copied).write_text(json.dumps(manifest))
    told = seaformer("bench", copied, *QUICK, "--json", cwd=tmp_path)
    assert told.code == 4
    (document,) = told.documents
    assert copied.name in document["failure"]
    assert document["valid"] is False
    assert "Traceback" not in told.err
    (path,) = stored(tmp_path / "results")
    assert path.name.endswith("__failed.json")


def test_a_changed_reference_is_a_failed_row(copied: Path, tmp_path: Path) -> None:
    copied.with_name(f"{copied.name}.reference.npz").write_bytes(b"other")
    told = seaformer("bench", copied, *QUICK, cwd=tmp_path)
    assert told.code == 4
    assert "is not the reference its manifest names" in " ".join(told.out.split())


# Extras that are not installed.


# No engine is installed, none was fetched before, and pip has nowhere to look.
NO_ENGINE = {"SEAFORMER_CACHE": "cache", "PIP_NO_INDEX": "1"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("export --variant t", ("torch is not installed", "pip install 'seaformer[export]'")),
        ("export --variant t --format onnx", ("pip install 'seaformer[export]'",)),
        ("bench --variant t --size 64x64", ("pip install 'seaformer[export]'",)),
        ("runner build", ("pip install 'seaformer[export]'",)),
    ],
)
def test_an_extra_that_is_not_installed_is_named_with_its_line(
    base_install: Environment, tmp_path: Path, arguments: str, words: tuple[str, ...]
) -> None:
    told = done(base_install.run(*arguments.split(), cwd=tmp_path, **NO_ENGINE))
    assert (told.code, told.out) == (2, "")
    assert all(word in told.complaint for word in words), told.err
    assert list(tmp_path.rglob("*.json")) == []


def test_a_bench_without_any_engine_to_be_had_stores_no_row(
    base_install: Environment, exported: Exported, tmp_path: Path
) -> None:
    told = done(base_install.run("bench", str(exported.onnx), *QUICK, cwd=tmp_path, **NO_ENGINE))
    assert (told.code, told.out) == (2, "")
    assert "pip install 'seaformer[export]'" in told.complaint
    assert list(tmp_path.rglob("*.json")) == []


@pytest.mark.parametrize("arguments", ["--help", "--version", "models seaformer_t.*", "report"])
def test_the_base_install_tells_and_reports(
    base_install: Environment, tmp_path: Path, arguments: str
) -> None:
    told = done(base_install.run(*arguments.split(), cwd=tmp_path))
    assert told.code == 0, told.err
    assert told.out


# What is printed for programs.


def test_an_export_prints_its_manifests_as_json(exported: Exported) -> None:
    documents = {d["format"]: d for d in json.loads(exported.stdout)}
    assert set(documents) == {"onnx", "executorch"}
    for document in documents.values():
        path = Path(document["path"])
        assert path.is_absolute()
        assert document["sha256"] == files.sha256_file(path)
        assert document["precision"] == "fp32"
        assert document["parity"]["max_abs"] < 1e-3
        assert document["parity"]["argmax_agreement"] >= 0.999
        told = json.loads(manifest_path(path).read_text())
        assert told == {key: value for key, value in document.items() if key != "path"}
    delegation = documents["executorch"]["delegation"]
    assert delegation["subgraphs"] == 1
    assert isinstance(delegation["outside"], list)
    assert not any(operator["computes"] for operator in delegation["outside"])
    assert documents["onnx"]["delegation"] is None
    assert "verify against the PyTorch model" in exported.stderr


def test_a_bench_prints_its_measurements_as_json_and_stores_the_same(
    exported: Exported, tmp_path: Path
) -> None:
    told = seaformer("bench", exported.onnx, exported.executorch, *QUICK, "--json", cwd=tmp_path)
    assert told.code in MEASURED, told.err
    documents = told.documents
    assert [d["format"] for d in documents] == ["onnx", "executorch"]
    for document in documents:
        assert document["model"] == "seaformer_t.ade20k"
        assert (document["target"], document["precision"]) == ("host", "fp32")
        assert len(document["methods"]["forward"]["samples_ns"]) == 20
        low, high = document["ci95_ms"]
        assert low <= document["median_ms"] <= high
        assert isinstance(document["valid"], bool)
        assert document["methods"]["forward"]["output"]["passed"] is True
        assert document["command"].startswith("seaformer bench ")
    on_disk = [json.loads(path.read_text()) for path in stored(tmp_path / "results")]
    assert sorted(on_disk, key=lambda d: d["id"]) == sorted(documents, key=lambda d: d["id"])
    assert told.code == (0 if all(d["valid"] for d in documents) else 5)


def test_the_zoo_is_printed_as_json(tmp_path: Path) -> None:
    documents = seaformer("models", "seaformer_?.ade20k", "--json", cwd=tmp_path).documents
    assert [d["spec"]["name"] for d in documents] == [f"seaformer_{s}.ade20k" for s in "tsbl"]
    assert all(d["params"] > 1_000_000 for d in documents)
    assert all(d["paper"] | d["spec"]["paper"] == d["paper"] for d in documents)
    tiny = documents[0]
    proofs = {(p["format"], p["precision"], p["scope"]): p for p in tiny["proofs"]}
    one = proofs["executorch", "fp32", "logits"]
    assert (one["subgraphs"], one["outside"], one["failure"]) == (1, {}, "")
    assert {"height", "width", "delegated_ops", "relative_error", "seconds", "tools"} <= set(one)
    table = seaformer("models", "seaformer_t.ade20k", cwd=tmp_path).out
    for figure in ("params_difference_percent", "flops_difference_percent"):
        assert f" {tiny['paper'][figure]:+.1f} " in table
    assert tiny["paper"]["latency_ms"] == 40


def test_a_model_without_a_line_of_the_paper_has_none_in_json_either(tmp_path: Path) -> None:
    (document,) = seaformer("models", "seaformer_t.cityscapes", "--json", cwd=tmp_path).documents
    assert document["paper"] is None


def test_a_name_without_a_tag_shows_the_model_for_every_data_set(tmp_path: Path) -> None:
    told = seaformer("models", "SeaFormer_T", "--json", cwd=tmp_path)
    names = [document["spec"]["name"] for document in told.documents]
    assert {"seaformer_t.ade20k", "seaformer_t.imagenet", "seaformer_t.coco"} <= set(names)
    assert all(name.startswith("seaformer_t.") for name in names)


def test_the_help_tells_that_a_variant_may_be_of_seaformer_plus(tmp_path: Path) -> None:
    told = seaformer("export", "--help", cwd=tmp_path, COLUMNS="200")
    assert "t++" in told.out
    assert "t++kd" in told.out


def test_a_bench_prints_a_table_and_the_next_command(exported: Exported, tmp_path: Path) -> None:
    told = seaformer("bench", exported.onnx, *QUICK, "--results", "here", cwd=tmp_path)
    assert told.code in MEASURED
    assert "median" in told.out
    assert "paper" in told.out
    assert "Next: seaformer report --results here" in told.err
    assert len(stored(tmp_path / "here")) == 1
    assert not (tmp_path / "results").exists()
    told = seaformer("report", "--results", "here", cwd=tmp_path)
    assert told.code == 0
    assert (tmp_path / "here" / "report.md").exists()


def test_a_model_without_a_file_is_exported_once_into_the_cache(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    if (runner := find_host_runner()) is not None:
        cache.mkdir()
        (cache / "runner").symlink_to(runner.binary.parents[1])
    arguments = ("bench", "--variant", "t", "--format", "onnx", "--size", "64x64", *QUICK, "--json")
    first = seaformer(*arguments, cwd=tmp_path, SEAFORMER_CACHE=str(cache))
    assert first.code in MEASURED, first.err
    assert len(first.documents) == 1
    assert "trace to ONNX" in first.err
    second = seaformer(*arguments, cwd=tmp_path, SEAFORMER_CACHE=str(cache))
    assert second.code in MEASURED, second.err
    assert "trace to ONNX" not in second.err
    assert second.documents[0]["artifact_sha256"] == first.documents[0]["artifact_sha256"]


# Reports.


def test_a_report_of_nothing_says_how_to_begin(tmp_path: Path) -> None:
    told = seaformer("report", cwd=tmp_path)
    assert told.code == 0
    assert "No measurements yet. Make the first: seaformer bench" in told.out
    assert "seaformer bench" in (tmp_path / "results" / "report.md").read_text()
    assert "Traceback" not in told.err


def test_a_damaged_file_is_named_and_the_rest_is_reported(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "elsewhere")
    good = store.append(measurement(1))
    bad = good.with_name("cut.json")
    bad.write_text(good.read_text()[:500])
    told = seaformer("report", cwd=tmp_path, SEAFORMER_RESULTS=str(store.root))
    assert told.code == 0
    assert "seaformer_t.ade20k" in " ".join(told.out.split())
    assert f"skipped {bad.relative_to(store.root).as_posix()}: " in told.err
    assert bad.exists()
    assert (store.root / "tables" / "latency.csv").exists()
    assert not (tmp_path / "results").exists()


# Ctrl-C.


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Path]:
    """Where the command keeps its scratch files; it must clean up after itself."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == []


def interrupted(arguments: tuple[object, ...], when: str, cwd: Path, temporary: Path) -> Done:
    """Run a command in a group of its own and press Ctrl-C when it prints a line with ``when``."""
    environment = os.environ | {"SEAFORMER_RESULTS": str(cwd / "results")}
    process = subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=environment | {"TMPDIR": str(temporary)},
        start_new_session=True,
    )
    with process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if when in line:
                os.killpg(process.pid, signal.SIGINT)
                break
        out, rest = process.communicate(timeout=60)
    return Done(process.returncode, out, "".join(lines) + rest)


def test_ctrl_c_of_a_bench_stores_what_was_measured(
    exported: Exported, tmp_path: Path, temporary: Path
) -> None:
    arguments = ("bench", exported.onnx, "--warmup", 1, "--runs", 2000, "--repeats", 2, "--json")
    told = interrupted(arguments, "process 2 of 2", tmp_path, temporary)
    assert told.code == 130, told.err
    assert "Traceback" not in told.err
    assert "Interrupted" in told.err
    (document,) = told.documents
    assert len(document["methods"]["forward"]["processes"]) == 1
    assert len(document["methods"]["forward"]["samples_ns"]) == 2000
    assert [f["name"] for f in document["flags"] if f["name"] == "interrupted"] == ["interrupted"]
    assert document["valid"] is False
    (path,) = stored(tmp_path / "results")
    assert json.loads(path.read_text()) == document


def test_ctrl_c_before_anything_was_measured_stores_nothing(
    exported: Exported, tmp_path: Path, temporary: Path
) -> None:
    arguments = ("bench", exported.onnx, "--warmup", 1, "--runs", 5000)
    told = interrupted(arguments, "process 1 of 3", tmp_path, temporary)
    assert told.code == 130, told.err
    assert "Traceback" not in told.err
    assert stored(tmp_path / "results") == []


def test_ctrl_c_of_an_export_leaves_nothing_behind(tmp_path: Path, temporary: Path) -> None:
    told = interrupted((*TINY, "--out", "out"), "trace to ONNX", tmp_path, temporary)
    assert told.code == 130, told.err
    assert "Traceback" not in told.err
    assert list((tmp_path / "out").iterdir()) == []
