"""The README's generated parts are fresh, and its commands exist."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_tables_of_the_zoo_and_its_exports_are_those_the_models_and_proofs_give() -> None:
    spec = importlib.util.spec_from_file_location("readme", ROOT / "tools" / "readme.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.with_zoo(README) == README
    assert tool.with_differences(README) == README
    exports = (ROOT / "docs" / "exports.md").read_text(encoding="utf-8")
    assert tool.with_exports(exports) == exports


def test_every_command_and_option_of_the_readme_exists() -> None:
    lines = re.findall(r"^seaformer ([a-z]+)(.*?)(?:#.*)?$", README, flags=re.MULTILINE)
    assert len(lines) >= 8
    for command, rest in lines:
        helped = subprocess.run(
            [sys.executable, "-m", "seaformer", command, "--help"],
            capture_output=True,
            text=True,
            check=True,
            env={"COLUMNS": "200", "PATH": "/usr/bin:/bin"},
        )
        for option in re.findall(r"--[a-z]+", rest):
            assert option in helped.stdout, f"{command} {option}"


def test_files_the_readme_links_to_exist() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert all((ROOT / link).exists() for link in links if not link.startswith("http"))
