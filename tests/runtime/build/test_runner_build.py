"""Building the runner: once per content, whole or absent, and a sentence for what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from seaformer.core.errors import MissingExtra, SeaFormerError
from seaformer.runtime.build import runner as _runner_build
from seaformer.runtime.build import toolchain as _toolchain
from seaformer.runtime.build.engines import EngineFiles, files_of, installed_engines
from seaformer.runtime.build.runner import SOURCES, build_host_runner, find_host_runner
from seaformer.runtime.build.toolchain import find_toolchain
from tests.requirements import skip_for
from tests.runtime.conftest import CppRunner, Models


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEAFORMER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "runner"


@pytest.fixture
def onnx_only(monkeypatch: pytest.MonkeyPatch) -> tuple[EngineFiles, ...]:
    """As where the ExecuTorch wheel is not installed; such a build takes a few seconds."""
    engines = tuple(e for e in installed_engines() if e.name == "onnxruntime")
    monkeypatch.setattr(_runner_build, "installed_engines", lambda: engines)
    return engines


def test_a_second_build_is_the_first_one(cpp: CppRunner) -> None:
    said: list[str] = []
    assert build_host_runner(said.append) == cpp.build == find_host_runner()
    assert said == []
    assert cpp.build.engines == ("executorch", "litert", "ncnn", "onnxruntime")
    linked, opened = (files_of(name, cpp.build.files) for name in ("executorch", "onnxruntime"))
    assert linked is not None
    assert linked.version
    assert linked.root is not None
    assert linked.root.is_dir()
    assert cpp.build.library("executorch") is None
    assert opened is not None
    assert opened.library == cpp.build.library("onnxruntime") is not None


@pytest.mark.usefixtures("cpp", "onnx_only")
def test_two_builders_at_once_give_one_build_with_the_engine_there_is(
    cache: Path, models: Models
) -> None:
    assert find_host_runner() is None
    said: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        first, second = (pool.submit(build_host_runner, said.append) for _ in range(2))
        build = first.result()
        assert second.result() == build == find_host_runner()
    assert sum(sentence.startswith("Building") for sentence in said) == 1
    assert [path.name for path in cache.iterdir() if path.is_dir()] == [build.build_id]
    made = sorted(path.name for path in build.binary.parent.iterdir())
    assert made == ["build.log", "runner.json", "seaformer_runner"]
    assert build.engines == ("litert", "ncnn", "onnxruntime")  # all are opened when they are used
    assert files_of("executorch", build.files) is None
    assert CppRunner(build)("onnxruntime", models.onnx).report.engine.name == "onnxruntime"
    code, kind, message = CppRunner(build)("executorch", models.pte).error
    assert (code, kind) == (4, "engine")
    assert message == "This runner was built without executorch."

    whole = build.binary.read_bytes()
    for damaged in (b"#!/bin/sh\necho '{}'\n", whole[: len(whole) // 2]):
        build.binary.write_bytes(damaged)
        assert find_host_runner() is None
    assert build_host_runner() == build
    assert CppRunner(build)("onnxruntime", models.onnx).report.engine.name == "onnxruntime"


@pytest.mark.usefixtures("cpp", "onnx_only")
def test_a_failed_build_quotes_its_log_and_leaves_no_build(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "runner"
    shutil.copytree(SOURCES, broken)
    (broken / "flags.cpp").write_text("this is no C++\n")
    monkeypatch.setattr(_runner_build, "SOURCES", broken)
    with pytest.raises(
        SeaFormerError, match="could not be built: cmake --build: exit code"
    ) as raised:
        build_host_runner()
    assert "this is no C++" in raised.value.message
    assert "failed.log" in raised.value.hint
    assert (cache / "failed.log").is_file()
    assert not [path for path in cache.iterdir() if path.is_dir()]
    assert find_host_runner() is None


@pytest.mark.usefixtures("cpp")
def test_other_sources_are_another_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = tmp_path / "runner"
    shutil.copytree(SOURCES, changed)
    with (changed / "timing.cpp").open("a") as stream:
        stream.write("// changed\n")
    monkeypatch.setattr(_runner_build, "SOURCES", changed)
    assert find_host_runner() is None


def test_no_compiler_names_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(MissingExtra, match=r"C\+\+17 compiler") as raised:
        find_toolchain()
    assert raised.value.hint == "sudo apt-get install g++"


def test_an_old_cmake_is_told_from_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_toolchain, "package_folder", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", str(_program(tmp_path / "c++", "c++ 12")))
    with pytest.raises(MissingExtra, match=r"CMake 3\.28 or newer, found none"):
        find_toolchain()
    _program(tmp_path / "cmake", "cmake version 3.25.1")
    with pytest.raises(MissingExtra, match=r"found 3\.25\.1 at ") as raised:
        find_toolchain()
    assert raised.value.hint == "pip install 'cmake>=3.28'"
    _program(tmp_path / "cmake", "cmake version 4.0.0-rc1")
    with pytest.raises(MissingExtra, match="ninja or make"):
        find_toolchain()
    _program(tmp_path / "make", "GNU Make")
    assert find_toolchain().generator == "Unix Makefiles"


@pytest.mark.usefixtures("cache")
def test_no_engine_that_is_installed_or_can_be_fetched_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_runner_build, "installed_engines", tuple)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(MissingExtra, match=r"onnxruntime<.* is not installed") as raised:
        build_host_runner()
    assert "pip install 'seaformer[export]'" in raised.value.hint


def test_cpp_unit_tests_pass(tmp_path: Path) -> None:
    try:
        tools = find_toolchain()
    except MissingExtra as error:
        skip_for(error)
    ctest = tools.cmake.with_name("ctest")
    configure: list[str | Path] = [tools.cmake, "-S", SOURCES, "-B", tmp_path]
    configure += ["-G", tools.generator]
    steps: tuple[list[str | Path], ...] = (
        [
            *configure,
            "-DSEAFORMER_ENGINES=",
            "-DSEAFORMER_BUILD_TESTS=ON",
            "-DCMAKE_CXX_FLAGS=-Werror",
        ],
        [tools.cmake, "--build", tmp_path, "--parallel", "2"],
        [ctest, "--test-dir", tmp_path, "--output-on-failure", "--no-tests=error"],
    )
    for argv in steps:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr


def _program(path: Path, says: str) -> Path:
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    assert os.access(path, os.X_OK)
    return path
