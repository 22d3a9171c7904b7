"""The C++ runner as a program: real engines, real tiny models, no number that depends on speed."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.runtime.conftest import SHAPE, CppRunner, Models, output, run_process

ENGINES = ("executorch", "onnxruntime")


def model_of(models: Models, engine: str) -> Path:
    return models.pte if engine == "executorch" else models.onnx


@pytest.mark.parametrize("engine", ENGINES)
def test_output_equals_eager_on_the_same_image(
    cpp: CppRunner, models: Models, engine: str, tmp_path: Path
) -> None:
    done = cpp(engine, model_of(models, engine), "--input", models.image, "--output-dir", tmp_path)
    report = done.report
    np.testing.assert_allclose(output(report), models.expected, atol=1e-5)
    assert report.inputs[0].source == "file"
    assert report.inputs[0].shape == SHAPE
    assert report.outputs[0].dtype == "float32"


@pytest.mark.parametrize("engine", ENGINES)
def test_several_items_are_answered_as_each_alone(
    cpp: CppRunner, models: Models, engine: str, tmp_path: Path
) -> None:
    image = np.fromfile(models.image, np.float32)
    items = [image, -image, 0.5 * image]
    (tmp_path / "all.bin").write_bytes(np.concatenate(items).tobytes())
    flags = ("--input", tmp_path / "all.bin", "--items", 3, "--output-dir", tmp_path / "out")
    together = cpp(engine, model_of(models, engine), *flags).report
    assert len(together.samples_ns) == len(together.sample_cpus) == 3
    (one,) = together.outputs
    values = np.fromfile(str(one.file), np.float32).reshape(3, *one.shape)
    np.testing.assert_allclose(values[0], models.expected, atol=1e-5)
    for number, item in enumerate(items):
        path, folder = tmp_path / f"{number}.bin", tmp_path / str(number)
        path.write_bytes(item.tobytes())
        alone = cpp(engine, model_of(models, engine), "--input", path, "--output-dir", folder)
        np.testing.assert_array_equal(values[number], output(alone.report))


@pytest.mark.parametrize("engine", ENGINES)
def test_load_first_warmup_and_samples_are_apart(
    cpp: CppRunner, models: Models, engine: str
) -> None:
    report = cpp(engine, model_of(models, engine)).report
    assert report.load_ns > 0
    assert report.first_ns > 0
    assert (report.warmup.runs, len(report.warmup.samples_ns), report.warmup.reason) == (
        1,
        1,
        "fixed",
    )
    assert len(report.samples_ns) == len(report.sample_cpus) == 3
    assert (report.stop.reason, report.stop.ci_half_width_rel) == ("fixed", None)
    assert report.peak_rss_bytes
    assert report.clock == "CLOCK_MONOTONIC_RAW"
    assert not report.profiled
    assert report.runner.host == "cpp"
    assert not report.runner.debug


@pytest.mark.parametrize("engine", ENGINES)
def test_no_warmup_and_one_run_is_possible(cpp: CppRunner, models: Models, engine: str) -> None:
    report = cpp(
        engine, model_of(models, engine), "--warmup", 0, "--runs", 1, "--marker", fast=False
    ).report
    assert report.warmup.runs == 0
    assert len(report.samples_ns) == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_adaptive_rules_say_why_they_ended(cpp: CppRunner, models: Models, engine: str) -> None:
    quickly = "--warmup-min-secs 0.01 --min-secs 0.01 --max-runs 50 --max-secs 10"
    report = cpp(engine, model_of(models, engine), *shlex.split(quickly), fast=False).report
    assert report.warmup.reason in ("converged", "max_secs")
    assert report.warmup.runs >= 5
    assert report.stop.reason in ("interval", "max_runs", "max_secs")
    assert 30 <= len(report.samples_ns) <= 50
    assert report.stop.ci_half_width_rel is not None


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("threads", [1, 2])
def test_thread_count_is_exact(cpp: CppRunner, models: Models, engine: str, threads: int) -> None:
    if threads > (os.cpu_count() or 1):
        pytest.skip("fewer than 2 cores")
    report = cpp(engine, model_of(models, engine), "--threads", threads).report
    told = report.threads
    # One thread is the calling thread alone: nobody else is in the process, no telemetry either.
    assert (told.requested, told.effective, told.os_threads) == (threads, threads, threads)


@pytest.mark.parametrize("engine", ENGINES)
def test_affinity_is_set_and_read_back(cpp: CppRunner, models: Models, engine: str) -> None:
    core = max(os.sched_getaffinity(0))
    report = cpp(engine, model_of(models, engine), "--cpus", core).report
    assert report.affinity.requested == report.affinity.effective == (core,)
    assert set(report.sample_cpus) == {core}


def test_peak_memory_is_not_that_of_the_parent(cpp: CppRunner, models: Models) -> None:
    ballast = np.ones(200 << 20, np.uint8)  # getrusage would show it in the child
    report = cpp("executorch", models.pte).report
    assert report.peak_rss_bytes is not None
    assert report.peak_rss_bytes < ballast.nbytes


def test_half_program_takes_a_float32_file(cpp: CppRunner, models: Models, tmp_path: Path) -> None:
    flags = ("--input", models.image, "--output-dir", tmp_path)
    report = cpp("executorch", models.half_pte, *flags).report
    assert report.inputs[0].dtype == report.outputs[0].dtype == "float16"
    np.testing.assert_allclose(output(report), models.expected, atol=2e-2)


def test_methods_are_listed_and_run_by_name(cpp: CppRunner, models: Models) -> None:
    listed = json.loads(cpp("executorch", models.pte, "--list-methods").stdout)
    assert listed["methods"] == ["forward", "stem"]
    report = cpp("executorch", models.pte, "--method", "stem").report
    assert report.method == "stem"
    assert report.outputs[0].shape == (1, 8, 16, 16)


def test_random_input_depends_on_the_seed_alone(
    cpp: CppRunner, models: Models, tmp_path: Path
) -> None:
    def values(seed: int, engine: str = "executorch") -> np.ndarray:
        flags = ("--seed", seed, "--output-dir", tmp_path / f"{seed}")
        return output(cpp(engine, model_of(models, engine), *flags).report)

    first = values(1)
    np.testing.assert_array_equal(first, values(1))
    np.testing.assert_allclose(first, values(1, "onnxruntime"), atol=1e-5)
    assert np.abs(first - values(2)).max() > 1e-3


def test_executorch_profile_has_an_event_per_operator_and_run(
    cpp: CppRunner, models: Models, tmp_path: Path
) -> None:
    file = tmp_path / "ops.json"
    report = cpp("executorch", models.pte, "--profile-ops", file).report
    assert report.profiled
    assert report.profile_file == str(file)
    events = json.loads(file.read_text())
    assert {event["run"] for event in events} == {0, 1, 2}
    convolutions = [e for e in events if e["run"] == 0 and "F32" in e["name"]]
    assert len(convolutions) == 2
    assert all(event["kind"] == "delegate" and event["duration_ns"] >= 0 for event in convolutions)


def test_onnxruntime_profile_lands_in_the_file_asked_for(
    cpp: CppRunner, models: Models, tmp_path: Path
) -> None:
    file = tmp_path / "ops.json"
    report = cpp("onnxruntime", models.onnx, "--profile-ops", file).report
    assert report.profiled
    runs = [event for event in json.loads(file.read_text()) if event["name"] == "model_run"]
    assert len(runs) == 1 + 1 + 3  # first, warm-up, timed
    assert list(tmp_path.iterdir()) == [file]


def test_version_names_engines_and_sources(cpp: CppRunner) -> None:
    told = json.loads(run_process([str(cpp.build.binary), "--version"]).stdout)
    assert told["engines"] == ["executorch", "litert", "ncnn", "onnxruntime"]
    assert told["linked"].keys() == {"executorch"}
    assert told["linked"]["executorch"].startswith("1.")
    assert told["runner"]["build_id"] == cpp.build.build_id
    assert told["runner"]["sources_sha256"] == cpp.build.sources_sha256


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--threads", 0), "--threads must be a whole number from 1 to"),
        (("--threads", 4096), "(got 4096)"),
        (("--cpus", 4095), "--cpus names CPU 4095, this machine has 0 to"),
        (("--cpus", "x"), "--cpus must be CPU numbers such as 7 or 0-3,6 (got x)."),
        (("--runs", "-1"), "(got -1)"),
        (("--speed", "fast"), "Unknown argument --speed"),
    ],
)
def test_a_bad_flag_is_a_usage_error(
    cpp: CppRunner, models: Models, flags: tuple[object, ...], message: str
) -> None:
    code, kind, said = cpp("executorch", models.pte, *flags).error
    assert (code, kind) == (2, "usage")
    assert message in said


@pytest.mark.parametrize("engine", ENGINES)
def test_a_model_that_is_no_model_gets_one_sentence(
    cpp: CppRunner, models: Models, engine: str, tmp_path: Path
) -> None:
    whole = model_of(models, engine).read_bytes()
    other = model_of(models, ENGINES[1 - ENGINES.index(engine)])
    damaged = bytearray(whole)
    damaged[60:-60] = bytes((byte * 7 + 13) % 256 for byte in whole[60:-60])
    wrong = {
        "half.bin": (whole[: len(whole) // 2], "is truncated: expected "),
        "empty.bin": (b"", "is empty."),
        "text.bin": (
            b"hello" * 100,
            "is neither an ExecuTorch program, a LiteRT model, an ncnn network nor an ONNX model.",
        ),
        "damaged.bin": (bytes(damaged), "damaged.bin"),
        "other.bin": (other.read_bytes(), f"Use --engine {ENGINES[1 - ENGINES.index(engine)]}."),
    }
    for name, (content, message) in wrong.items():
        (tmp_path / name).write_bytes(content)
        code, kind, said = cpp(engine, tmp_path / name).error
        assert (code, kind) == (3, "model"), said
        assert message in said
    assert "No such file" in cpp(engine, tmp_path / "absent").error[2]


def test_an_ncnn_network_needs_its_library_and_its_own_engine(
    cpp: CppRunner, tmp_path: Path
) -> None:
    network = tmp_path / "net.param"
    network.write_text("7767517\n1 1\nInput in0 0 1 in0 0=4 1=4 2=3\n")
    code, kind, said = cpp("ncnn", network, "--library", tmp_path / "libncnn.so.1").error
    assert (code, kind) == (4, "engine")
    assert said.startswith("ncnn cannot be loaded (")
    assert said.endswith("name its library with --library.")
    code, kind, said = cpp("onnxruntime", network).error
    assert said == f"{network} is an ncnn network; onnxruntime runs ONNX models. Use --engine ncnn."


@pytest.mark.parametrize("engine", ENGINES)
def test_inputs_that_do_not_fit_say_what_was_expected(
    cpp: CppRunner, models: Models, engine: str, tmp_path: Path
) -> None:
    short = tmp_path / "short.bin"
    short.write_bytes(b"\0" * 12)
    code, kind, said = cpp(engine, model_of(models, engine), "--input", short).error
    assert (code, kind) == (3, "model")
    assert said.endswith(f"float32 [1,3,32,32] expects 12288 bytes, {short} has 12.")
    twice = ("--input", models.image, models.image)
    assert (
        "takes 1 inputs, --input names 2" in cpp(engine, model_of(models, engine), *twice).error[2]
    )


@pytest.mark.parametrize(
    ("engine", "known"), [("executorch", "forward, stem"), ("onnxruntime", "forward")]
)
def test_an_unknown_method_names_the_known(
    cpp: CppRunner, models: Models, engine: str, known: str
) -> None:
    code, _, said = cpp(engine, model_of(models, engine), "--method", "head").error
    assert code == 3
    assert said.endswith(f"has no method 'head': it has {known}.")


def test_a_library_that_is_none_is_an_engine_error(
    cpp: CppRunner, models: Models, tmp_path: Path
) -> None:
    for library in (tmp_path / "absent.so", models.image):
        code, kind, said = cpp("onnxruntime", models.onnx, "--library", library).error
        assert (code, kind) == (4, "engine")
        assert f"cannot be loaded from {library}" in said


def test_what_the_engine_lacks_is_named(cpp: CppRunner, models: Models, tmp_path: Path) -> None:
    strange = tmp_path / "strange"
    strange.write_bytes(models.onnx.read_bytes().replace(b"Relu", b"Wish"))
    code, _, said = cpp("onnxruntime", strange).error
    assert code in (3, 4)
    assert "Wish" in said
    strange.write_bytes(models.pte.read_bytes().replace(b"XnnpackBackend", b"XnnpackBackenD"))
    code, kind, said = cpp("executorch", strange).error
    assert (code, kind) == (4, "engine")
    assert "Backend XnnpackBackenD is not registered" in said


def test_a_full_disk_is_an_io_error(cpp: CppRunner, models: Models) -> None:
    code, kind, said = cpp("executorch", models.pte, "--profile-ops", "/dev/full").error
    assert (code, kind) == (5, "io")
    assert "No space left on device" in said


def test_outputs_that_cannot_be_written_are_an_io_error(
    cpp: CppRunner, models: Models, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for flags in (
        ("--output-dir", file),
        ("--output-dir", file / "x"),
        ("--profile-ops", file / "x"),
    ):
        code, kind, said = cpp("executorch", models.pte, *flags).error
        assert (code, kind) == (5, "io")
        assert str(file) in said


def test_paths_with_blanks_quotes_and_umlauts_are_fine(
    cpp: CppRunner, models: Models, tmp_path: Path
) -> None:
    folder = tmp_path / 'Größe "1" 像'
    folder.mkdir()
    model = shutil.copy(models.pte, folder / "a b.pte")
    report = cpp("executorch", Path(model), "--output-dir", folder / "out").report
    assert report.model.path == str(model)
    assert output(report).shape == models.expected.shape
