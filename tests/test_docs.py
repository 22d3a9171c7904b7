"""The documentation agrees with the code: generated tables, links, commands, names and limits."""

from __future__ import annotations

import ast
import importlib
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main
from typer.core import TyperGroup

import seaformer
from seaformer.agreement.images import MEAN, STD
from seaformer.cli import app
from seaformer.core import errors
from seaformer.core.precision import precisions
from seaformer.core.zoo import entries
from seaformer.sweep.division import COMMANDS
from tests.pages import (
    DOCS,
    PAGES,
    ROOT,
    anchors,
    command_lines,
    dead_links,
    fences,
    links,
    read,
)
from tests.pages import tool as load_tool

WRITTEN = [page for page in PAGES if page.name != "CHANGELOG.md"]
SOURCES = sorted((ROOT / "seaformer").rglob("*.py"))
SHOWN = re.compile(r"^\| `?(\d+)`? \|", re.MULTILINE)


def names(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return load_tool("docs")


def test_no_stored_run_names_a_folder_of_the_machine_that_made_it() -> None:
    runs = sorted((ROOT / "results").rglob("runs/*/*.json"))
    assert runs
    commands = {path.name: json.loads(path.read_text())["command"] for path in runs}
    assert [name for name, command in commands.items() if re.search(r"(^|[ =])[/~]", command)] == []


# Generated parts.


@pytest.mark.parametrize("page", WRITTEN, ids=names(WRITTEN))
def test_generated_blocks_are_what_the_models_proofs_and_results_give(
    tool: ModuleType, page: Path
) -> None:
    assert tool.fresh(read(page)) == read(page), "make docs"


def test_every_family_of_the_zoo_has_one_table(tool: ModuleType) -> None:
    families = {entry.spec.family for entry in entries().values()}
    shown = [name for name in tool.blocks(read(DOCS / "models.md")) if name.startswith("zoo ")]
    assert sorted(shown) == sorted(f"zoo {family}" for family in families)


def test_every_model_is_listed_once(tool: ModuleType) -> None:
    text = read(DOCS / "models.md")
    assert [name for name in entries() if text.count(f"| {name} |") != 1] == []


def test_a_stale_block_is_rewritten(tool: ModuleType) -> None:
    page = "before\n<!-- count: make docs -->\nold\n<!-- end of count -->\nafter\n"
    assert tool.fresh(page) != page
    assert f"{len(entries())} models" in tool.fresh(page)
    assert tool.fresh(tool.fresh(page)) == tool.fresh(page)


def test_the_demo_of_the_readme_is_two_engines_beside_each_other(tool: ModuleType) -> None:
    text = tool.demo()
    assert max(map(len, text.splitlines())) <= tool.COLUMNS
    for engine in ("onnxruntime", "executorch"):
        assert f"seaformer_t.ade20k  {engine}" in text
    assert "slower than" in text


# Links.


@pytest.mark.parametrize("page", PAGES, ids=names(list(PAGES)))
def test_no_link_is_dead(page: Path) -> None:
    assert dead_links(page, read(page)) == []


def test_a_dead_file_a_dead_heading_and_an_insecure_link_are_found() -> None:
    text = "# Here\n\n## Here\n[a](cli.md) [b](#here-1) [c](#gone) ![d](no.png) [e](http://x.org)\n"
    text += (
        "[f](cli.md#exit-codes) [g](cli.md#no-such-heading) `[h](no.md)`\n```\n[i](no.md)\n```\n"
    )
    dead = ["#gone", "no.png", "http://x.org", "cli.md#no-such-heading"]
    assert dead_links(DOCS / "models.md", text) == dead
    assert anchors("# What's new, in `a.b`?\n```\n# no\n```\n") == {"whats-new-in-ab"}


def test_every_page_is_in_the_index_and_in_reach_of_the_readme() -> None:
    index = {link for link in links(read(DOCS / "README.md")) if "/" not in link}
    assert index == {page.name for page in DOCS.glob("*.md")} - {"README.md"}
    assert "docs/README.md" in links(read(ROOT / "README.md"))


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_a_page_opens_with_its_name_and_one_sentence(page: Path) -> None:
    heading, _, rest = read(page).partition("\n\n")
    assert re.fullmatch(r"# [A-Z][^\n]*", heading)
    sentence = rest.partition("\n\n")[0].replace("\n", " ")
    assert re.fullmatch(r"[A-Z][^|]*\.", sentence)


# Commands.


def command_of(path: list[str]) -> tuple[Any, list[str]]:
    """The command that a line names, and the words that follow it."""
    command: Any = typer.main.get_command(app)
    while isinstance(command, TyperGroup) and path and not path[0].startswith("-"):
        assert path[0] in command.commands, f"no command {path[0]}"
        command, path = command.commands[path[0]], path[1:]
    below = getattr(command, "commands", {})  # of one command with arguments: estimate calibrate
    if path and path[0] in below:
        command, path = below[path[0]], path[1:]
    return command, path


@pytest.mark.parametrize("page", WRITTEN, ids=names(WRITTEN))
def test_every_command_and_option_exists(page: Path) -> None:
    for line in command_lines(read(page)):
        if line.startswith("COMMAND"):
            continue
        command, words = command_of(shlex.split(line.replace("<serial>", "SERIAL")))
        known = {option for param in command.params for option in param.opts} | {"--help"}
        if command.name == "sweep":  # the command that it divides has options of its own
            inner, _ = command_of([word for word in words if word in COMMANDS][:1])
            known |= {option for param in inner.params for option in param.opts}
        options = [word.partition("=")[0] for word in words if word.startswith("--")]
        assert [option for option in options if option not in known] == [], line


def test_the_pages_show_many_commands() -> None:
    assert sum(len(list(command_lines(read(page)))) for page in WRITTEN) >= 50


def test_every_command_is_in_the_table_of_the_command_line() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    rows = re.findall(r"^\| `([a-z]+)[a-z ]*` \|", read(DOCS / "cli.md"), re.MULTILINE)
    assert sorted(rows) == sorted(group.commands)


@pytest.mark.parametrize("page", WRITTEN, ids=names(WRITTEN))
def test_python_code_compiles_and_names_what_exists(page: Path) -> None:
    for fence in fences(read(page)):
        if fence.language != "python":
            continue
        for node in ast.walk(ast.parse(fence.text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("seaformer"):
                module = importlib.import_module(node.module or "")
                assert all(hasattr(module, alias.name) for alias in node.names)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert node.value.id != "seaformer" or node.attr in seaformer.__all__


def test_every_function_of_the_package_is_documented() -> None:
    functions = [name for name in seaformer.__all__ if not name.startswith("__")]
    text = read(DOCS / "python.md")
    assert len(functions) >= 7
    assert [name for name in functions if f"| `{name}(" not in text] == []


# What a page lists is what the code has.


def constants() -> Iterator[str]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_every_environment_variable_is_documented() -> None:
    name = re.compile(r"(SEAFORMER|ANDROID|ADB|ORT|GITHUB|XDG)_[A-Z_]{3,}|CC|CXX")
    cmake = read(ROOT / "seaformer" / "runtime" / "runner" / "CMakeLists.txt")
    of_cmake = set(re.findall(r"SEAFORMER_\w+", cmake))
    used = {text for text in constants() if name.fullmatch(text)} - of_cmake
    assert {"SEAFORMER_CACHE", "ORT_DISABLE_TELEMETRY", "CXX"} <= used
    assert [variable for variable in sorted(used) if variable not in read(DOCS / "cli.md")] == []


def test_every_exit_code_is_documented() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, errors.SeaFormerError)}
    section = read(DOCS / "cli.md").partition("## Exit codes")[2].partition("\n## ")[0]
    assert {int(code) for code in SHOWN.findall(section)} == codes | {0, 130}


def test_every_folder_of_the_cache_is_documented() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in SOURCES)
    folders = set(re.findall(r"cache_dir\(\) / \"([\w-]+)\"", text))
    section = read(DOCS / "cli.md").partition("## Where files go")[2]
    assert len(folders) >= 6
    assert [name for name in sorted(folders) if not re.search(rf"[/`]{name}`", section)] == []


def flags() -> Iterator[str]:
    """The names that a flag of a measurement can have, up to where a name varies."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Flag"):
                continue
            first = node.args[0] if node.args else None
            name = first.values[0] if isinstance(first, ast.JoinedStr) else first
            if isinstance(name, ast.Constant):
                yield str(name.value)


def test_every_file_that_the_architecture_names_is_in_its_folder() -> None:
    section = read(ROOT / "ARCHITECTURE.md").partition("## Where things are")[2]
    rows = re.findall(r"^\| `([\w/]+)/` \| (.*) \|$", section, re.MULTILINE)
    packages = {path.parent.name for path in (ROOT / "seaformer").glob("*/__init__.py")}
    assert packages <= {folder for folder, _ in rows}
    for folder, text in rows:
        if folder == "results":  # beside the package, and made by a command
            continue
        paths = list((ROOT / "seaformer" / folder).rglob("*"))
        present = {path.name for path in paths} | {path.stem for path in paths} | {"report.html"}
        named = [word for code in re.findall(r"`([^`]+)`", text) for word in code.split()]
        assert [name for name in named if name.rstrip("/") not in present] == [], folder


def test_every_note_of_a_row_is_documented() -> None:
    text = "".join(read(DOCS / f"{page}.md") for page in ("measuring", "phone", "boards"))
    assert len(set(flags())) >= 25
    assert [name for name in sorted(set(flags())) if f"`{name}" not in text] == []


def test_the_input_of_a_network_is_documented() -> None:
    text = read(DOCS / "exports.md")
    for channel, mean, std in zip("RGB", MEAN, STD, strict=True):
        assert f"| {channel} | {mean:g} | {std:g} |" in text
    assert "**R, G, B**" in text


def test_the_tolerances_of_a_proof_are_documented() -> None:
    text = read(DOCS / "exports.md")
    for row in precisions():
        limit = row.tolerance
        psnr = f"{limit.psnr_db:g} dB |" if limit.psnr_db else "|"
        share = f"{100 * limit.argmax_agreement:g} % of the positions"
        assert f"| {row.name} | {limit.relative_error:g} | {share} | {psnr}" in text
