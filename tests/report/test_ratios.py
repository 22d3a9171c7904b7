"""Rows of one bench that differ in one thing are compared in a sentence."""

from __future__ import annotations

from dataclasses import replace

from seaformer.core.measurement import Measurement, MethodRun
from seaformer.core.plan import tail_method
from seaformer.core.ratio import ratio_of_medians
from seaformer.report.ratios import fastest_sentences, ratio_sentences, tail_sentences
from seaformer.report.renderers.terminal import run_page
from seaformer.report.terminal import plain
from tests.fakes.measurements import OFF_CORE, counted, emulated, failed, measurement, method

ONNX = {"format": "onnx", "runtime": "onnxruntime"}


def onnx(number: int, median_ms: float, **changes: object) -> Measurement:
    return measurement(number, **ONNX, methods={"forward": method(median_ms)}, **changes)


def test_two_engines_are_compared_with_the_interval_of_their_ratio() -> None:
    slow, fast = measurement(1, methods={"forward": method(20.0)}), onnx(2, 16.0)
    (sentence,) = ratio_sentences([slow, fast])
    samples = [one.methods["forward"].by_process() for one in (fast, slow)]
    ratio = ratio_of_medians(*samples)
    assert ratio is not None
    assert sentence == (
        f"seaformer_t.ade20k 512x512 fp32: executorch is {ratio.value:.2f}x slower than "
        f"onnxruntime (95 % interval {ratio.low:.2f}–{ratio.high:.2f})."
    )
    assert 1.24 < ratio.value < 1.26
    assert ratio_sentences([fast, slow]) == [sentence]


def test_engines_that_take_the_same_time_do_not_differ() -> None:
    (sentence,) = ratio_sentences([measurement(1), onnx(2, 20.0)])
    assert "executorch and onnxruntime do not differ" in sentence or (
        "onnxruntime and executorch do not differ" in sentence
    )


def test_two_precisions_of_one_engine_are_compared_too() -> None:
    half = measurement(2, precision="fp16", methods={"forward": method(12.0)})
    (sentence,) = ratio_sentences([measurement(1), half])
    assert sentence.startswith("seaformer_t.ade20k 512x512 executorch: fp32 is 1.67x slower than")


def test_what_differs_in_more_than_one_thing_is_not_compared() -> None:
    others = (
        onnx(2, 16.0, model="seaformer_s.ade20k"),
        onnx(3, 16.0, input_shape=(1, 3, 64, 64)),
        onnx(4, 16.0, scope="argmax"),
        onnx(5, 16.0, precision="fp16"),
    )
    assert ratio_sentences([measurement(1), *others]) == []
    assert ratio_sentences([measurement(1)]) == []
    assert ratio_sentences([measurement(1), emulated(2, **ONNX), failed(3)]) == []


def test_a_measurement_that_is_not_valid_is_named_instead() -> None:
    (sentence,) = ratio_sentences([measurement(1, flags=(OFF_CORE,)), onnx(2, 16.0)])
    assert sentence.endswith("not compared, because executorch is not valid.")
    neither = [measurement(1, flags=(OFF_CORE,)), onnx(2, 16.0, flags=(OFF_CORE,))]
    (sentence,) = ratio_sentences(neither)
    assert sentence.endswith("not compared, because executorch and onnxruntime are not valid.")


def below(*rows: Measurement) -> list[str]:
    """The lines below the table of a bench that begin with the model."""
    lines = plain(run_page(rows)).splitlines()
    return [line for line in lines if line.startswith("seaformer_t.ade20k 512x512")]


def test_the_sentences_are_below_the_table_of_a_bench_and_the_fastest_is_last() -> None:
    ncnn = measurement(3, runtime="ncnn", methods={"forward": method(18.0)})
    *ratios, fastest = below(measurement(1), onnx(2, 16.0), ncnn)
    assert [line.split(" is ")[0] for line in ratios] == [
        f"seaformer_t.ade20k 512x512 fp32: {name}" for name in ("executorch", "ncnn")
    ]
    assert fastest.startswith("seaformer_t.ade20k 512x512: onnxruntime fp32 is the fastest;")


def test_of_two_rows_the_ratio_or_the_fastest_is_named_and_not_both() -> None:
    (ratio,) = below(measurement(1), onnx(2, 16.0))
    assert ratio.startswith("seaformer_t.ade20k 512x512 fp32: executorch is 1.25x slower than")
    (invalid,) = below(measurement(1, flags=(OFF_CORE,)), onnx(2, 16.0))
    assert invalid.endswith("not compared, because executorch is not valid.")
    (both,) = below(measurement(1), onnx(2, 16.0, precision="fp16"))
    assert both.startswith("seaformer_t.ade20k 512x512: onnxruntime fp16 is the fastest;")
    (counts,) = below(emulated(1), emulated(2, **ONNX))
    assert "executes the fewest instructions" in counts


def test_the_fastest_valid_engine_and_precision_of_each_model_is_named() -> None:
    rows = [
        measurement(1),
        onnx(2, 16.0),
        measurement(3, precision="fp16", methods={"forward": method(12.0)}),
        measurement(4, runtime="ncnn", methods={"forward": method(9.0)}, flags=(OFF_CORE,)),
        onnx(5, 30.0, model="seaformer_s.ade20k"),
        measurement(6, model="seaformer_s.ade20k", methods={"forward": method(20.0)}),
    ]
    tiny, small = fastest_sentences(rows)
    base, new = (rows[i].methods["forward"].by_process() for i in (2, 1))
    ratio = ratio_of_medians(base, new)
    assert ratio is not None
    assert tiny == (
        "seaformer_t.ade20k 512x512: executorch fp16 is the fastest; onnxruntime fp32, the next, "
        f"takes {ratio.value:.2f}x (95 % interval {ratio.low:.2f}x–{ratio.high:.2f}x). "
        "Not valid, so left out: ncnn fp32."
    )
    assert small.startswith("seaformer_s.ade20k 512x512: executorch fp32 is the fastest;")


def test_two_files_of_one_engine_and_precision_are_both_compared() -> None:
    rows = [
        onnx(1, 10.0, artifact_file="fixed.onnx"),
        onnx(2, 30.0, artifact_file="other.onnx"),
        measurement(3, methods={"forward": method(15.0)}),
    ]
    (fastest,) = fastest_sentences(rows)
    assert "onnxruntime fp32 (fixed.onnx) is the fastest; executorch fp32, the next" in fastest
    slower = ratio_sentences(rows)
    assert len(slower) == 2
    assert all("slower than onnxruntime (fixed.onnx)" in sentence for sentence in slower)


def test_a_run_without_samples_is_left_out() -> None:
    rows = [measurement(1, methods={"forward": MethodRun((), ())}), onnx(2, 16.0)]
    assert ratio_sentences(rows) == []
    (sentence,) = fastest_sentences(rows)
    assert sentence.endswith("is not known, because only onnxruntime fp32 is valid.")


def test_a_difference_within_noise_is_called_that() -> None:
    (sentence,) = fastest_sentences([measurement(1), onnx(2, 20.0)])
    assert "are the fastest, and their difference is within noise (" in sentence
    assert fastest_sentences([measurement(1)]) == []
    (sentence,) = fastest_sentences([measurement(1), onnx(2, 16.0, flags=(OFF_CORE,))])
    assert sentence.endswith("is not known, because only executorch fp32 is valid.")
    (sentence,) = fastest_sentences([failed(1), onnx(2, 16.0, flags=(OFF_CORE,))])
    assert sentence.endswith("is not known, because none is valid.")


def test_counts_of_an_emulated_core_have_no_noise() -> None:
    ncnn = emulated(2, runtime="ncnn", methods={"forward": counted(200_000_000)})
    (sentence,) = fastest_sentences([emulated(1), ncnn])
    assert sentence == (
        "seaformer_t.ade20k 512x512: ncnn fp32 executes the fewest instructions, 200.00 M; "
        "executorch fp32, the next, 1.32x as many."
    )
    bare = replace(counted(), counts=())
    (sentence,) = fastest_sentences([emulated(1, methods={"forward": bare}), ncnn])
    assert sentence.endswith("because instructions were not counted.")


def test_a_tail_is_a_share_of_its_network() -> None:
    tail = tail_method("argmax")
    timed = measurement(1, methods={"forward": method(20.0), tail: method(2.0, seed=1)})
    (sentence,) = tail_sentences([timed])
    assert sentence.startswith(
        "seaformer_t.ade20k 512x512 fp32 executorch: upsampling and argmax take 10.0 % of the "
        "network's time (95 % interval "
    )
    both = {"forward": counted(200_000_000), tail: counted(8_000_000)}
    (sentence,) = tail_sentences([emulated(1, methods=both)])
    assert sentence.endswith("argmax execute 4.0 % of the network's instructions.")
    assert tail_sentences([measurement(1), replace(timed, flags=(OFF_CORE,))]) == []
