"""Rows of precisions are complete, and what depends on a precision follows its row."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from seaformer.core.counts import Counts, executed_precision, multiplied_in
from seaformer.core.errors import UnknownName
from seaformer.core.precision import (
    BASE,
    Precision,
    arithmetic,
    find_precision,
    names,
    precisions,
    rank,
)
from seaformer.core.spec import PaperRow

ROWS = pytest.mark.parametrize("row", precisions(), ids=names())


def test_names_are_unique_and_the_one_networks_are_written_in_comes_first() -> None:
    assert len(set(names())) == len(names())
    assert BASE.name == names()[0] == "fp32"
    assert not BASE.calibrated


@ROWS
def test_lanes_are_those_of_a_128_bit_register(row: Precision) -> None:
    assert row.lanes * np.dtype(row.dtype).itemsize * 8 == 128


@ROWS
def test_rounding_is_not_below_what_the_type_can_hold(row: Precision) -> None:
    if row.calibrated:  # half a step of the codes, against the greatest of them
        assert row.rounding == 0.5 / np.iinfo(row.dtype).max
        return
    assert float(np.finfo(row.dtype).eps) / 2 <= row.rounding <= 10 * float(np.finfo(row.dtype).eps)


@ROWS
def test_fields_that_a_row_names_exist(row: Precision) -> None:
    assert row.paper_latency in {"", *(field.name for field in dataclasses.fields(PaperRow))}
    assert row.counted in {"multiply_int8", *(f.name for f in dataclasses.fields(Counts))}
    assert bool(row.paper_latency) != row.calibrated
    assert bool(row.cpu_feature) == bool(row.device_property)


def test_an_unknown_precision_is_answered_with_the_nearest_and_comes_last_in_a_table() -> None:
    with pytest.raises(UnknownName, match="Unknown precision 'fp61'") as caught:
        find_precision("fp61")
    assert caught.value.hint == "Did you mean fp16?"
    assert [rank(name) for name in (*names(), "fp61")] == list(range(len(names()) + 1))


def test_the_papers_latency_is_that_of_the_precision() -> None:
    row = PaperRow("table2", "SeaFormer-T", latency_ms=40.0, latency_fp16_ms=22.0)
    assert (row.latency_in("fp32"), row.latency_in("fp16")) == (40.0, 22.0)


def test_a_device_says_of_each_precision_whether_its_cores_compute_in_it() -> None:
    assert arithmetic(["asimd", "asimdhp"]) == {"fp16_arithmetic": "yes"}
    assert arithmetic(["asimd"]) == {
        "fp16_arithmetic": "no: its cores lack asimdhp, engines compute fp16 files in fp32"
    }


def counts(half: int, single: int) -> Counts:
    return Counts(9, half + single, 0, 0, 0, 0, 0, 0, 0, half, single, 0)


@pytest.mark.parametrize(
    ("half", "single", "expected"), [(3, 2, "fp16"), (2, 3, "fp32"), (2, 2, "fp32"), (0, 0, "")]
)
def test_the_executed_precision_is_that_of_most_multiplications(
    half: int, single: int, expected: str
) -> None:
    repeats = [counts(half, single)] * 2
    assert multiplied_in(repeats) == {"fp32": 2 * single, "fp16": 2 * half, "int8": 0}
    assert executed_precision(repeats) == expected


def test_multiplications_of_no_floating_type_are_those_of_integers() -> None:
    one = dataclasses.replace(counts(3, 2), vector_fma=15)
    assert multiplied_in([one]) == {"fp32": 2, "fp16": 3, "int8": 10}
    assert executed_precision([one]) == "int8"
