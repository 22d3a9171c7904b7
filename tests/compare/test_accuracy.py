"""Accuracy in a comparison: a drop is a regression, other images are not judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seaformer.compare.document import document, markdown
from seaformer.compare.rows import Comparison, Side, compare, gate
from seaformer.compare.sides import load_side
from seaformer.compare.verdict import (
    BETTER,
    REGRESSION,
    SAME,
    UNKNOWN,
    WARNING,
    Limits,
    checked_limits,
)
from seaformer.core.accuracy import Accuracy
from seaformer.core.errors import MeasurementRefused, Regression, UnknownName, UsageError
from seaformer.store import accuracy as store
from tests.compare.comparisons import on_phone
from tests.fakes.accuracies import accuracy


def sides(base: Accuracy, new: Accuracy, **more: Any) -> Comparison:
    return compare(Side("old", (), (), (base,)), Side("new", (), (), (new,)), **more)


@pytest.mark.parametrize(
    ("miou", "limit", "verdict"),
    [
        (39.6, 0.5, SAME),
        (39.4, 0.5, REGRESSION),
        (39.4, 1.0, SAME),
        (39.99, 0.0, REGRESSION),
        (40.0, 0.0, SAME),
        (41.0, 0.5, BETTER),
    ],
)
def test_a_drop_over_the_limit_is_a_regression(miou: float, limit: float, verdict: str) -> None:
    comparison = sides(accuracy(1), accuracy(2, miou=miou), limits=Limits(accuracy=limit))
    ((finding,),) = (row.findings for row in comparison.rows)
    assert (finding.fact, finding.verdict) == ("mIoU", verdict)
    assert (finding.base, finding.new) == (40.0, miou)
    if verdict == REGRESSION:
        with pytest.raises(Regression, match=r"mIoU of seaformer_t\.synth 128x128 onnx fp32"):
            gate(comparison)
    else:
        gate(comparison)


def test_it_is_beside_measurements_and_printed_with_its_data() -> None:
    base = Side("old", (on_phone(1),), (), (accuracy(1),))
    new = Side("new", (on_phone(2),), (), (accuracy(2, miou=30.0),))
    comparison = compare(base, new)
    assert len(comparison.rows) == 2
    text = markdown(comparison)
    assert "on shapes val, whole" in text
    assert "40.00 %" in text
    assert "accuracy down 0.5 points" in text
    assert document(comparison)["passed"] is False
    allowed = compare(base, new, allow=["mIoU"])
    assert [one.verdict for row in allowed.rows for one in row.findings if one.fact == "mIoU"] == [
        WARNING
    ]
    gate(allowed)
    with pytest.raises(UnknownName):
        compare(base, new, allow=["miou"])


def test_each_precision_is_judged_by_its_own_latency_and_its_own_accuracy() -> None:
    precisions = ("fp32", "fp16", "int8")
    digests = {name: str(i) * 64 for i, name in enumerate(precisions)}

    def side(name: str, first: int, scores: dict[str, float], slower: str) -> Side:
        timed = tuple(
            on_phone(
                first + i,
                30.0 if each == slower else 20.0,
                precision=each,
                artifact_sha256=digests[each],
            )
            for i, each in enumerate(precisions)
        )
        judged = tuple(
            accuracy(first + i, precision=each, miou=scores[each], artifact_sha256=digests[each])
            for i, each in enumerate(precisions)
        )
        return Side(name, timed, (), judged)

    before = dict.fromkeys(precisions, 40.0)
    base = side("old", 1, before, "")
    new = side("new", 11, before | {"int8": 39.0}, "fp16")
    comparison = compare(base, new)
    bad = {
        (row.key.precision, finding.fact)
        for row in comparison.rows
        for finding in row.findings
        if finding.verdict == REGRESSION
    }
    assert bad == {("int8", "mIoU"), ("fp16", "latency")}
    assert len(comparison.rows) == 2 * len(precisions)
    with pytest.raises(Regression):
        gate(comparison)
    gate(compare(base, side("same", 21, before, "")))


def test_an_evaluation_on_a_device_is_compared_with_that_of_the_same_device() -> None:
    base = Side("old", (), (), (accuracy(1), accuracy(2, device="emulator", miou=39.0)))
    new = Side("new", (), (), (accuracy(3), accuracy(4, device="emulator", miou=30.0)))
    found = {row.key.device: row.findings[0] for row in compare(base, new).rows}
    assert {device: (one.base, one.new) for device, one in found.items()} == {
        "shapes val, whole": (40.0, 40.0), "shapes val, whole (emulator)": (39.0, 30.0),
    }  # fmt: skip


def test_other_images_are_not_judged_and_not_a_pass() -> None:
    comparison = sides(accuracy(1), accuracy(2, images=2, miou=90.0))
    assert [one.verdict for row in comparison.rows for one in row.findings] == [UNKNOWN]
    with pytest.raises(MeasurementRefused, match="not the same images: 40 images, now 2"):
        gate(comparison)


def test_as_many_images_with_another_number_skipped_are_other_images() -> None:
    (row,) = sides(accuracy(1, skipped=0), accuracy(2, skipped=7)).rows
    why = "not the same images: 40 images (0 skipped), now 40 images (7 skipped)"
    assert [one.why for one in row.findings] == [why]


def test_a_loss_of_just_the_limit_passes_though_binary_fractions_make_it_more() -> None:
    for tenths in range(0, 995, 5):
        before, after = (tenths + 6) / 10, (tenths + 1) / 10
        (row,) = sides(accuracy(1, miou=before), accuracy(2, miou=after)).rows
        assert [one.verdict for one in row.findings] == [SAME], (before, after)


def test_top_1_and_ap_are_judged_too() -> None:
    top1 = (accuracy(1, miou=None, top1=60.0), accuracy(2, miou=None, top1=50.0))
    ap = (accuracy(1, miou=None, ap=60.0), accuracy(2, miou=None, ap=50.0))
    for (base, new), fact in ((top1, "top-1"), (ap, "AP")):
        ((finding,),) = (row.findings for row in sides(base, new).rows)
        assert (finding.fact, finding.verdict) == (fact, REGRESSION)


def test_folders_with_records_alone_are_compared_and_the_newest_counts(tmp_path: Path) -> None:
    for name, values in (("a", (10.0, 40.0)), ("b", (40.0, 30.0))):
        for number, miou in enumerate(values, 1):
            store.append(tmp_path / name, accuracy(number, miou=miou))
    base, new = (load_side(str(tmp_path / name), tmp_path) for name in "ab")
    assert (base.measurements, base.damaged) == ((), ())
    ((finding,),) = (row.findings for row in compare(base, new).rows)
    assert (finding.base, finding.new) == (40.0, 30.0)


def test_limits_out_of_range_are_refused() -> None:
    assert checked_limits(1.03, 0.0).accuracy == 0.0
    for value in (-0.1, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="--max-miou-drop must be at least 0"):
            checked_limits(1.03, value)
