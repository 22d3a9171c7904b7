"""Benches of small exports on an emulated core, and a file that no runtime can run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from seaformer.bench.run import Bench
from seaformer.bench.targets.emulator import EmulatorTarget
from seaformer.core.artifact import Artifact
from seaformer.core.cpu import Core, find_emulated
from seaformer.core.measurement import Measurement
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.runtime.build.bundle import Bundle
from seaformer.store.results import ResultStore
from tests import arm
from tests.exports import small

ONE = RunPlan(processes=1, warmup=Warmup(runs=1), stop=Stop(runs=1))
FORMATS = ["onnx", "executorch"]


def target(core: str | Core = arm.A76, bundle: Bundle | None = None) -> EmulatorTarget:
    return EmulatorTarget(
        bundle=bundle or arm.needed(arm.bundle),
        qemu=arm.needed(arm.qemu),
        core=find_emulated(core) if isinstance(core, str) else core,
        counter=arm.needed(arm.counter),
    )


def bench(
    artifacts: list[Artifact], root: Path, plan: RunPlan = ONE, on: EmulatorTarget | None = None
) -> list[Measurement]:
    return Bench(on or target(), plan, ResultStore(root)).run(artifacts)


def flags(measurement: Measurement) -> dict[str, str]:
    return {flag.name: flag.detail for flag in measurement.flags}


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
