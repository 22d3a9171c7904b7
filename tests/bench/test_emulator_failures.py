"""What goes wrong on an emulated core is a row with a sentence, and the batch goes on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.bench.target import open_target
from seaformer.core.artifact import Artifact
from seaformer.core.cpu import find_emulated
from seaformer.core.errors import UnknownName
from seaformer.runtime.build.bundle import open_bundle
from seaformer.store.results import ResultStore
from tests import arm
from tests.bench.emulated import FORMATS, bench, target, unknown_operator
from tests.exports import half, small


def unknown_kernel(folder: Path) -> Artifact:
    """A real program of one operator, which bears a name no runtime knows."""
    import torch

    class Erf(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.erf()

    made = small("executorch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from executorch.exir import to_edge

        exported = torch.export.export(Erf().eval(), (torch.zeros(made.spec.input_shape),))
        program = to_edge(exported).to_executorch().buffer
    path = folder / "wish.pte"
    path.write_bytes(program.replace(b"aten::erf", b"aten::wis"))
    return replace(made, path=path, file=path.name, reference=None)


@pytest.mark.slow
def test_an_operator_the_runtime_lacks_is_a_row_and_the_batch_goes_on(tmp_path: Path) -> None:
    strange = [unknown_operator(tmp_path), unknown_kernel(tmp_path)]
    *bad, good = bench([*strange, small("executorch")], tmp_path / "results")
    for found, names in zip(bad, (("nobody.knows", "Magic"), ("aten::wis.out",)), strict=True):
        assert found.failure is not None
        assert all(name in found.failure for name in names)
        assert "\n" not in found.failure
        assert not found.valid
    assert good.valid
    stored = ResultStore(tmp_path / "results").load().measurements
    assert {one.failure for one in stored} == {*(one.failure for one in bad), None}


def damaged(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    shutil.copytree(arm.needed(arm.bundle).folder, folder)
    return folder


def test_a_bundle_that_lacks_a_library_is_a_row_for_each_file_that_names_it(
    tmp_path: Path,
) -> None:
    bundle = open_bundle(damaged(tmp_path))
    (bundle.folder / "libexecutorch_backend_xnnpack.so").unlink()
    artifacts = [small(format) for format in FORMATS]
    found = bench(artifacts, tmp_path / "results", on=target(bundle=bundle))
    assert len(found) == 2
    for one in found:
        assert one.failure is not None
        assert "libexecutorch_backend_xnnpack.so is missing" in one.failure


@pytest.mark.slow
def test_a_bundle_of_another_version_is_a_row_with_both_and_the_other_engine_goes_on(
    tmp_path: Path,
) -> None:
    bundle = open_bundle(damaged(tmp_path))
    engines = bundle.manifest.engines
    old = tuple(replace(e, version="1.0.0") if e.name == "onnxruntime" else e for e in engines)
    other = replace(bundle, manifest=replace(bundle.manifest, engines=old))
    artifacts = [small(format) for format in FORMATS]
    wrong, right = bench(artifacts, tmp_path / "results", on=target(bundle=other))
    assert wrong.failure is not None
    assert wrong.failure.startswith("The bundle is of another version: expected onnxruntime 1.0.0")
    (version,) = (e.version for e in engines if e.name == "onnxruntime")
    assert f"got {version}" in wrong.failure
    assert right.valid


@pytest.mark.slow
def test_a_core_other_than_its_cpuinfo_says_is_a_row_and_the_batch_goes_on(
    tmp_path: Path,
) -> None:
    # Half-precision kernels are chosen for what /proc/cpuinfo lists; an A72 has no such arithmetic.
    wrong = replace(find_emulated(arm.A76), qemu="cortex-a72")
    halved, single = bench([half("onnx"), small("executorch")], tmp_path, on=target(wrong))
    assert halved.failure == (
        "The emulated Cortex-A76 met an instruction it does not have (SIGILL): "
        "the kernels were chosen for another core."
    )
    assert single.valid


def test_a_core_this_emulator_does_not_know_is_a_row_with_the_cores_name(tmp_path: Path) -> None:
    unknown = replace(find_emulated(arm.A76), qemu="cortex-a67")
    (found,) = bench([small("onnx")], tmp_path, on=target(unknown))
    told = f"qemu {arm.qemu().version} does not support the core cortex-a67."
    assert found.failure == told


def emulators() -> list[int]:
    """Emulators that this very process has started."""
    asked = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "pid=,comm="],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return [int(line.split()[0]) for line in asked.stdout.splitlines() if "qemu-aarch64" in line]


def test_an_emulator_that_is_killed_is_a_row_and_the_batch_goes_on(tmp_path: Path) -> None:
    killed: list[int] = []

    def kill_the_first() -> None:
        end = time.monotonic() + 60
        while not killed and time.monotonic() < end:
            for pid in emulators():
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
                return
            time.sleep(0.02)

    killer = threading.Thread(target=kill_the_first)
    killer.start()
    found = bench([small("onnx"), small("executorch")], tmp_path)
    killer.join()
    assert len(killed) == 1
    failures = [one.failure for one in found if one.failure is not None]
    assert failures == ["The emulator was killed by SIGKILL before the runner could answer."]
    assert [one.valid for one in found].count(True) == 1


def test_a_core_that_does_not_exist_is_named_before_anything_is_built() -> None:
    with pytest.raises(UnknownName, match="Unknown emulated core 'cortex-a67'") as caught:
        open_target("emulator:cortex-a67")
    assert caught.value.hint == "Did you mean cortex-a76?"


def test_the_command_line_refuses_a_wrong_core_with_2() -> None:
    argv = ["bench", "--device", "emulator:cortex-a67", "--variant", "t"]
    done = subprocess.run(
        [sys.executable, "-m", "seaformer", *argv],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "Did you mean cortex-a76?" in done.stderr
    assert "Traceback" not in done.stderr
