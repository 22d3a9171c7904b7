"""Profiles as the engines write them, to events: every quirk that was seen, as text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from seaformer.bench.operators import executorch as executorch_operators
from seaformer.bench.operators import ncnn as ncnn_operators
from seaformer.bench.operators import onnxruntime as onnxruntime_operators
from seaformer.bench.operators._events import Event, Run, between_ns, medians_ns, typical
from seaformer.core.errors import RunnerFailed
from seaformer.core.operators import GraphOperator

GEMM = "Fully Connected (NC, F32) GEMM"


def run_event(ts: int, dur: int) -> dict[str, Any]:
    return {"cat": "Session", "ph": "X", "name": "model_run", "ts": ts, "dur": dur, "args": {}}


def node(name: str, kind: str, ts: int, dur: int, dtype: str = "float") -> dict[str, Any]:
    args = {"op_name": kind, "output_type_shape": [{dtype: [1, 16, 32, 48]}]}
    return {"cat": "Node", "ph": "X", "name": name, "ts": ts, "dur": dur, "args": args}


def trace(*durations: int) -> str:
    """One run after the other, each with two nodes, within what ONNX Runtime puts around them."""
    events: list[dict[str, Any]] = [
        {"cat": "Session", "ph": "X", "name": "session_initialization", "ts": 1, "dur": 5}
    ]
    for index, duration in enumerate(durations):
        begin = 1000 * (index + 1)
        events.append(node("/stem/Conv_kernel_time", "Conv", begin + 2, duration - 10))
        events.append(node("/head/Relu_kernel_time", "Relu", begin + 500, 3))
        events.append(
            {"cat": "Session", "ph": "X", "name": "SequentialExecutor::Execute", "ts": begin + 1}
            | {"dur": duration - 1, "args": {}}
        )
        events.append(run_event(begin, duration))
    return json.dumps(events)


def test_onnxruntimes_microseconds_become_nanoseconds_from_the_beginning_of_the_run() -> None:
    (run,) = onnxruntime_operators.parse(trace(600), 1)
    assert run == Run(
        600_000,
        (
            Event("/stem/Conv", "Conv", 2_000, 590_000, "float32", convolves=True),
            Event("/head/Relu", "Relu", 500_000, 3_000, "float32"),
        ),
    )


def test_runs_before_the_timed_ones_were_warm_up_and_are_left_out() -> None:
    runs = onnxruntime_operators.parse(trace(900, 800, 610, 600), 2)
    assert [run.duration_ns for run in runs] == [610_000, 600_000]


@pytest.mark.parametrize(
    ("told", "dtype"),
    [
        ([{"float16": [1]}], "float16"),
        ([{"float": [1]}, {"int64": [1]}], "float32"),
        ([{"int64": [1]}], "int64"),
        ([], ""),
        (None, ""),
        ("float", ""),
    ],
)
def test_the_type_a_node_computed_in_is_that_of_its_first_output(told: object, dtype: str) -> None:
    event = node("/stem/Conv_kernel_time", "Conv", 1001, 5) | {
        "args": {"op_name": "Conv", "output_type_shape": told}
    }
    (run,) = onnxruntime_operators.parse(json.dumps([event, run_event(1000, 10)]), 1)
    assert run.events[0].dtype == dtype


def test_fewer_runs_in_the_profile_than_were_timed_is_said() -> None:
    with pytest.raises(RunnerFailed, match="has 2 runs, 3 were timed"):
        onnxruntime_operators.parse(trace(500, 500), 3)


def et(run: int, name: str, start: int, ns: int, kind: str = "delegate") -> dict[str, Any]:
    return {"run": run, "kind": kind, "name": name, "start_ns": start, "duration_ns": ns}


def executorch(*scales: int) -> str:
    events = []
    for run, scale in enumerate(scales):
        begin = 10_000_000 * (run + 1)
        events += [
            et(run, "Convolution (NHWC, F16) IGEMM #1", begin + 100, 3_000 * scale),
            et(run, "Slice (ND, X16) #1", begin + 50_000, 0),
            et(run, "Fully Connected (NC, F32) GEMM #12", begin + 60_000, 1_000),
            et(run, "DELEGATE_CALL", begin + 50, 90_000, "runtime"),
            et(run, "native_call_argmax.out", begin + 70_000, 7_000, "runtime"),
            et(run, "OPERATOR_CALL", begin + 69_000, 9_000, "runtime"),
            et(run, "Method::execute", begin, 100_000 * scale, "runtime"),
        ]
    return json.dumps(events)


def test_executorchs_delegate_events_and_own_kernels_are_kept_and_the_calls_around_them_not() -> (
    None
):
    (run,) = executorch_operators.parse(executorch(1), 1)
    assert run.duration_ns == 100_000
    assert [(e.name, e.kind, e.start_ns, e.duration_ns, e.dtype) for e in run.events] == [
        ("Convolution (NHWC, F16) IGEMM #1", "Convolution (NHWC, F16) IGEMM", 100, 3000, "float16"),
        ("Slice (ND, X16) #1", "Slice (ND, X16)", 50_000, 0, ""),
        (f"{GEMM} #12", GEMM, 60_000, 1000, "float32"),
        ("native_call_argmax.out", "native_call_argmax.out", 70_000, 7_000, ""),
    ]


@pytest.mark.parametrize(
    ("kind", "convolves"),
    [("Conv", True), ("FusedConv", True), ("NhwcFusedConv", True), ("Relu", False), ("", False)],
)
def test_onnxruntimes_convolutions_end_with_conv(kind: str, convolves: bool) -> None:
    text = json.dumps([node("/a_kernel_time", kind, 1001, 5), run_event(1000, 10)])
    (run,) = onnxruntime_operators.parse(text, 1)
    assert [event.convolves for event in run.events] == [convolves]


@pytest.mark.parametrize(
    ("kind", "convolves"),
    [
        (GEMM, True),
        ("Convolution (NHWC, F32) DWConv", True),
        ("Convert (NC)", False),
        ("Batch Matrix Multiply (NC, F16) GEMM", False),
    ],
)
def test_xnnpacks_convolutions_are_not_its_conversions_and_matrix_products(
    kind: str, convolves: bool
) -> None:
    events = [et(0, f"{kind} #1", 10, 5), et(0, "Method::execute", 0, 100, "runtime")]
    (run,) = executorch_operators.parse(json.dumps(events), 1)
    assert [event.convolves for event in run.events] == [convolves]


def test_a_run_without_its_whole_is_refused() -> None:
    lost = [e for e in json.loads(executorch(1)) if e["name"] != "Method::execute"]
    with pytest.raises(RunnerFailed, match="without Method::execute"):
        executorch_operators.parse(json.dumps(lost), 1)


@pytest.mark.parametrize("parse", [onnxruntime_operators.parse, executorch_operators.parse])
@pytest.mark.parametrize(("text", "reason"), [("[{", "is not JSON"), ("{}", "is not a list")])
def test_a_profile_that_was_cut_short_is_one_sentence(parse: Any, text: str, reason: str) -> None:
    with pytest.raises(RunnerFailed, match=reason):
        parse(text, 1)


def test_runs_that_differ_in_their_operators_are_refused() -> None:
    events = json.loads(executorch(1, 1))
    events[0]["name"] = "Add (ND) #1"
    with pytest.raises(RunnerFailed, match="same operators in the same order"):
        executorch_operators.parse(json.dumps(events), 2)


def test_a_run_without_operators_is_refused() -> None:
    with pytest.raises(RunnerFailed, match="same operators in the same order"):
        onnxruntime_operators.parse(json.dumps([run_event(1000, 10)]), 1)


def test_the_typical_run_is_the_one_of_median_duration_and_medians_are_by_operator() -> None:
    runs = executorch_operators.parse(executorch(3, 1, 2, 9), 4)
    assert typical(runs).duration_ns == 200_000
    assert medians_ns(runs) == (7_500, 0, 1_000, 7_000)
    assert between_ns(runs) == 234_500  # half of 186 and 283 us, the middle two


def test_what_lies_between_operators_is_never_below_zero() -> None:
    overlapping = Run(10, (Event("a", "Add", 0, 8), Event("b", "Add", 4, 6)))
    assert between_ns([overlapping]) == 0


def layers(*durations: int) -> str:
    """One run after the other, each with two layers, as ``engine_ncnn.cpp`` writes them."""
    names = (("conv_0", "ConvolutionDepthWise"), ("splitncnn_0", "Split"))
    return json.dumps(
        [
            {"run": run, "name": name, "kind": kind, "duration_ns": duration + place}
            for run, duration in enumerate(durations, 1)
            for place, (name, kind) in enumerate(names)
        ]
    )


def test_ncnns_layers_follow_each_other_and_are_found_by_name() -> None:
    first, second = ncnn_operators.parse(layers(700, 600), 2)
    assert (first.duration_ns, second.duration_ns) == (1401, 1201)
    assert second.events == (
        Event("conv_0", "ConvolutionDepthWise", 0, 600, "", convolves=True),
        Event("splitncnn_0", "Split", 600, 601),
    )
    graph = [GraphOperator("Split", "stem", ("splitncnn_0",))]
    assert ncnn_operators.join(second.events, graph) == [None, "stem"]
    for text, runs in ((layers(700), 2), ("[]", 1)):
        with pytest.raises(RunnerFailed):
            ncnn_operators.parse(text, runs)
