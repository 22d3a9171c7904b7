"""Flags out, JSON in: each as text, nothing is run."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from seaformer.bench.runner_io import RunnerFailure, RunnerReport, RunnerRequest
from seaformer.core.errors import RunnerFailed
from seaformer.core.plan import Stop, Warmup

REPORT: dict[str, Any] = {
    "schema": 1,
    "runner": {
        "version": "1.0.0",
        "build_type": "Release",
        "compiler": "GNU 12.2.0",
        "build_id": "abc",
        "host": "cpp",
        "a_field_of_tomorrow": 1,
    },
    "engine": {"name": "executorch", "version": "1.5.1"},
    "model": {"path": "m.pte", "size_bytes": 7584},
    "method": "forward",
    "methods": ["forward", "stem"],
    "inputs": [{"name": "x", "dtype": "float32", "shape": [1, 3, 8, 8], "source": "file"}],
    "outputs": [{"name": "y", "dtype": "float16", "shape": [1, 4], "file": None}],
    "threads": {"requested": 1, "effective": 1, "os_threads": 1},
    "affinity": {"requested": [7], "effective": [7]},
    "load_ns": 640965,
    "first_ns": 570880,
    "warmup": {"runs": 2, "samples_ns": [24436, 21122], "reason": "fixed"},
    "samples_ns": [22914, 21472, 21102],
    "sample_cpus": [7, 7, 7],
    "stop": {"reason": "fixed", "ci_half_width_rel": None},
    "peak_rss_bytes": 7016448,
    "cpu_freq_khz": {"before": 2841600, "after": None},
    "profiled": False,
    "profile_file": None,
    "markers": True,
    "clock": "CLOCK_MONOTONIC_RAW",
}


def line(**changes: Any) -> str:
    return json.dumps(REPORT | changes)


def test_a_request_becomes_flags() -> None:
    request = RunnerRequest(
        "onnxruntime",
        "dir with blanks/m.onnx",
        threads=2,
        cpus=(6, 7),
        inputs=("a.bin", "b.bin"),
        seed=5,
        output_dir="out",
        profile_ops="ops.json",
        marker=True,
        library="l.so",
        warmup=Warmup(runs=0),
        stop=Stop(runs=1),
    )
    assert request.argv() == shlex.split(
        "--engine onnxruntime --model 'dir with blanks/m.onnx' --method forward "
        "--threads 2 --seed 5 --library l.so --cpus 6,7 "
        "--input a.bin --input b.bin --output-dir out "
        "--warmup 0 --runs 1 --profile-ops ops.json --marker"
    )


def test_adaptive_rules_are_passed_in_full() -> None:
    argv = RunnerRequest("executorch", "m.pte").argv()
    assert argv[argv.index("--warmup-min-runs") :] == shlex.split(
        "--warmup-min-runs 5 --warmup-min-secs 1.0 --warmup-max-secs 15.0 "
        "--warmup-tolerance 0.02 --min-runs 30 --min-secs 3.0 "
        "--max-runs 500 --max-secs 20.0 --ci-width 0.01"
    )
    assert "--cpus" not in argv
    assert "--input" not in argv


def test_the_time_to_wait_covers_the_rules() -> None:
    assert RunnerRequest("executorch", "m").timeout_s() > 15 + 20
    fixed = RunnerRequest("executorch", "m", warmup=Warmup(runs=0), stop=Stop(runs=1))
    assert fixed.timeout_s() < RunnerRequest("executorch", "m", stop=Stop(runs=100)).timeout_s()


def test_a_report_is_read() -> None:
    report = RunnerReport.parse(line())
    assert report.samples_ns == (22914, 21472, 21102)
    assert report.affinity.effective == report.affinity.requested == (7,)
    assert report.cpu_freq_khz.before == 2841600
    assert report.cpu_freq_khz.after is None
    assert report.outputs[0].file is None
    assert not report.runner.debug


def test_lines_before_the_report_are_passed_over() -> None:
    text = "WARNING: linker: something\r\n{not json\n" + line() + "\r\n"
    assert RunnerReport.parse(text).method == "forward"


@pytest.mark.parametrize("build_type", ["Debug", "Debug (Release, with assertions)", ""])
def test_a_debug_build_is_told(build_type: str) -> None:
    runner = REPORT["runner"] | {"build_type": build_type}
    assert RunnerReport.parse(line(runner=runner)).runner.debug


def test_the_runners_own_sentence_is_passed_on() -> None:
    text = '{"schema":1,"error":{"kind":"model","message":"m.pte is empty."}}\n'
    with pytest.raises(RunnerFailed, match=r"^m\.pte is empty\.$"):
        RunnerReport.parse(text, exit_code=3)
    assert RunnerFailure.parse(text, exit_code=3) == RunnerFailure("model", "m.pte is empty.", 3)


@pytest.mark.parametrize(
    ("exit_code", "message"),
    [
        (-11, "The runner was killed by SIGSEGV: qemu: uncaught target signal 11"),
        (137, "The runner was killed by SIGKILL: qemu: uncaught target signal 11"),
        (1, "The runner ended with exit code 1 and no report: qemu: uncaught target signal 11"),
    ],
)
def test_a_crash_says_how_it_ended(exit_code: int, message: str) -> None:
    stderr = "qemu: uncaught\n target signal 11\n"
    failure = RunnerFailure.parse("", stderr=stderr, exit_code=exit_code)
    assert (failure.kind, failure.message) == ("crash", message)
    with pytest.raises(RunnerFailed, match=r"^The runner"):
        RunnerReport.parse("", exit_code=exit_code, stderr=stderr)


def test_a_long_stderr_is_quoted_from_its_end() -> None:
    failure = RunnerFailure.parse("", stderr="x" * 5000 + " the end", exit_code=1)
    assert failure.message.endswith(" the end")
    assert len(failure.message) < 600


@pytest.mark.parametrize("text", ["", "\n", "no json", "[1]", '{"schema":1,"runner"', "null"])
def test_what_is_no_report_is_a_failure(text: str) -> None:
    with pytest.raises(RunnerFailed, match="The runner printed no report"):
        RunnerReport.parse(text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 2}, "has schema 2, expected 1"),
        ({"samples_ns": []}, "has 0 samples on 3 CPUs"),
        ({"sample_cpus": [7]}, "has 3 samples on 1 CPUs"),
        ({"samples_ns": [1, 0, 2]}, "a sample of 0 ns"),
        ({"samples_ns": [1, "2", 3]}, r"samples_ns\[1\]: expected int, got '2'"),
        ({"load_ns": None}, "load_ns: expected int, got None"),
        ({"threads": {}}, "'requested' is missing"),
    ],
)
def test_a_report_that_cannot_be_true_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RunnerFailed, match=message):
        RunnerReport.parse(line(**changes))


def test_a_report_of_a_run_that_failed_after_printing_is_a_failure() -> None:
    with pytest.raises(RunnerFailed, match="killed by SIGSEGV"):
        RunnerReport.parse(line(), exit_code=-11)
