"""The bundle for ARM devices: that it runs from its folder alone, and what is refused."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seaformer.bench.runner_io import RunnerReport
from seaformer.commands.runner import BundleOptions
from seaformer.core import codec, files
from seaformer.core.cpu import find_emulated
from seaformer.core.errors import (
    ChecksumMismatch,
    CorruptArtifact,
    MissingExtra,
    SeaFormerError,
    UsageError,
)
from seaformer.runtime.build import arm64 as _arm64
from seaformer.runtime.build import arm64_wheels as _arm64_wheels
from seaformer.runtime.build.android import EnginePath, build_android_bundle
from seaformer.runtime.build.arm64 import build_arm64_bundle, find_arm64_bundle, prove_bundle
from seaformer.runtime.build.arm64_wheels import unpack_arm64_wheels
from seaformer.runtime.build.bundle import LOADER, MANIFEST, Bundle, open_bundle
from seaformer.runtime.build.compiled import built_libraries
from seaformer.runtime.build.engines import EngineFiles, installed_engines
from seaformer.runtime.build.toolchain import Toolchain
from tests import arm
from tests.runtime.conftest import Models, output

TOOLCHAIN = """
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_SKIP_RPATH ON)
"""


@pytest.fixture
def copy(tmp_path: Path) -> Bundle:
    """A bundle in a folder that was not there when it was made."""
    made = arm.needed(arm.bundle)
    folder = tmp_path / "a folder, elsewhere"
    shutil.copytree(made.folder, folder)
    return open_bundle(folder)


def run(bundle: Bundle, *flags: str) -> subprocess.CompletedProcess[str]:
    """The runner of a bundle from inside its folder with nothing in its environment."""
    argv = arm.needed(arm.qemu).argv(find_emulated(arm.A76), [*bundle.argv("."), *flags])
    return subprocess.run(
        argv, capture_output=True, text=True, check=False, timeout=120, env={}, cwd=bundle.folder
    )


def needed_libraries(bundle: Bundle) -> int:
    """How many others need: all but the runner and what it opens by itself."""
    opened = {engine.library for engine in bundle.manifest.engines if engine.library}
    return len(bundle.manifest.files) - len(opened) - 1


def test_a_bundle_is_named_after_its_contents_and_says_what_is_in_it() -> None:
    made = arm.needed(arm.bundle)
    assert made.folder.name == made.manifest.content_id
    built = built_libraries("arm64")  # of an engine without a wheel, where the cache has one
    here = {engine.name: engine.version or "" for engine in (*installed_engines(), *built)}
    versions = {engine.name: engine.version for engine in made.manifest.engines}
    assert versions == {name: version.split("+")[0] for name, version in here.items()}
    assert versions.keys() >= {"executorch", "onnxruntime"}
    listed = {file.name for file in made.manifest.files} | {MANIFEST}
    assert listed == {path.name for path in made.folder.iterdir()}
    assert made.size_bytes == sum(file.size_bytes for file in made.manifest.files)
    assert find_arm64_bundle() == made


def test_a_library_of_another_recipe_and_the_same_version_makes_another_bundle(
    tmp_path: Path,
) -> None:
    library = tmp_path / "libncnn.so.1"
    toolchain = Toolchain("arm64", Path("g++"), "g++ 12", Path("cmake"), "Ninja")
    keys = set()
    for content in (b"one recipe", b"another"):
        library.write_bytes(content)
        keys.add(_arm64._build_id([EngineFiles("ncnn", "1.0", library=library)], toolchain))
    assert len(keys) == 2


def test_every_file_of_a_bundle_is_for_64_bit_arm() -> None:
    for file in (made := arm.needed(arm.bundle)).manifest.files:
        head = (made.folder / file.name).read_bytes()[:20]
        assert head[:5] == b"\x7fELF\x02", file.name
        assert int.from_bytes(head[18:20], "little") == 183, file.name


@pytest.mark.parametrize("engine", ["executorch", "onnxruntime"])
def test_a_copied_bundle_answers_as_the_eager_model_from_its_folder_alone(
    engine: str, copy: Bundle, models: Models, tmp_path: Path
) -> None:
    model = models.pte if engine == "executorch" else models.onnx
    flags = ["--engine", engine, "--model", str(model), "--input", str(models.image)]
    flags += ["--warmup", "0", "--runs", "1", "--output-dir", str(tmp_path / "out"), "--marker"]
    library = copy.library(engine, ".")
    assert (library is not None) == (engine == "onnxruntime")
    flags += ["--library", library] if library else []
    done = run(copy, *flags)
    assert done.returncode == 0, done.stderr
    report = RunnerReport.parse(done.stdout)
    assert np.allclose(output(report), models.expected, atol=1e-5)
    assert report.markers
    assert report.runner.build_id == copy.manifest.build_id
    assert report.threads.effective == 1


def test_a_bundle_opens_no_library_of_another_place() -> None:
    made = arm.needed(arm.bundle)
    proof = prove_bundle(made)
    assert f"all {needed_libraries(made)} libraries are of this folder" in proof
    assert "empty environment" in proof


@pytest.mark.parametrize("name", ["libstdc++.so.6", "libonnxruntime.so.1", LOADER])
def test_a_bundle_without_a_library_is_refused_by_that_name(name: str, copy: Bundle) -> None:
    (copy.folder / name).unlink()
    with pytest.raises(ChecksumMismatch, match=f"{name} is missing".replace("+", r"\+")) as caught:
        copy.check()
    assert caught.value.hint == "Make it again: seaformer runner build --target arm64"


def test_a_library_that_is_another_one_is_found_by_size_or_by_hash(copy: Bundle) -> None:
    path = copy.folder / "libm.so.6"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    copy.check()
    with pytest.raises(ChecksumMismatch, match=r"libm\.so\.6 is not the file of the manifest"):
        copy.check(contents=True)
    path.write_bytes(data[:-1])
    with pytest.raises(ChecksumMismatch, match="bytes, expected"):
        copy.check()


def test_a_bundle_that_lacks_a_library_and_does_not_know_it_fails_its_proof(copy: Bundle) -> None:
    (copy.folder / "libgcc_s.so.1").unlink()
    kept = tuple(file for file in copy.manifest.files if file.name != "libgcc_s.so.1")
    with pytest.raises(SeaFormerError, match=r"libgcc_s\.so\.1"):
        prove_bundle(replace(copy, manifest=replace(copy.manifest, files=kept)))


def test_a_damaged_bundle_in_the_cache_is_not_used(
    copy: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, built = tmp_path / "cache", built_libraries("arm64")
    monkeypatch.setattr(_arm64, "built_libraries", lambda target: built)
    (home / "bundle").mkdir(parents=True)
    copy.folder.rename(home / "bundle" / "x")
    monkeypatch.setenv("SEAFORMER_CACHE", str(home))
    assert find_arm64_bundle() is not None
    (home / "bundle" / "x" / "libc.so.6").write_bytes(b"")
    assert find_arm64_bundle() is None


def test_a_folder_that_is_no_bundle_says_so(tmp_path: Path) -> None:
    with pytest.raises(CorruptArtifact):
        open_bundle(tmp_path)


def test_on_a_device_the_bundled_loader_starts_the_runner() -> None:
    made = Bundle(Path("/here"), arm.needed(arm.bundle).manifest)
    home = "/data/local/tmp/seaformer"
    loader = [f"{home}/ld-linux-aarch64.so.1", "--library-path", home]
    assert made.argv(home) == [*loader, f"{home}/seaformer_runner"]
    assert made.library("executorch", home) is None
    assert made.library("onnxruntime", home) == f"{home}/libonnxruntime.so.1"
    android = replace(made, manifest=replace(made.manifest, system="android"))
    assert android.argv(home) == [f"{home}/seaformer_runner"]


def fake_wheel(folder: Path, name: str, wanted: str, told: str) -> Path:
    """A wheel in the cache whose name says one version and whose metadata another."""
    python = "".join(platform.python_version_tuple()[:2])
    path = folder / "wheels" / f"{name}-{wanted}-cp{python}-cp{python}-manylinux_aarch64.whl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}-{told}.dist-info/METADATA", f"Name: {name}\nVersion: {told}\n")
    return path


@pytest.mark.parametrize("name", ["executorch", "onnxruntime"])
def test_a_wheel_of_another_version_is_refused_and_thrown_away(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAFORMER_CACHE", str(tmp_path))
    path = fake_wheel(tmp_path, name, "1.5.1", "1.4.0")
    host = [EngineFiles(name, "1.5.1+cpu" if name == "executorch" else "1.5.1")]
    with pytest.raises(SeaFormerError, match=f"wheel of {name} is version 1.4.0; 1.5.1") as caught:
        unpack_arm64_wheels(host, tmp_path / "out", lambda sentence: None)
    assert "Both must be the same" in caught.value.hint
    assert not path.exists()


def test_without_an_engine_here_a_device_gets_the_versions_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAFORMER_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(_arm64_wheels, "installed_engines", tuple)
    fake_wheel(tmp_path, "executorch", "1.4.0", "1.4.0")
    fake_wheel(tmp_path, "onnxruntime", "1.31.1", "1.31.1")
    with pytest.raises(MissingExtra, match=r"executorch==1\.5\.1 for manylinux"):
        _arm64_wheels.engine_versions(lambda sentence: None)
    fake_wheel(tmp_path, "executorch", "1.5.1", "1.5.1")
    engines = _arm64_wheels.engine_versions(lambda sentence: None)
    versions = {engine.name: engine.version for engine in engines}
    assert versions == {"executorch": "1.5.1", "onnxruntime": "1.31.1"}


def test_a_wheel_that_is_cut_short_is_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAFORMER_CACHE", str(tmp_path))
    path = fake_wheel(tmp_path, "onnxruntime", "1.31.1", "1.31.1")
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(SeaFormerError, match="cannot be unpacked"):
        unpack_arm64_wheels([EngineFiles("onnxruntime", "1.31.1")], tmp_path / "out", print)
    assert not path.exists()


def test_the_command_ends_with_2_and_the_apt_line_where_no_cross_compiler_is(
    tmp_path: Path,
) -> None:
    if platform.machine() in ("aarch64", "arm64"):
        pytest.skip("this machine's own compiler is one for ARM")
    environment = os.environ | {"SEAFORMER_CACHE": str(tmp_path), "PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "seaformer", "runner", "build", "--target", "arm64"],
        capture_output=True, text=True, check=False, timeout=60, env=environment,
    )  # fmt: skip
    assert done.returncode == MissingExtra.exit_code == 2
    assert "no aarch64-linux-gnu-g++ is on the PATH" in done.stderr
    assert "sudo apt-get install g++-aarch64-linux-gnu" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bundle_that_is_cached_needs_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    made, nothing = arm.needed(arm.bundle), Path("/nonexistent")
    monkeypatch.setenv("PATH", str(nothing))
    assert build_arm64_bundle() == made


@pytest.mark.parametrize(
    ("options", "target", "told"),
    [
        (BundleOptions(toolchain=Path("a.cmake")), "host", "--toolchain is for --target arm64"),
        (BundleOptions(ndk=Path("n"), toolchain=Path("t")), "arm64", "give --ndk or --toolchain"),
        (BundleOptions(engine_files=("executorch=e",)), "host", "--engine-files is for --target"),
        (BundleOptions(engine_files=("executorch=e",)), "arm64", "--engine-files goes with --ndk"),
        (BundleOptions(ndk=Path("n"), engine_files=("e",)), "arm64", r"must be NAME=PATH .*got e"),
        (BundleOptions(ndk=Path("n"), engine_files=("coreml=e",)), "arm64", "got coreml=e"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    options: BundleOptions, target: str, told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        options.check(target)
    BundleOptions().check(target)


def test_a_toolchain_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        build_arm64_bundle(toolchain_file=tmp_path / "missing.cmake")


def test_an_ndk_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not an Android NDK"):
        build_android_bundle(tmp_path, [EnginePath("executorch", tmp_path)])
    file = tmp_path / "build" / "cmake" / "android.toolchain.cmake"
    files.write_text(file, "")
    with pytest.raises(UsageError, match="requires an engine built for Android"):
        build_android_bundle(tmp_path, [])


@pytest.mark.slow
def test_a_bundle_of_a_toolchain_file_runs_alone_and_has_the_same_libraries(
    tmp_path: Path,
) -> None:
    plain = arm.needed(arm.bundle)
    path = tmp_path / "arm64.cmake"
    path.write_text(TOOLCHAIN)
    made = build_arm64_bundle(toolchain_file=path)
    try:
        libraries = f"all {needed_libraries(made)} libraries"
        assert f"{libraries} are of this folder" in made.manifest.proof
        assert {file.name for file in made.manifest.files} == {
            file.name for file in plain.manifest.files
        }
        same = {file.sha256 for file in made.manifest.files} & {
            file.sha256 for file in plain.manifest.files
        }
        assert len(same) == len(plain.manifest.files) - 1  # all but the runner, which is new
    finally:
        files.remove(made.folder)


def test_the_manifest_is_read_back_from_its_json() -> None:
    made = arm.needed(arm.bundle)
    data = json.loads((made.folder / MANIFEST).read_text())
    assert codec.to_json(made.manifest) == data
