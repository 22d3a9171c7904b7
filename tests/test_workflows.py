"""What continuous integration is asked to run is there to be run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SCRIPTS = [ROOT / ".ci" / "run", ROOT / "check", *sorted((ROOT / "tools").glob("*.sh"))]


def jobs(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    return found


def commands(path: Path) -> list[str]:
    """Every line of every ``run:`` step."""
    steps = [step for job in jobs(path).values() for step in job["steps"]]
    return [line.strip() for step in steps for line in step.get("run", "").splitlines()]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_command_of_a_workflow_exists(path: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    lines = commands(path)
    assert lines
    for line in lines:
        program, *arguments = line.split()
        if program == "make":
            assert arguments[0] in targets, line
        elif program == "bash":
            assert (ROOT / arguments[0]).is_file(), line
        elif program.startswith("tools/"):
            assert os.access(ROOT / program, os.X_OK), line
        else:
            assert (program, arguments[0]) == ("sudo", "apt-get"), line


def test_every_supported_python_is_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    prefix = "Programming Language :: Python :: 3."
    listed = [line.removeprefix(prefix[:-2]) for line in project["classifiers"] if prefix in line]
    tests = jobs(ROOT / ".github" / "workflows" / "ci.yml")["test"]
    assert tests["strategy"]["matrix"]["python"] == listed
    assert project["requires-python"] == f">={listed[0]}"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_only_read_and_ends_by_itself(path: Path) -> None:
    whole = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert whole["permissions"] == {"contents": "read"}
    for job in jobs(path).values():
        assert 0 < job["timeout-minutes"] <= 120
        checkout = next(step for step in job["steps"] if "checkout" in step.get("uses", ""))
        assert checkout["with"]["persist-credentials"] is False


def test_text_from_a_pull_request_reaches_no_shell_but_as_a_variable() -> None:
    for path in WORKFLOWS:
        assert not [line for line in commands(path) if "${{" in line]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_script_is_one_that_bash_can_read(script: Path) -> None:
    assert os.access(script, os.X_OK)
    bash = shutil.which("bash")
    assert bash is not None
    subprocess.run([bash, "-n", script], check=True, timeout=30)


def test_a_base_that_is_not_a_commit_is_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / "tools" / "latency.sh", "no-such-commit", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("latency.sh: no-such-commit is not a commit here")
    assert not (tmp_path / "out").exists()
