"""An engine is a row and the files under its name: nothing else names one, nothing else is edited.

``tools/engine_names.py`` prints the places that are counted here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import seaformer
from tests.pages import tool
from tests.requirements import module

NAMES = tool("engine_names")
PACKAGE = Path(seaformer.__file__).parent
REPLAY = Path(__file__).parent / "fakes" / "replay"

# Files that may name an engine and are not under its name: the lines that may, and the reason.
# A file of ONNX is also a source of an export, as a program of torch.export (.pt2) is.
ELSEWHERE = {
    "models/_checkpoints/kinds.py": ("", "kinds of files that are not checkpoints"),
    "commands/_source.py": (r"\.pt2", "sources of an export"),
    "commands/export.py": (r"\.pt2|--module|opset: ", "sources of an export, and a field's term"),
    "export/_named.py": (r"\.pt2", "sources of an export"),
    "export/_format.py": ("OnnxSource", "a source of an export"),
    "export/_job.py": ("onnx_subject", "a source of an export"),
    "export/_subject.py": ("OnnxSource|GRAPH = |ONNX file|pt2", "a source of an export"),
}

ROW = """
ENGINES = (
    *ENGINES,
    Engine(
        name="replay",
        title="Replay",
        format="tape",
        suffix=".tape",
        noun="a tape",
        tools=("torch",),
        components=False,
    ),
)
"""
FILES = {
    "export/tape.py": "tape.py",
    "runtime/replay.py": "session.py",
    "runtime/runner/engine_replay.cpp": "engine_replay.cpp",
}


def test_engines_are_named_in_their_own_files_only() -> None:
    elsewhere = [place for place in NAMES.places() if not NAMES.is_own(place.file)]
    assert [str(place) for place in elsewhere if not is_allowed(place.file, place.text)] == []


def is_allowed(file: str, text: str) -> bool:
    return file in ELSEWHERE and re.search(ELSEWHERE[file][0], text) is not None


def test_every_exception_is_still_needed() -> None:
    needed = {place.file for place in NAMES.places() if is_allowed(place.file, place.text)}
    assert sorted(needed) == sorted(ELSEWHERE)


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ('if engine == "onnxruntime":\n    pass\n', [1]),
        ("def f(ort_lib: str, sort_key: str, export: str) -> None: ...\n", [1]),
        ('"""ONNX Runtime."""\n# Core ML\nx = ".pte"\n', [3]),
        ("from seaformer.export import OnnxWriter\n", [1]),
        ('X = """\nhello\nORT_DISABLE=1\n"""\n', [3]),
    ],
)
def test_a_name_is_found_in_code_and_not_in_what_is_said_about_it(
    code: str, lines: list[int], tmp_path: Path
) -> None:
    file = tmp_path / "seaformer" / "bench" / "new.py"
    file.parent.mkdir(parents=True)
    file.write_text(code, encoding="utf-8")
    named = list(NAMES.places(tmp_path))
    assert [place.line for place in named] == lines
    assert {place.file for place in named} == {"bench/new.py"}
    assert not NAMES.is_own("bench/new.py")


@dataclass(frozen=True)
class House:
    """A copy of the package with one more engine."""

    root: Path

    def run(
        self, *arguments: object, codes: tuple[int, ...] = (0,)
    ) -> subprocess.CompletedProcess[str]:
        """The command line of the copy."""
        argv = [sys.executable, "-m", "seaformer", *map(str, arguments)]
        environment = os.environ | {"PYTHONPATH": str(self.root)}
        done = subprocess.run(
            argv,
            capture_output=True, text=True, check=False, timeout=900,
            cwd=self.root, env=environment,
        )  # fmt: skip
        assert done.returncode in codes, done.stdout + done.stderr
        return done


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """The copy: three new files, and a row at the end of the table."""
    module("torch", "pip install 'seaformer[export]'")
    root = tmp_path_factory.mktemp("house")
    shutil.copytree(
        PACKAGE, root / "seaformer", ignore=shutil.ignore_patterns("__pycache__", "*.lock")
    )
    for name, source in FILES.items():
        assert not (root / "seaformer" / name).exists()
        shutil.copy(REPLAY / source, root / "seaformer" / name)
    with (root / "seaformer" / "core" / "engine.py").open("a", encoding="utf-8") as table:
        table.write(ROW)
    return House(root)


@pytest.fixture(scope="module")
def tape(house: House) -> Path:
    done = house.run("export", "--variant", "t", "--size", "64x64", "--format", "tape", "--json")
    (artifact,) = json.loads(done.stdout)
    assert artifact["parity"]["verified_by"] == "prediction"
    assert artifact["parity"]["runtime"] == "replay"
    assert artifact["parity"]["max_abs"] < 1e-4
    assert artifact["tools"].keys() == {"seaformer", "torch"}
    return Path(artifact["path"])


def test_a_new_engine_exports_a_file_that_is_proved(house: House, tape: Path) -> None:
    assert tape.name == "seaformer_t.ade20k__64x64__fp32.tape"
    assert tape.read_bytes()[:4] == b"TAPE"
    assert "tape" in house.run("export", "--help").stdout


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--precision", "fp16"), "tape supports fp32 (got fp16)."),
        (("--components",), "--components is not supported for tape."),
    ],
)
def test_what_a_row_does_not_have_is_refused(
    house: House, options: tuple[str, ...], reason: str
) -> None:
    model = ("export", "--variant", "t", "--size", "64x64", "--format", "tape")
    assert reason in house.run(*model, *options, codes=(2,)).stderr


@pytest.mark.slow
def test_the_runner_is_built_with_the_new_engine_and_times_its_files(
    house: House, tape: Path
) -> None:
    runner = house.run("runner", "build").stdout.splitlines()[0]
    version = subprocess.run([runner, "--version"], capture_output=True, text=True, check=True)
    assert {"onnxruntime", "replay"} <= set(json.loads(version.stdout)["engines"])
    other = [runner, "--engine", "onnxruntime", "--model", str(tape)]
    refused = subprocess.run(other, capture_output=True, text=True, check=False)
    message = json.loads(refused.stdout)["error"]["message"]
    assert message == f"{tape} is a tape; onnxruntime runs ONNX models. Use --engine replay."

    fixed = ("--runs", 5, "--warmup", 1, "--repeats", 1, "--profile", "ops", "--json")
    results = ("--results", house.root / "results")
    # 5: this machine was too busy for a valid number, which is not what is asked here.
    done = house.run("bench", tape, *fixed, *results, codes=(0, 5))
    (row,) = json.loads(done.stdout)
    assert (row["runtime"], row["runtime_version"], row["runner"]) == ("replay", "1.0", "cpp")
    assert row["failure"] is None
    assert len(row["methods"]["forward"]["samples_ns"]) == 5
    assert row["methods"]["forward"]["output"]["passed"]
    assert "Replay does not report the time of its operators." in done.stderr


def test_nothing_but_the_row_was_edited(house: House) -> None:
    def contents(root: Path) -> dict[str, bytes]:
        return {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".lock"
        }

    before, after = contents(PACKAGE), contents(house.root / "seaformer")
    assert after.keys() - before.keys() == FILES.keys()
    assert [name for name in before if before[name] != after[name]] == ["core/engine.py"]
    assert after["core/engine.py"].startswith(before["core/engine.py"])
