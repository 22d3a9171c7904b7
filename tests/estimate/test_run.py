"""An estimate of a small network under the real emulator, its cache, and what is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.bench.targets.emulator import EmulatorTarget
from seaformer.core.errors import ArtifactError, UsageError
from seaformer.core.estimate import CYCLES, INSTRUCTIONS
from seaformer.estimate.calibration import shipped
from seaformer.estimate.cost import find_llvm
from seaformer.estimate.run import Estimator, profile_of
from seaformer.report.estimate import estimate_page
from seaformer.report.terminal.layout import plain
from tests import arm
from tests.bench.emulated import target
from tests.exports import small


@pytest.mark.slow
def test_an_estimate_is_the_count_times_the_scale_and_is_repeated_from_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    on, artifact, calibration = target(), small("executorch"), shipped("sd865")
    monkeypatch.setenv("SEAFORMER_CACHE", str(tmp_path))
    llvm = arm.needed(find_llvm)
    found = Estimator(calibration, on, llvm).estimate(artifact)
    by_cycles = calibration.scale("executorch", "fp32", CYCLES)
    assert by_cycles is not None
    assert found.cycles is not None
    assert found.estimate_ms == pytest.approx(by_cycles.ms(found.cycles, attends=True))
    assert 0.25 < found.cycles / found.instructions < 1.0
    low, high = found.interval_ms
    assert low < found.estimate_ms < high
    assert not found.inside  # 64x96 is less work than any row
    assert any("instructions; the calibration's rows" in each for each in found.outside_because)
    assert found.published_ms is None  # the paper's figure is of another size

    def fails(*_: object) -> None:
        raise AssertionError("emulated again")

    monkeypatch.setattr(EmulatorTarget, "run_blocks", fails)
    assert Estimator(calibration, on, llvm).estimate(artifact) == found
    monkeypatch.undo()
    monkeypatch.setenv("SEAFORMER_CACHE", str(tmp_path))
    shutil.rmtree(tmp_path / "blocks")
    elsewhere = tmp_path / "a folder with a name as long as this one"
    shutil.copytree(artifact.path.parent, elsewhere)
    moved = replace(artifact, path=elsewhere / artifact.path.name)
    assert Estimator(calibration, on, llvm).estimate(moved) == found  # emulated again
    plain = Estimator(calibration, on).estimate(artifact)
    by_instructions = calibration.scale("executorch", "fp32", INSTRUCTIONS)
    assert by_instructions is not None
    assert (plain.cycles, plain.by) == (None, INSTRUCTIONS)
    assert (
        plain.instructions
        == found.instructions
        == profile_of(on, artifact).head.counts.instructions
    )
    assert plain.estimate_ms == pytest.approx(by_instructions.ms(plain.instructions, attends=True))


@pytest.mark.slow
def test_an_engine_and_versions_that_the_calibration_does_not_cover_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    on = target()
    monkeypatch.setenv("SEAFORMER_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match="does not cover onnxruntime: it covers executorch"):
        Estimator(shipped("sd865"), on).estimate(small("onnx"))
    old = replace(shipped("sd865"), versions={"executorch": "1.4.0"})
    with pytest.raises(ArtifactError, match=r"holds for executorch 1\.4\.0"):
        Estimator(old, on).estimate(small("executorch"))


@pytest.mark.slow
def test_operators_add_up_to_the_whole_and_are_repeated_from_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    on, artifact, calibration = target(), small("executorch"), shipped("rpi5")
    monkeypatch.setenv("SEAFORMER_CACHE", str(tmp_path))
    estimator = Estimator(calibration, on, arm.needed(find_llvm))
    found = estimator.estimate(artifact, operators=True)
    assert found.outside_because[0] == calibration.doubts[0]
    assert found.cycles is not None
    for name in ("instructions", "cycles", "estimate_ms"):
        parts = sum(getattr(each, name) for each in found.operators)
        assert parts == pytest.approx(getattr(found, name))
    *operators, between = found.operators
    assert between.name == "between operators"
    assert abs(between.instructions) < 0.1 * found.instructions
    assert {"stem.conv"} <= {each.module for each in operators if each.exact}
    page = plain(estimate_page([found]))
    assert "Operators of seaformer_t.ade20k" in page
    assert "between operators" in page

    def fails(*_: object) -> None:
        raise AssertionError("emulated again")

    monkeypatch.setattr(EmulatorTarget, "run_parts", fails)
    monkeypatch.setattr(EmulatorTarget, "run_blocks", fails)
    assert estimator.estimate(artifact, operators=True) == found
