"""``Measurement`` and its document."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from seaformer.core import codec
from seaformer.core.measurement import Measurement, OutputCheck, document, summary
from seaformer.store.results import parse
from tests.fakes.measurements import (
    NOISY,
    OFF_CORE,
    emulated,
    failed,
    measurement,
    method,
    process,
)


def text_of(data: dict[str, Any]) -> bytes:
    return json.dumps(data, allow_nan=False).encode()


@pytest.mark.parametrize(
    "made",
    [
        measurement(),
        failed(),
        emulated(),
        measurement(flags=(NOISY, OFF_CORE)),
        measurement(methods={"forward": method(), "stem": method(2.0)}),
        measurement(input_shape=(1, 3, 512, 1024), paper_latency_ms=None),
    ],
    ids=["plain", "failed", "emulated", "flagged", "components", "wide"],
)
def test_a_measurement_is_read_back_from_its_document(made: Measurement) -> None:
    text = text_of(document(made))
    assert parse(text) == made
    assert codec.from_json(Measurement, json.loads(text)) == made


def test_the_document_repeats_the_derived_figures_for_other_readers() -> None:
    made = measurement()
    data, found = document(made), summary(made)
    assert found is not None
    assert data["median_ms"] == found.median_ms == data["methods"]["forward"]["median_ms"]
    assert data["ci95_ms"] == [found.ci95_ms.low, found.ci95_ms.high]
    assert data["n"] == 120
    assert data["valid"] is True
    assert data["methods"]["forward"]["samples_ns"] == list(made.methods["forward"].samples_ns)


def test_derived_figures_that_were_edited_are_not_believed() -> None:
    made = measurement()
    assert parse(text_of(document(made) | {"median_ms": 1.0, "valid": False})) == made


def test_a_failed_run_is_not_valid_and_has_no_figures() -> None:
    data = document(failed())
    assert data["valid"] is False
    assert "median_ms" not in data
    assert summary(failed()) is None


def test_a_fatal_flag_makes_a_number_invalid_and_a_note_does_not() -> None:
    assert measurement(flags=(NOISY,)).valid
    assert not measurement(flags=(NOISY, OFF_CORE)).valid


def test_samples_are_cut_into_the_processes_they_came_from() -> None:
    run = replace(method(), samples_ns=(1, 2, 3, 4, 5), processes=(process(2), process(3)))
    assert run.by_process() == ((1, 2), (3, 4, 5))


def test_an_output_of_nan_is_stored_and_read_back() -> None:
    check = OutputCheck(math.nan, math.inf, 0.0, False)
    made = measurement(methods={"forward": replace(method(), output=check)})
    read = parse(text_of(document(made)))
    output = read.methods["forward"].output
    assert output is not None
    assert math.isnan(output.max_abs)
    assert not output.passed


def test_a_file_from_before_commits_were_kept_has_none() -> None:
    made = measurement(commit="0123456789abcdef-dirty")
    data = document(made)
    assert parse(text_of(data)) == made
    del data["commit"]
    assert parse(text_of(data)) == replace(made, commit="")
