"""Benches on an emulated ARM core: real engines, a small network, every instruction counted."""

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

from seaformer.bench.code_blocks import block_target, write_blocks_of
from seaformer.bench.run import Bench
from seaformer.bench.target import open_target
from seaformer.bench.targets.emulator import EmulatorTarget
from seaformer.bench.targets.host import HostTarget
from seaformer.commands._options import PlanOptions
from seaformer.commands._parse import run_plan
from seaformer.core import files
from seaformer.core.artifact import Artifact
from seaformer.core.code_blocks import load_blocks
from seaformer.core.cpu import Core, find_emulated
from seaformer.core.errors import CorruptArtifact, UnknownName, UsageError
from seaformer.core.measurement import EMULATED, Measurement, document
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.models import create_model
from seaformer.models._complexity import macs
from seaformer.runtime.build.bundle import open_bundle
from seaformer.store.results import ResultStore
from tests import arm
from tests.exports import half, small

ONE = RunPlan(processes=1, warmup=Warmup(runs=1), stop=Stop(runs=1))
FORMATS = ["onnx", "executorch"]


def target(core: str | Core = arm.A76, **changes: object) -> EmulatorTarget:
    given = {"bundle": arm.needed(arm.bundle), "qemu": arm.needed(arm.qemu)}
    profile = find_emulated(core) if isinstance(core, str) else core
    given |= {"core": profile, "counter": arm.needed(arm.counter)}
    return EmulatorTarget(**(given | changes))  # type: ignore[arg-type]


def bench(
    artifacts: list[Artifact], root: Path, plan: RunPlan = ONE, on: EmulatorTarget | None = None
) -> list[Measurement]:
    return Bench(on or target(), plan, ResultStore(root)).run(artifacts)


def flags(measurement: Measurement) -> dict[str, str]:
    return {flag.name: flag.detail for flag in measurement.flags}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Measurement]:
    """Both formats in fp32, two fresh processes each."""
    root = tmp_path_factory.mktemp("results")
    artifacts = [small(format) for format in FORMATS]
    found = bench(artifacts, root, replace(ONE, processes=2))
    stored = sorted(path.name for path in root.rglob("runs/*/*.json"))
    assert [name.endswith("__emulated.json") for name in stored] == [True, True]
    return dict(zip(FORMATS, found, strict=True))


@pytest.mark.parametrize("format", FORMATS)
def test_an_emulated_run_says_so_and_answers_as_the_eager_model(
    format: str, measured: dict[str, Measurement]
) -> None:
    found = measured[format]
    assert found.failure is None
    assert found.valid
    assert (found.source, found.target, found.device.architecture) == (
        EMULATED,
        "emulator",
        "aarch64",
    )
    assert "peak memory includes it" in flags(found)["emulated"]
    run = found.methods["forward"]
    assert run.output is not None
    assert run.output.passed
    assert run.output.max_abs < 1e-3
    assert run.output.psnr_db is not None
    assert run.output.psnr_db > 100
    assert all(process.peak_rss_bytes for process in run.processes)


@pytest.mark.parametrize("format", FORMATS)
def test_instructions_of_repeats_differ_by_a_thousandth_at_most(
    format: str, measured: dict[str, Measurement]
) -> None:
    told = document(measured[format])["methods"]["forward"]
    assert len(told["counts"]) == 2
    assert told["instructions_spread"] <= 0.001
    assert "counts differ" not in flags(measured[format])


@pytest.mark.parametrize("format", FORMATS)
def test_counts_are_those_a_network_of_that_size_must_have(
    format: str, measured: dict[str, Measurement]
) -> None:
    found = measured[format]
    told = document(found)["methods"]["forward"]
    # Four lanes each; kernels pad the last tile, which costs much where a map has six positions.
    floor = macs(create_model("seaformer_t", size=(64, 96)), found.input_shape) / 4
    assert floor <= told["fma_fp32"] < 2 * floor
    assert told["executed_precision"] == "fp32"
    classes = ("vector_fma", "vector_other", "scalar", "branch", "load", "store")
    assert told["instructions"] == sum(told[name] for name in classes)
    assert told["instructions_before"] > told["instructions"]
    assert told["loaded_bytes"] > told["stored_bytes"] > 0
    levels = [told[f"{name}_misses"] for name in ("l1", "l2", "l3", "system")]
    assert levels == sorted(levels, reverse=True)
    assert levels[0] * 64 < told["loaded_bytes"] + told["stored_bytes"]


@pytest.mark.parametrize("format", FORMATS)
def test_no_milliseconds_are_derived_from_an_emulated_run(
    format: str, measured: dict[str, Measurement]
) -> None:
    data = document(measured[format])
    ours = [name for name in data if name.endswith("_ms") and name != "paper_latency_ms"]
    assert ours == []
    assert not [name for name in data["methods"]["forward"] if name.endswith("_ms")]


def test_a_half_precision_file_is_computed_in_half_precision_where_the_core_can(
    tmp_path: Path,
) -> None:
    (found,) = bench([half("onnx")], tmp_path)
    assert found.failure is None
    assert document(found)["methods"]["forward"]["executed_precision"] == "fp16"
    assert not [name for name in flags(found) if "fp16" in name or "fp32" in name]


def test_a_core_without_half_precision_computes_in_single_and_the_row_says_so(
    tmp_path: Path,
) -> None:
    (found,) = bench([half("onnx")], tmp_path, on=target("cortex-a72"))
    assert found.failure is None
    told = document(found)["methods"]["forward"]
    assert (told["executed_precision"], told["fma_fp16"]) == ("fp32", 0)
    assert flags(found)["executed in fp32"] == (
        "the file is fp16, 100.0 % of its vector FMAs were fp32"
    )
    assert "Cortex-A72" in flags(found)["no fp16 arithmetic"]


@pytest.mark.slow
def test_executorch_in_half_precision_runs_half_kernels_or_says_so(tmp_path: Path) -> None:
    artifact = half("executorch")
    (able,) = bench([artifact], tmp_path / "able")
    (unable,) = bench([artifact], tmp_path / "unable", on=target("cortex-a72"))
    assert document(able)["methods"]["forward"]["executed_precision"] == "fp16"
    assert "executed in fp32" in flags(unable)
    assert "executed in fp32" not in flags(able)


def test_every_block_is_kept_on_request_and_read_back(tmp_path: Path) -> None:
    (line,) = write_blocks_of(target(), ONE, [small("onnx")], tmp_path)
    (path,) = (tmp_path / "profiles").iterdir()
    assert path.name.endswith("__emulated.blocks.jsonl")
    assert str(path) in line
    found = load_blocks(path)
    executed = sum(block.instructions for block in found.blocks)
    assert executed == found.head.counts.instructions
    assert (found.head.source, found.head.model) == (EMULATED, "seaformer_t.ade20k")
    assert all(block.count > 0 for block in found.blocks)
    files.write_text(path, "\n".join(path.read_text().splitlines()[:-1]))
    with pytest.raises(CorruptArtifact, match="cut short"):
        load_blocks(path)


def test_blocks_need_a_core_that_is_emulated() -> None:
    with pytest.raises(UsageError, match="needs an emulated core, not host"):
        block_target(HostTarget(python=True))
    assert block_target(target()) is not None


def test_blocks_of_a_file_that_does_not_run_are_a_sentence(tmp_path: Path) -> None:
    (line,) = write_blocks_of(target(), ONE, [unknown_operator(tmp_path)], tmp_path)
    assert line.startswith("No blocks of")
    assert "nobody.knows" in line


# What goes wrong is a row with a sentence, and the batch goes on.


def unknown_operator(folder: Path) -> Artifact:
    """A real export, its graph replaced by one with an operator no runtime has."""
    import onnx
    from onnx import TensorProto, helper

    made = small("onnx")
    size = made.spec.input_shape
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name in "xy"]
    node = helper.make_node("Magic", ["x"], ["y"], domain="nobody.knows")
    graph = helper.make_graph([node], "magic", ends[:1], ends[1:])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("nobody.knows", 1)]
    path = folder / "magic.onnx"
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=opsets), str(path))
    return replace(made, path=path, file=path.name, reference=None)


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


def test_one_warm_inference_is_counted_unless_more_are_asked_for() -> None:
    plan = run_plan(PlanOptions(), "emulator:cortex-a72", seed=0, components=False)
    assert (plan.warmup.runs, plan.stop.runs, plan.processes) == (1, 1, 3)
    plan = run_plan(PlanOptions(warmup=4, runs=2), "emulator", seed=0, components=False)
    assert (plan.warmup.runs, plan.stop.runs) == (4, 2)
