"""The summary of a CI job."""

from __future__ import annotations

from dataclasses import replace

from seaformer.core.files import DamagedFile
from seaformer.report.renderers import github
from tests.commands.test_estimate import ROW as ESTIMATE
from tests.fakes.measurements import OFF_CORE, emulated, failed, measurement
from tests.fakes.reports import report_of
from tests.report.pages import EVIL, everything, hostile


def test_measured_and_emulated_rows_are_in_tables_of_their_own() -> None:
    text = github.summary(report_of(everything()))
    measured, emulated = text.split("### Emulated")
    assert "median ms" in measured
    assert "| seaformer_s.ade20k |" in measured
    assert "260.00" in emulated
    assert "ms |" not in emulated


def test_estimates_follow_the_counts_that_they_are_made_of() -> None:
    outside = replace(ESTIMATE, model="mine", inside=False, published_ms=None)
    text = github.summary(report_of(everything(), (), (), [ESTIMATE, outside]))
    emulated, estimated = text.split("### Estimated")
    assert "260.00" in emulated
    assert "nothing is gated on it" in estimated
    assert "| 41.36 | 35.17–48.64 | inside | 40 |" in estimated
    assert "| 41.36 | 35.17–48.64 | outside |" in estimated
    assert "Estimated" not in github.summary(report_of(everything()))


def test_what_failed_what_is_not_valid_and_what_was_skipped_is_said() -> None:
    text = github.summary(report_of(everything(), [DamagedFile("runs/x/bad.json", "is cut short")]))
    for said in ("Failed: 1", "killed by signal 9", "Not valid: 1", "Files skipped: 1", "bad.json"):
        assert said in text


def test_devices_of_one_name_are_told_apart() -> None:
    text = github.summary(report_of(everything()))
    assert "| phone-a1 |" in text
    assert "| phone-b2 |" in text


def test_text_from_files_stays_text() -> None:
    text = github.summary(report_of([hostile()]))
    assert "<script>" not in text
    assert "<img" not in text
    assert EVIL not in text


def test_an_empty_store_says_how_to_begin() -> None:
    assert "seaformer bench --variant t" in github.summary(report_of([]))


def test_a_summary_never_passes_githubs_limit_and_says_that_it_was_cut() -> None:
    runs = [failed(1, "x" * 5000), *(measurement(i, model=f"model_{i}") for i in range(2, 60))]
    report = report_of(runs)
    whole = github.summary(report)
    assert "ends here" not in whole
    for room in (400, 5000, len(whole.encode()) - 1):
        cut = github.summary(report, room)
        assert len(cut.encode()) <= room
        assert "ends here" in cut
        assert cut.startswith("## Latency report")
    assert github.summary(report, 0) == ""


def test_ten_thousand_rows_stay_within_githubs_limit_and_the_cut_is_not_folded_away() -> None:
    plain = emulated(1, flags=(OFF_CORE,))
    runs = [replace(plain, id=f"run-{i}", model=f"model_{i}.ade20k") for i in range(10_000)]
    text = github.summary(report_of(runs))
    assert 1024 * 1000 < len(text.encode()) <= 1024 * 1024
    assert text.count("<details>") == text.count("</details>")
    assert text.rstrip().endswith("takes no more than 1 MiB. The report has all.*")
    assert text.startswith("## Latency report\n\n10,000 measurements on 1 device, 10,000 emulated")


def test_a_cut_within_details_closes_them() -> None:
    folded = "head\n<details><summary>more</summary>\n\n" + "- a line\n" * 100 + "\n</details>\n"
    cut = github.fitted(folded, 500, "See below.")
    assert len(cut.encode()) <= 500
    assert cut.index("</details>") < cut.index("*The summary ends here")
    assert cut.endswith("See below.*\n")


def test_a_cut_falls_between_lines() -> None:
    cut = github.fitted("a" * 50 + "\n" + "é" * 500 + "\n", 400)
    assert cut.splitlines()[0] == "a" * 50
    assert "é" not in cut
