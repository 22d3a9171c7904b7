"""The real aarch64 runner with both engines on a phone's double, pinned to one of its two cores."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seaformer.bench.lanes import Lanes, Order
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.core.results import ResultStore
from tests import arm
from tests.android_bench.benches import left_behind
from tests.fakes.phone import FakePhone
from tests.made import small

PLAN = RunPlan(processes=1, warmup=Warmup(runs=1), stop=Stop(runs=2))


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="pinning to core 1 needs two cores")
def test_both_engines_answer_rightly_on_the_pinned_core_and_are_pushed_once(
    phone: FakePhone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = arm.needed(arm.bundle)
    monkeypatch.setattr("seaformer.bench.targets.phone.build_arm64_bundle", lambda say: bundle)
    artifacts = [small("onnx"), small("executorch")]
    order = Order(PLAN, ResultStore(tmp_path), profiles=("ops",))
    (outcome,) = Lanes([phone.address], order, lambda sentence: None).run(artifacts)
    assert outcome.refused == ()
    for row, profile in zip(outcome.measured, outcome.profiles, strict=True):
        run = row.methods["forward"]
        assert row.failure is None
        assert run.output is not None
        assert run.output.passed
        assert [process.sample_cpus for process in run.processes] == [(1, 1)]
        assert [process.affinity for process in run.processes] == [(1,)]
        assert row.device.clusters[-1].part == "Cortex-A77"
        assert len(profile.operators) > 50
    assert left_behind(phone) == []
    pushed = sum(size for _, size in phone.pushes)
    assert pushed > bundle.size_bytes
    Lanes([phone.address], Order(PLAN, ResultStore(tmp_path)), lambda sentence: None).run(artifacts)
    assert sum(size for _, size in phone.pushes) == pushed
