"""A wheel, installed where nothing else is, used from another folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import Environment, new_environment
from tests.exports import CommandExport

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
QUICK = ("--runs", "20", "--warmup", "1", "--repeats", "1")
BASE = (
    "adb-shell",
    "cmake",
    "cryptography",
    "jinja2",
    "markupsafe",
    "msgspec",
    "numpy",
    "pillow",
    "platformdirs",
    "rich",
    "typer",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    argv = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    argv += ["--no-index", "--quiet", "--wheel-dir", str(out), str(ROOT)]
    subprocess.run(argv, check=True, timeout=120)
    (made,) = out.glob("seaformer-*.whl")
    return made


def install(wheel: Path, root: Path, *packages: str) -> Environment:
    """The wheel beside what the base install declares, and ``packages``."""
    made = new_environment(root)
    for name in (*BASE, *packages):
        made.add(name)
    pip = [sys.executable, "-m", "pip", "--python", str(made.python), "install", "--quiet"]
    argv = [*pip, "--no-deps", "--no-index", "--no-warn-script-location", str(wheel)]
    subprocess.run(argv, check=True, timeout=120)
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Without any extra."""
    return install(wheel, tmp_path_factory.mktemp("clean"))


def test_the_wheel_holds_all_data_the_checkout_has(wheel: Path) -> None:
    argv = ["git", "ls-files", "seaformer"]
    listed = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    tracked = {name for name in listed.stdout.splitlines() if (ROOT / name).exists()}
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    assert tracked - packed == set()
    for part in (
        "seaformer/py.typed",
        "seaformer/core/zoo.json",
        "seaformer/core/paper/table02_ade20k.csv",
        "seaformer/agreement/photographs/china.jpg",
        "seaformer/agreement/photographs/flower.jpg",
        "seaformer/agreement/photographs/ATTRIBUTION.md",
        "seaformer/compare/templates/comparison.md.j2",
        "seaformer/report/renderers/templates/report.md.j2",
        "seaformer/report/html/assets/report.css",
        "seaformer/report/html/assets/page.js",
        "seaformer/runtime/runner/CMakeLists.txt",
        "seaformer/runtime/runner/main.cpp",
        "seaformer/runtime/runner/engine.h",
    ):
        assert part in packed
    extra = {n for n in packed if not n.startswith("seaformer/") and ".dist-info/" not in n}
    assert extra == set()


def test_the_wheel_declares_no_more_than_the_base_install(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        metadata = archive.read(name).decode()
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist: ")]
    base = [line for line in required if "extra ==" not in line]
    assert len(base) == len(BASE)
    assert all(any(f" {package}" in line for package in BASE) for line in base)


def test_the_base_install_is_used_from_another_folder(
    installed: Environment, tmp_path: Path
) -> None:
    empty = installed.run("report", cwd=tmp_path)
    assert (empty.returncode, empty.stdout) == (2, "")
    assert "The results folder results does not exist." in empty.stderr
    shutil.copytree(ROOT / "results" / "runs", tmp_path / "results" / "runs")
    for arguments in (("--help",), ("models",), ("report",)):
        told = installed.run(*arguments, cwd=tmp_path)
        assert told.returncode == 0, told.stderr
        assert told.stdout
    assert (tmp_path / "results" / "report.md").exists()
    assert "SeaFormer-T" in (tmp_path / "results" / "report.html").read_text()
    doctor = installed.run("doctor", cwd=tmp_path)
    assert "Traceback" not in doctor.stderr
    assert "pip install 'seaformer[export]'" in doctor.stdout
    script = installed.python.with_name("seaformer")
    version = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("seaformer ")


def test_the_data_files_are_read_from_where_they_were_installed(
    installed: Environment, tmp_path: Path
) -> None:
    script = (
        "import seaformer\n"
        "from pathlib import Path\n"
        "from seaformer.core.paper import __file__ as paper\n"
        "from seaformer.agreement.images import PHOTOGRAPHS, photograph\n"
        "from seaformer.runtime.build.runner import SOURCES, sources_sha256\n"
        f"assert Path(seaformer.__file__).is_relative_to({str(installed.root)!r})\n"
        "assert [photograph(n, 8, 8).shape for n in PHOTOGRAPHS] == [(1, 3, 8, 8)] * 2\n"
        "assert (SOURCES / 'CMakeLists.txt').is_file() and len(sources_sha256()) == 64\n"
        "assert len(list((Path(paper).parent / 'paper').glob('*.csv'))) > 15\n"
        "assert 'seaformer_t.ade20k' in seaformer.list_models()\n"
    )
    subprocess.run([installed.python, "-c", script], check=True, cwd=tmp_path, timeout=60)


def test_without_an_engine_a_bench_fetches_both_and_measures(
    wheel: Path, exported: CommandExport, tmp_path: Path
) -> None:
    with_pip = install(wheel, tmp_path / "environment", "pip")
    cache = {"SEAFORMER_CACHE": str(tmp_path / "cache")}
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    files = (str(exported.onnx), str(exported.executorch))
    told = with_pip.run("bench", *files, *QUICK, "--json", cwd=folder, **cache)
    assert told.returncode in (0, 5), told.stderr
    assert told.stderr.count("Fetching") == 2
    assert [d["failure"] for d in json.loads(told.stdout)] == [None, None]
    again = with_pip.run("bench", *files, *QUICK, "--json", cwd=folder, **cache)
    assert "Fetching" not in again.stderr


def test_with_an_engine_and_without_torch_a_bench_measures(
    wheel: Path,
    exported: CommandExport,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEAFORMER_CACHE", str(tmp_path / "cache"))
    with_engine = install(wheel, tmp_path / "environment", "onnxruntime")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    told = with_engine.run("bench", str(exported.onnx), *QUICK, "--json", cwd=folder)
    assert told.returncode in (0, 5), told.stderr
    (document,) = json.loads(told.stdout)
    assert document["methods"]["forward"]["output"]["passed"] is True
    assert len(list((folder / "results" / "runs").rglob("*.json"))) == 1
    mixed = with_engine.run(
        "bench", str(exported.executorch), str(exported.onnx), *QUICK, "--json", cwd=folder
    )
    assert mixed.returncode == 4, mixed.stderr
    without, measured = json.loads(mixed.stdout)
    assert "xecu" in without["failure"]
    assert measured["failure"] is None
