"""Measurements to rows."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from seaformer.core import codec
from seaformer.core.measurement import Conditions, summary
from seaformer.core.table import ResultTable
from seaformer.report import words
from seaformer.report.components import components
from seaformer.report.table import current, rows, table_of
from tests.fakes.measurements import (
    EMULATOR,
    HOST,
    OFF_CORE,
    emulated,
    failed,
    measurement,
    method,
    process,
)
from tests.fakes.reports import report_of


def test_a_row_holds_what_was_measured_and_what_it_depends_on() -> None:
    made = measurement()
    found = summary(made)
    (row,) = rows(made)
    assert found is not None
    assert (row.median_ms, row.ci95_low_ms) == (found.median_ms, found.ci95_ms.low)
    assert (row.n, row.processes, row.cpus, row.core_part) == (120, 3, (1,), "Example CPU 9")
    assert (row.peak_mb, row.load_ms, row.first_ms, row.size_mb) == (64.0, 12.0, 31.0, 6.9)
    assert (row.size, row.paper_ms, row.source) == ("512x512", 40.0, "measured")
    assert (row.freq_min_mhz, row.freq_max_mhz, row.governor) == (2990.0, 3000.0, "performance")
    assert row.relative_half_width == pytest.approx(0.003, abs=0.002)


def test_a_table_is_read_back_from_json() -> None:
    table = table_of([measurement(1, flags=(OFF_CORE,)), failed(2), emulated(3)])
    assert codec.from_json(ResultTable, codec.to_json(table)) == table


def test_a_failed_run_is_a_row_without_figures() -> None:
    (row,) = rows(failed())
    assert (row.median_ms, row.ci95_low_ms, row.peak_mb, row.n) == (None, None, None, 0)
    assert row.failure == "The runner was killed by signal 9."
    assert not row.valid
    assert row.relative_half_width is None


def test_a_runner_that_does_not_tell_its_memory_leaves_the_figure_out() -> None:
    run = replace(method(), processes=(process(peak_rss_bytes=None),) * 3)
    assert rows(measurement(methods={"forward": run}))[0].peak_mb is None


def test_frequencies_of_the_conditions_stand_in_for_those_of_the_processes() -> None:
    silent = process(freq_before_khz=None, freq_after_khz=None)
    run = replace(method(), processes=(silent,) * 3)
    around = Conditions(at="", freq_khz=2_000_000)
    (row,) = rows(measurement(methods={"forward": run}, before=around))
    assert (row.freq_min_mhz, row.freq_max_mhz) == (2000.0, 2000.0)


def test_numbers_that_are_none_are_left_out() -> None:
    (row,) = rows(measurement(paper_latency_ms=math.nan, before=Conditions(at="", load=math.inf)))
    assert (row.paper_ms, row.load_average) == (None, None)


def test_forward_comes_first_and_only_it_stands_beside_the_paper() -> None:
    made = measurement(methods={"stem": method(9.0), "forward": method(20.0)})
    assert [(row.method, row.paper_ms) for row in rows(made)] == [("forward", 40.0), ("stem", None)]


def test_a_row_of_an_emulated_run_holds_counts_and_no_times() -> None:
    (row,) = rows(emulated())
    times = (row.median_ms, row.ci95_low_ms, row.min_ms, row.p90_ms, row.max_ms)
    assert (*times, row.load_ms, row.first_ms) == (None,) * 7
    assert (row.instructions, row.n, row.processes, row.executed) == (264_728_048, 3, 3, "fp32")
    assert row.counts_spread == pytest.approx(300 / 264_728_048)
    assert (row.output_max_abs, row.output_psnr_db, row.output_agreement) == (5.7e-05, 132.5, 1.0)
    assert row.peak_mb == 64.0


def test_components_are_summed_and_the_remainder_is_named() -> None:
    parts = {"forward": method(20.0), "stem": method(9.0), "head": method(5.0)}
    found = components(rows(measurement(methods=parts)))
    assert [part.name for part in found] == ["stem", "head", "sum", "remainder"]
    stem, head, total, rest = found
    assert total.median_ms == sum(filter(None, (stem.median_ms, head.median_ms)))
    assert sum(filter(None, (total.share, rest.share))) == pytest.approx(1.0)
    assert rest.share == pytest.approx(6 / 20, abs=0.01)


def test_without_a_whole_or_without_parts_there_are_no_components() -> None:
    assert components(rows(measurement())) == ()
    assert components(rows(measurement(methods={"stem": method()}))) == ()
    assert components(rows(failed())) == ()


def test_rows_are_newest_first_in_whatever_order_they_come() -> None:
    made = [measurement(2), measurement(3), measurement(1)]
    table = report_of(made).table
    assert table == report_of(reversed(made)).table
    assert [row.measurement_id for row in table.rows] == [measurement(n).id for n in (3, 2, 1)]


def test_rows_of_a_model_go_by_format_and_precision_and_the_newest_of_a_kind_first() -> None:
    kinds = [("onnx", "fp16"), ("onnx", "fp32"), ("executorch", "fp16"), ("executorch", "fp32")]
    made = [
        measurement(i, format=format, runtime=format, precision=precision)
        for i, (format, precision) in enumerate(kinds * 2)
    ]
    told = [(row.format, row.precision, row.created_at) for row in report_of(made).table.rows]
    assert [one[:2] for one in told[::2]] == kinds[::-1]
    assert all(told[i][2] > told[i + 1][2] for i in range(0, 8, 2))


def test_each_device_has_its_own_rows_also_when_two_share_an_id() -> None:
    other = replace(HOST, model="Another CPU")
    found = report_of([measurement(1), measurement(2, device=other), emulated(3), measurement(4)])
    assert [section.device for section in found.devices] == [HOST, EMULATOR, other]
    assert [len(section.table.rows) for section in found.devices] == [2, 1, 1]


def test_files_that_differ_in_an_observer_or_a_rule_are_rows_of_their_own() -> None:
    names = ("", "__percentile", "__no-axial", "__components")
    made = [
        measurement(i, artifact_file=f"seaformer_t.ade20k__512x512__fp32{name}.onnx")
        for i, name in enumerate(names, 1)
    ]
    kept = table_of(reversed(made)).newest.rows
    assert [row.measurement_id for row in kept] == [made[i].id for i in (3, 2, 1)]
    shown = [
        "seaformer_t.ade20k",
        "seaformer_t.ade20k (no-axial)",
        "seaformer_t.ade20k (percentile)",
    ]
    assert [words.model(row) for row in kept] == shown


def test_the_newest_row_of_a_key_stands_for_it() -> None:
    made = [measurement(1), measurement(2), measurement(3, precision="fp16"), measurement(4)]
    table = report_of(made).table
    assert [row.measurement_id for row in table.newest.rows] == [made[3].id, made[2].id]


def test_a_valid_row_is_not_hidden_by_a_newer_one_that_failed() -> None:
    made = [measurement(1), measurement(2), failed(3), measurement(4, flags=(OFF_CORE,))]
    table = report_of(made).table
    assert [row.measurement_id for row in table.newest_valid.rows] == [made[1].id]
    assert [row.measurement_id for row in current(table).rows] == [made[3].id, made[1].id]


def test_processes_of_emulated_runs_are_not_listed_with_measured_ones() -> None:
    found = report_of([measurement(1), emulated(2)]).processes
    assert {process.row.source for process in found} == {"measured"}
    assert [process.index for process in found] == [1, 2, 3]
    assert [len(process.samples_ns) for process in found] == [40, 40, 40]
