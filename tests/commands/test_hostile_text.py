"""Nothing from outside reaches a terminal or a CI log raw, and every encoding is printed in."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.commands import _print
from seaformer.core.console import safe
from seaformer.core.measurement import document
from seaformer.store.results import ResultStore
from tests.commands.program import PROGRAM, Done, seaformer
from tests.fakes.measurements import HOST, measurement
from tests.fuzzing import EVIL

NAME = EVIL.replace("/", "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder whose name, file names and contents all hold what a terminal obeys."""
    root = tmp_path_factory.mktemp("evil") / f"results{NAME}"
    device = replace(HOST, id=f"id{EVIL}", model=f"::error::{EVIL}")
    one = measurement(1, device=device, model=f"::error::{EVIL}", command=EVIL, failure=EVIL)
    path = ResultStore(root).append(one)
    path.with_name(f"damaged{NAME}.json").write_text("{")
    path.with_name(f"::error::{NAME}.json").write_bytes(b"\xff")
    path.with_name("good.json").write_text(json.dumps(document(measurement(2))))
    return root


@pytest.mark.parametrize(
    "arguments",
    [
        ("report",),
        ("results", "list"),
        ("results", "list", "--json"),
        ("results", "show", "damaged"),
        ("results", "prune"),
        ("results", "merge", "{root}/runs", "--results", "merged", "--dry-run"),
        ("compare", "{root}", "{root}", "--no-gate"),
        ("compare", "{root}", f"nowhere{NAME}"),
        ("bench", f"nowhere{NAME}.onnx"),
    ],
    ids=" ".join,
)
def test_no_command_prints_a_control_character_or_a_workflow_command(
    folder: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    argv = [each.replace("{root}", str(folder)) for each in arguments]
    ran = seaformer(*argv, cwd=tmp_path, SEAFORMER_RESULTS=str(folder))
    printed = ran.out + ran.err
    assert "bug in seaformer" not in printed
    assert len(printed) > 20
    assert re.findall(r"[^\n\x20-\x7e\xa0-\U0010ffff]", printed) == []
    assert [line for line in printed.splitlines() if line.lstrip().startswith("::")] == []


def test_safe_text_shows_what_it_replaced() -> None:
    assert safe("a\x1b[2J\x07\r\nb\x9bé☃\u202e") == r"a\x1b[2J\x07\r\nb\x9bé☃\u202e"
    assert safe("a\nb", lines=True) == "a\nb"
    assert safe("::error::x") == r"\::error::x"
    assert safe("a\n  ::set-env::x\n##[error]y", lines=True) == "a\n  \\::set-env::x\n\\##[error]y"
    assert safe("std::vector") == "std::vector"
    assert safe("\udcff") == r"\udcff"


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["ascii", "latin-1", "posix"],
)
def test_what_an_encoding_lacks_is_replaced(tmp_path: Path, variables: dict[str, str]) -> None:
    ResultStore(tmp_path / "results").append(measurement(device=replace(HOST, model="雪 ☃")))
    ran = seaformer("report", cwd=tmp_path, **variables)
    assert (ran.code, "bug in seaformer" in ran.err) == (0, False), ran.err
    assert "20.0" in ran.out
    assert "-----" in ran.out  # the rule below the heading
    (listed,) = seaformer("results", "list", "--json", cwd=tmp_path, **variables).documents
    assert listed["device_name"] == "雪 ☃"


def on_full_disk(*arguments: str, cwd: Path) -> Done:
    environment = os.environ | {"SEAFORMER_RESULTS": str(cwd / "results")}
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [*PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE, check=False, cwd=cwd,
            env=environment, text=True, timeout=120,
        )  # fmt: skip
    return Done(ran.returncode, "", ran.stderr)


@pytest.mark.parametrize(
    "arguments", [("models",), ("--help",), ("--version",), ("results", "list", "--json")]
)
def test_a_full_disk_behind_stdout_is_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    ResultStore(tmp_path / "results").append(measurement())
    ran = on_full_disk(*arguments, cwd=tmp_path)
    assert ran.code == 1
    assert ran.complaint.startswith("Error: The disk is full")


@pytest.mark.parametrize(
    ("arguments", "variables", "reason"),
    [
        (("results", "list"), {"SEAFORMER_RESULTS": "~nobody-here/x"}, "names a home folder"),
        (("cache",), {"SEAFORMER_CACHE": "~nobody-here/x"}, "names a home folder"),
        (("models", "nosuch"), {"SEAFORMER_DEBUG": "0"}, "Unknown model 'nosuch'"),
        (("results", "prune", "--older-than", "9" * 12), {}, "--older-than 0 to 36500"),
        (("bench", "x.onnx", "--runs", "9" * 30), {}, "--runs must be at most 1000000"),
        (("bench", "x.onnx", "--max-secs", "1e300"), {}, "--max-secs must be at most 86400"),
    ],
)
def test_an_odd_value_is_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], variables: dict[str, str], reason: str
) -> None:
    ran = seaformer(*arguments, cwd=tmp_path, **variables)
    assert ran.code == 2
    assert reason in ran.complaint


@pytest.mark.parametrize(
    "arguments",
    [("results", "list", "--limit", "-1"), ("export", "--variant", "t", "--seed", "1" * 23)],
)
def test_a_number_out_of_range_is_a_usage_error(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    ran = seaformer(*arguments, cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert "than or equal to" in ran.err


TURNED = "a\u202eb\x1b[31m\x07\u2066"


@pytest.mark.parametrize(
    "arguments",
    [
        ("bench", f"--nope{TURNED}"),
        (f"bench{TURNED}",),
        ("runner", "build", TURNED),
        ("results", "list", "--limit", TURNED),
        ("--debug", "models", TURNED),
        ("--debug", "inspect", f"/nowhere/{TURNED}"),
    ],
    ids=ascii,
)
def test_a_panel_and_a_traceback_show_what_was_typed_as_escapes(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    ran = seaformer(*arguments, cwd=tmp_path)
    assert ran.code in (2, 3)
    assert ran.out == ""
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b\x07]", ran.err)
    assert ("Traceback" in ran.err) is ("--debug" in arguments)
    if "--limit" not in arguments:  # its panel quotes nothing
        assert "\\u202e" in ran.err


def test_commands_print_through_one_door() -> None:
    """Only ``_print`` and ``cli`` print; both escape."""
    door = Path(_print.__file__)
    raw = re.compile(r"(?<![\w.])print\((?!safe\()")
    others = (path for path in door.parent.glob("*.py") if path != door)
    assert [path.name for path in others if raw.search(path.read_text(encoding="utf-8"))] == []
