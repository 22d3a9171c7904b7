"""Rows of one bench that differ in one thing are compared in a sentence."""

from __future__ import annotations

from seaformer.core.measurement import Measurement
from seaformer.core.ratio import ratio_of_medians
from seaformer.report.ratios import ratio_sentences
from seaformer.report.renderers.terminal import run_page
from seaformer.report.terminal import plain
from tests.fakes.measurements import OFF_CORE, emulated, failed, measurement, method

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


def test_the_sentence_is_below_the_table_of_a_bench() -> None:
    text = plain(run_page([measurement(1), onnx(2, 16.0)]))
    assert text.rstrip().splitlines()[-1].startswith("seaformer_t.ade20k 512x512 fp32: executorch")
