"""Estimates of recorded code: which scale, which interval, and what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as some

from seaformer.core import files
from seaformer.core.artifact import Delegation, OutsideOperator
from seaformer.core.code_blocks import Block, BlockHead, BlockProfile, write_blocks
from seaformer.core.counts import Counts
from seaformer.core.errors import ArtifactError, CorruptArtifact, SeaFormerError, UsageError
from seaformer.core.estimate import CYCLES, INSTRUCTIONS
from seaformer.core.measurement import EMULATED
from seaformer.estimate.calibration import shipped
from seaformer.estimate.cost import find_llvm
from seaformer.estimate.evidence import Evidence, evidence
from seaformer.estimate.run import Estimator, open_estimator
from seaformer.estimate.scale import WIDEST
from tests.arm import needed
from tests.estimate.test_cost import FMLA
from tests.fakes.measurements import HOST
from tests.fuzzing import budget, mutate

COUNT = 5_000_000  # of a block of 16 instructions: as much work as a small classifier
(KNOWN,) = (
    each
    for each in evidence()
    if (each.model, each.engine, each.precision) == ("seaformer_t.imagenet", "executorch", "fp32")
)
CALIBRATION = shipped("sd865")


def profile(**changes: object) -> BlockProfile:
    counted: Evidence = KNOWN
    device = replace(
        HOST,
        system=f"qemu-user {counted.qemu} on Linux x86_64",
        properties={"cpu": counted.core},
    )
    head = BlockHead(
        schema=1,
        id="20261129T000000000-00000000",
        created_at="2026-11-29T00:00:00+00:00",
        source=EMULATED,
        model=counted.model,
        format=counted.engine,
        runtime=counted.engine,
        precision=counted.precision,
        scope="logits",
        input_shape=(1, 3, 224, 224),
        artifact_file="t.pte",
        artifact_sha256=counted.artifact_sha256,
        device=device,
        runtime_version=counted.engine_version,
        method="forward",
        counts=Counts(16 * COUNT, 16 * COUNT, *(0,) * 10),
    )
    blocks = (Block("0x0", COUNT, " ".join(FMLA)),)
    return BlockProfile(replace(head, **cast(Any, changes)), blocks)


def test_known_code_is_inside_with_the_interval_of_the_scale(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEAFORMER_CACHE", str(tmp_path / "cache"))
    write_blocks(path := tmp_path / "t.blocks.jsonl", profile())
    scale = CALIBRATION.scale("executorch", "fp32", CYCLES)
    assert scale is not None
    row = Estimator(CALIBRATION, None, needed(find_llvm)).estimate_file(path)
    assert row.inside, row.outside_because
    assert row.cycles is not None
    assert 8 * COUNT <= row.cycles < 9 * COUNT  # two multiply-adds in a cycle
    assert row.estimate_ms == pytest.approx(scale.ms(row.cycles, attends=True))
    low, high = row.interval_ms
    assert (row.estimate_ms / low, high / row.estimate_ms) == pytest.approx((scale.factor,) * 2)
    assert row.published_ms == 7
    assert row.versions["executorch"] == KNOWN.engine_version


def test_without_llvm_instructions_are_scaled(tmp_path: Path) -> None:
    write_blocks(path := tmp_path / "t.blocks.jsonl", profile())
    scale = CALIBRATION.scale("executorch", "fp32", INSTRUCTIONS)
    assert scale is not None
    row = Estimator(CALIBRATION, None).estimate_file(path)
    assert (row.cycles, row.by) == (None, INSTRUCTIONS)
    assert row.estimate_ms == pytest.approx(scale.ms(16 * COUNT, attends=True))


def test_outside_the_interval_is_wide_and_every_reason_is_given() -> None:
    outside = (OutsideOperator("aten.erf", 3, computes=True, reason=""),)
    delegation = Delegation("xnnpack", 2, 8, outside)
    row = Estimator(CALIBRATION, None).estimate_profile(
        profile(precision="int8"), {"aten.convolution": 3, "aten.roll": 1}, delegation
    )
    assert row.outside_because == (
        "no row of the calibration is in int8",
        "not delegated to xnnpack: aten.erf (3)",
        "in no row of the calibration: aten.roll (1)",
    )
    assert row.interval_ms == pytest.approx((row.estimate_ms / WIDEST, row.estimate_ms * WIDEST))


def test_code_of_an_unknown_file_is_outside(tmp_path: Path) -> None:
    write_blocks(path := tmp_path / "t.blocks.jsonl", profile(artifact_sha256="0" * 64))
    row = Estimator(CALIBRATION, None).estimate_file(path)
    assert row.outside_because == ("the operators of this file are unknown",)


def test_a_profile_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    made = profile()
    write_blocks(path := tmp_path / "t.blocks.jsonl", replace(made, blocks=()))
    with pytest.raises(CorruptArtifact, match="is cut short: its blocks hold 0 of 80000000"):
        Estimator(CALIBRATION, None).estimate_file(path)


def test_an_empty_profile_is_cut_short_too(tmp_path: Path) -> None:
    (path := tmp_path / "t.blocks.jsonl").touch()
    with pytest.raises(CorruptArtifact, match=r"t\.blocks\.jsonl is cut short: it is empty\.$"):
        Estimator(CALIBRATION, None).estimate_file(path)


def test_other_cores_engines_and_versions_are_refused() -> None:
    def estimate(**changes: object) -> None:
        Estimator(CALIBRATION, None).estimate_profile(profile(**changes), KNOWN.operators, None)

    with pytest.raises(UsageError, match="does not cover onnxruntime: it covers"):
        estimate(runtime="onnxruntime", runtime_version="1.31.0")
    with pytest.raises(ArtifactError, match=r"holds for executorch .*got 9\.9"):
        estimate(runtime_version="9.9")
    other = replace(profile().head.device, properties={"cpu": "cortex-a72"})
    with pytest.raises(UsageError, match=r"of an emulated cortex-a76 \(got cortex-a72\)"):
        estimate(device=other)


def test_an_llvm_without_the_core_is_refused_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("SEAFORMER_CACHE", str(tmp_path / "cache"))
    for name in ("llvm-mc-19", "llvm-mca-19"):
        (program := tmp_path / name).write_text(
            "#!/bin/sh\necho LLVM version 19.1.7\n"
            "echo \"'neoverse-n1' is not a recognized processor\" >&2\n",
            encoding="utf-8",
        )
        program.chmod(0o755)
    with pytest.raises(SeaFormerError, match="does not support the core neoverse-n1"):
        open_estimator("sd865", None, (), lambda _: None)


def test_recorded_code_needs_no_emulator() -> None:
    estimator = open_estimator("sd865", None, (), lambda _: None)
    assert estimator.target is None


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_pipe_or_a_device_is_not_read(make: Callable[[Path], object], tmp_path: Path) -> None:
    make(path := tmp_path / "t.blocks.jsonl")
    with pytest.raises(CorruptArtifact, match=r"t\.blocks\.jsonl is not a regular file\.$"):
        Estimator(CALIBRATION, None).estimate_file(path)


@budget
@given(some.data())
def test_whatever_is_in_a_file_it_is_estimated_or_refused(
    tmp_path: Path, data: some.DataObject
) -> None:
    write_blocks(path := tmp_path / "t.blocks.jsonl", profile())
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for _ in range(data.draw(some.integers(1, 3))):
        mutate(lines, data)
    files.write_text(path, "".join(f"{json.dumps(line)}\n" for line in lines))
    estimator = Estimator(CALIBRATION, None, needed(find_llvm))
    with suppress(SeaFormerError):
        row = estimator.estimate_file(path)
        assert 0 < row.interval_ms[0] <= row.estimate_ms <= row.interval_ms[1] < float("inf")
