"""Benches on an emulated ARM core: real engines, a small network, every instruction counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.bench.code_blocks import block_target, write_blocks_of
from seaformer.bench.targets.host import HostTarget
from seaformer.commands._options import PlanOptions
from seaformer.commands._parse import run_plan
from seaformer.core import files
from seaformer.core.code_blocks import load_blocks
from seaformer.core.errors import CorruptArtifact, UsageError
from seaformer.core.measurement import EMULATED, Measurement, document
from seaformer.models import create_model
from seaformer.models._complexity import macs
from seaformer.reproduce.measured import Measuring
from seaformer.reproduce.plan import TABLES, plan
from seaformer.reproduce.run import Factory
from seaformer.store.results import ResultStore, read_run
from tests import arm
from tests.bench.emulated import FORMATS, ONE, bench, flags, target, unknown_operator
from tests.exports import half, small


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


def test_a_table_is_counted_without_misses_and_its_instructions_are_those_of_a_bench(
    tmp_path: Path, measured: dict[str, Measurement]
) -> None:
    arm.needed(arm.bundle)
    made = small("executorch")
    files_of = Factory(find=lambda _: None, make=lambda *_: made, engines=("executorch",))
    way = Measuring("emulator", ResultStore(tmp_path), ONE, files_of, say=lambda _: None)
    way.reproduce(plan(TABLES["table2"], "seaformer_t.ade20k"), lambda _: None)
    (path,) = tmp_path.rglob("runs/*/*.json")
    found = read_run(path, path.name)
    told, known = (document(m)["methods"]["forward"] for m in (found, measured["executorch"]))
    assert told["instructions"] == pytest.approx(known["instructions"], rel=1e-3)
    assert ("l1_misses" in told, known["l1_misses"] > 0) == (False, True)


@pytest.mark.parametrize("format", FORMATS)
def test_no_milliseconds_are_derived_from_an_emulated_run(
    format: str, measured: dict[str, Measurement]
) -> None:
    data = document(measured[format])
    ours = [name for name in data if name.endswith("_ms") and name != "paper_latency_ms"]
    assert ours == []
    assert not [name for name in data["methods"]["forward"] if name.endswith("_ms")]


@pytest.mark.slow
def test_a_half_precision_file_is_computed_in_half_precision_where_the_core_can(
    tmp_path: Path,
) -> None:
    (found,) = bench([half("onnx")], tmp_path)
    assert found.failure is None
    assert document(found)["methods"]["forward"]["executed_precision"] == "fp16"
    assert not [name for name in flags(found) if "fp16" in name or "fp32" in name]


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_one_warm_inference_is_counted_unless_more_are_asked_for() -> None:
    plan = run_plan(PlanOptions(), "emulator:cortex-a72", seed=0, components=False)
    assert (plan.warmup.runs, plan.stop.runs, plan.processes) == (1, 1, 3)
    plan = run_plan(PlanOptions(warmup=4, runs=2), "emulator", seed=0, components=False)
    assert (plan.warmup.runs, plan.stop.runs) == (4, 2)
