"""Profiled runs: joins by name and by order, and both real engines on a small network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.bench.operators import executorch, onnxruntime
from seaformer.bench.operators._events import Event
from seaformer.bench.profile import profile, profile_each
from seaformer.bench.run import Bench
from seaformer.bench.runner_io import RunnerReport, RunnerRequest
from seaformer.bench.target import PlainTarget
from seaformer.bench.targets.emulator import EmulatorTarget
from seaformer.bench.targets.host import HostTarget
from seaformer.core.artifact import Artifact
from seaformer.core.cpu import find_emulated
from seaformer.core.errors import CorruptArtifact, RunnerFailed
from seaformer.core.measurement import Flag
from seaformer.core.operators import GraphOperator, load_operator_map
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.core.profile import Profile
from seaformer.report.profile import write_profile
from seaformer.store.results import ResultStore
from tests import arm
from tests.exports import small
from tests.traces import assert_is_of, check_trace

PLAN = RunPlan(core="0", processes=1, warmup=Warmup(runs=1), stop=Stop(runs=3))


def event(name: str, kind: str) -> Event:
    return Event(name, kind, 0, 1)


GRAPH = (
    GraphOperator("Conv", "stem.conv", ("/stem/conv/Conv", "/stem/conv/Conv_output_0")),
    GraphOperator("Relu", "stem", ("/stem/Relu", "/stem/Relu_output_0")),
    GraphOperator("Conv", "context.fc1", ("/context/fc1/Conv", "/context/fc1/Conv_output_0")),
    GraphOperator("Slice", "context.rows", ("/context/rows/Slice_1", "/context/rows/s")),
    GraphOperator("Conv", "head.classify", ("/head/classify/Conv", "graph_output_cast_0")),
)


@pytest.mark.parametrize(
    ("name", "kind", "module"),
    [
        ("/stem/conv/Conv", "FusedConv", "stem.conv"),
        ("/stem/conv/Conv_output_0_nchwc", "Conv", "stem.conv"),
        ("/stem/Relu_output_0_nchwc", "Conv", "stem"),
        ("/context/fc1/Conv_token_226", "NhwcFusedConv", "context.fc1"),
        ("InsertedPrecisionFreeCast_/context/fc1/Conv_output_0_nchwc", "Conv", "context.fc1"),
        ("InsertedPrecisionFreeCast_/context/rows/Slice_1", "Cast", "context.rows"),
        ("/context/rows/Slice_1/GatherSliceToSplitFusion", "Split", "context.rows"),
        ("InsertedPrecisionFreeCast_graph_output_cast_0_nchwc", "Conv", "head.classify"),
        ("ReorderInput_token_9", "ReorderInput", None),
        ("", "Transpose", None),
    ],
)
def test_onnxruntimes_names_lead_to_modules(name: str, kind: str, module: str | None) -> None:
    assert onnxruntime.join([event(name, kind)], GRAPH) == [module]


def test_the_kth_convolution_xnnpack_ran_is_the_kth_of_the_graph() -> None:
    graph = [
        GraphOperator("aten.convolution", "a"),
        GraphOperator("aten.add", "b"),
        GraphOperator("aten.convolution", "c"),
        GraphOperator("aten.linear", "d"),
    ]
    events = [
        event("Transpose (ND, X32) #1", "Transpose (ND, X32)"),
        event("Convolution (NHWC, F32) IGEMM #1", "Convolution (NHWC, F32) IGEMM"),
        event("Add (ND) #1", "Add (ND)"),
        event("Fully Connected (NC, F32) GEMM #1", "Fully Connected (NC, F32) GEMM"),
        event("Fully Connected (NC, F32) GEMM #2", "Fully Connected (NC, F32) GEMM"),
    ]
    assert executorch.join(events, graph) == [None, "a", "b", "c", "d"]


def test_modules_are_unknown_where_xnnpack_moved_a_branch() -> None:
    def ran(kind: str) -> Event:
        return event(f"{kind} #1", kind)

    def convolution(module: str, *names: str) -> GraphOperator:
        return GraphOperator("aten.convolution", module, (module, *names))

    pointwise = ran("Fully Connected (NC, QS8, QC8W) GEMM")
    depthwise = ran("Convolution (NHWC, QC8) DWConv")
    graph = [
        convolution("a"),
        convolution("b", "DWConv"),
        convolution("c"),
        convolution("d", "DWConv"),
        convolution("e"),
        convolution("f"),
        convolution("g", "DWConv"),
        convolution("h"),
    ]
    in_order = [pointwise, depthwise, pointwise, depthwise, pointwise, pointwise, depthwise]
    assert executorch.join([*in_order, pointwise], graph) == list("abcdefgh")
    moved = [pointwise, depthwise, pointwise, pointwise, depthwise, pointwise, depthwise]
    assert executorch.join([*moved, pointwise], graph) == ["a", "b", "", "", "d", "", "g", "h"]


def test_a_kind_that_both_sides_count_differently_is_not_joined() -> None:
    graph = [GraphOperator("aten.add", "a"), GraphOperator("aten.add", "b")]
    assert executorch.join([event("Add (ND) #1", "Add (ND)")], graph) == [None]


def test_a_kernel_outside_of_the_delegate_is_joined_by_its_own_name() -> None:
    graph = [GraphOperator("aten.argmax", "tail")]
    name = "native_call_argmax.out"
    assert executorch.join([event(name, name)], graph) == ["tail"]


@pytest.fixture(scope="module")
def host() -> HostTarget:
    return HostTarget()


RUNS = [("onnx", "fp32"), pytest.param(("executorch", "fp16"), marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=RUNS)
def profiled(request: pytest.FixtureRequest, host: HostTarget) -> tuple[Artifact, Profile]:
    artifact = small(*request.param, components=True)
    return artifact, profile(host, PLAN, artifact, "seaformer bench --profile ops")


@pytest.mark.slow
def test_every_convolution_of_a_real_run_is_in_the_module_the_graph_says(
    profiled: tuple[Artifact, Profile],
) -> None:
    artifact, found = profiled
    kind = "Conv" if artifact.format == "onnx" else "aten.convolution"
    graph = load_operator_map(artifact).methods["forward"]
    wanted = [operator.module for operator in graph if operator.kind == kind]
    seen = [operator for operator in found.operators if operator.convolves]
    assert all(operator.exact for operator in seen)
    if artifact.format == "executorch":
        assert [operator.module for operator in seen] == wanted
    # ONNX Runtime names a convolution after the activation fused into it, one module up.
    owners = {*wanted, *(name.rpartition(".")[0] for name in wanted)}
    assert {operator.module for operator in seen} <= owners
    components = Counter(operator.component for operator in seen)
    assert components == Counter(name.partition(".")[0] for name in wanted)
    assert set(components) == {"stem", "context", "spatial", "head"}


def test_a_profile_tells_what_ran_and_covers_most_of_the_run(
    profiled: tuple[Artifact, Profile],
) -> None:
    artifact, found = profiled
    assert (found.model, found.format, found.precision) == (
        artifact.model,
        artifact.format,
        artifact.precision,
    )
    assert (found.source, found.runs, found.threads) == ("measured", 3, 1)
    assert found.command == "seaformer bench --profile ops"
    assert sum(found.executed.values()) == 69
    assert 0 < found.operators_ns <= found.inference_ns
    starts = [operator.start_ns for operator in found.operators]
    assert all(0 <= start <= found.inference_ns * 100 for start in starts)


def test_the_trace_of_a_real_run_opens_in_perfetto(
    profiled: tuple[Artifact, Profile], tmp_path: Path
) -> None:
    _, found = profiled
    slices = check_trace(write_profile(found, tmp_path))
    assert list(slices) == ["components", "operators"]
    assert_is_of(found, slices)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "executorch"])
def test_the_trace_of_an_emulated_core_opens_too_and_says_what_it_is(
    format: str, tmp_path: Path
) -> None:
    target = EmulatorTarget(
        arm.needed(arm.bundle), arm.needed(arm.qemu), find_emulated(arm.A76), None
    )
    one = RunPlan(processes=1, warmup=Warmup(runs=1), stop=Stop(runs=2))
    found = profile(target, one, small(format))
    path = write_profile(found, tmp_path)
    assert "__emulated__" in path.name
    assert_is_of(found, check_trace(path))
    assert sum(found.executed.values()) == 69


def test_the_precision_executed_is_what_the_engine_did_and_not_what_the_file_says(
    profiled: tuple[Artifact, Profile],
) -> None:
    artifact, found = profiled
    if artifact.format == "onnx":
        assert found.executed == {"float32": 69}
    else:
        assert found.executed["float16"] > 60


class Recording(PlainTarget):
    """A real target that remembers its requests and may change its answers."""

    def __init__(self, host: HostTarget, change: Callable[[RunnerRequest], None]) -> None:
        self.host = host
        self.requests: list[RunnerRequest] = []
        self.change = change
        self.source, self.runner, self.runner_build = host.source, host.runner, host.runner_build
        self.device, self.conditions = host.device, host.conditions

    def preflight(self, cpus: tuple[int, ...]) -> tuple[Flag, ...]:
        return ()

    def run(self, request: RunnerRequest) -> RunnerReport:
        self.requests.append(request)
        report = self.host.run(request)
        self.change(request)
        return report


def keep(request: RunnerRequest) -> None:
    """Change nothing."""


def remove(request: RunnerRequest) -> None:
    if request.profile_ops is not None:
        Path(request.profile_ops).unlink()


def cut_short(request: RunnerRequest) -> None:
    if request.profile_ops is not None:
        Path(request.profile_ops).write_text('[{"ph": "X"', encoding="utf-8")


def test_no_measurement_is_made_of_a_profiled_process(host: HostTarget, tmp_path: Path) -> None:
    artifact, target = small("onnx", components=True), Recording(host, keep)
    (measured,) = Bench(target, PLAN, ResultStore(tmp_path)).run([artifact])
    found = profile(target, PLAN, artifact)
    timed, profiled = target.requests
    assert timed.profile_ops is None
    assert profiled.profile_ops is not None
    assert len(measured.methods["forward"].samples_ns) == 3
    assert found.id != measured.id
    assert len(list(tmp_path.rglob("*.json"))) == 2  # the run and its device, no profile


def test_a_profile_takes_twenty_runs_at_most_and_the_whole_network_alone(host: HostTarget) -> None:
    target = Recording(host, keep)
    many = replace(PLAN, stop=Stop(runs=90), components=True)
    found = profile(target, many, small("onnx", components=True))
    (request,) = target.requests
    assert (found.runs, request.stop.runs, request.method) == (20, 20, "forward")


@pytest.mark.parametrize(
    ("change", "reason"),
    [(remove, "The runner left no profile"), (cut_short, "is not JSON")],
)
def test_a_profile_that_is_not_there_or_cut_short_is_a_runner_failure(
    host: HostTarget, change: Callable[[RunnerRequest], None], reason: str
) -> None:
    with pytest.raises(RunnerFailed, match=reason):
        profile(Recording(host, change), PLAN, small("onnx", components=True))


def test_an_artifact_without_an_operator_map_says_to_export_it_again(host: HostTarget) -> None:
    old = replace(small("onnx", components=True), operator_map=None)
    with pytest.raises(CorruptArtifact, match="has no operator map") as caught:
        profile(host, PLAN, old)
    assert caught.value.hint == "Export the model again."


def test_one_artifact_that_cannot_be_profiled_does_not_stop_the_others(host: HostTarget) -> None:
    good = small("onnx", components=True)
    told: list[str] = []
    found, refused = profile_each(
        host, PLAN, [replace(good, operator_map=None), good], progress=told.append
    )
    assert [p.artifact_file for p in found] == [good.file]
    assert refused == (f"No profile of {good.file}: {good.file} has no operator map.",)
    assert told == [f"profile {good.file}"] * 2
