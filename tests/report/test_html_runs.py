"""What opens behind a number of ``report.html``: records of runs, as data in the page."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.core.measurement import Measurement
from seaformer.report.html import runs as html_runs
from seaformer.report.html.island import Shared
from seaformer.report.html.island import island as element
from seaformer.report.renderers import html
from seaformer.store.results import ResultStore
from tests.fakes.measurements import failed, measurement
from tests.fakes.reports import report_of
from tests.report.pages import data, everything, island


def page_with(*measurements: Measurement) -> str:
    return html.page(report_of(measurements))


@pytest.fixture(scope="module")
def page() -> str:
    return page_with(*everything())


def test_every_number_opens_to_samples_conditions_validity_and_its_command(page: str) -> None:
    runs = island(page)
    made = everything()
    for one in made:
        record = runs[one.id]
        assert record["command"] == one.command
        assert record["good"] is one.valid
        assert [flag[1] for flag in record["flags"]] == [flag.name for flag in one.flags]
        assert ["governor", "performance", "performance"] in record["conditions"]
        assert (Path("runs") / one.device.id).as_posix() in record["raw"]
        if one.source == "measured" and one.methods:
            whole = next(m for m in record["methods"] if m["name"] == "forward")
            back = [least + more for least, *rest in whole["samples"] for more in rest]
            assert back == list(one.methods["forward"].samples_ns)


def test_an_emulated_run_shows_counts_and_none_of_the_emulators_milliseconds(page: str) -> None:
    emulated = next(one for one in everything() if one.source == "emulated")
    (whole,) = island(page)[emulated.id]["methods"]
    assert whole["samples"] is None
    assert whole["counts"] == ["260000000"]
    assert not [name for name, value in whole["figures"] if value.endswith(" ms")]
    assert whole["processes"][0][2:4] == ["-", "-"]


def test_the_raw_file_a_record_names_is_the_file_of_the_store(tmp_path: Path) -> None:
    odd = measurement(1, model="a model/with #odd? names")
    ResultStore(tmp_path).append(odd)
    (path,) = (tmp_path / "runs").rglob("*.json")
    address = html_runs.raw_file(odd)
    assert address == path.relative_to(tmp_path).as_posix().replace("#", "%23").replace("?", "%3F")


def test_samples_leave_the_page_when_there_is_no_room_the_oldest_first() -> None:
    report = report_of([measurement(i) for i in range(1, 4)])
    every = island(html_runs.records(report.measurements, report.table.rows))
    room = len(str(every[measurement(3).id]["methods"][0]["samples"]))
    records = island(html_runs.records(report.measurements, report.table.rows, room))
    kept = {name: run["methods"][0]["samples"] is not None for name, run in records.items()}
    assert kept == {measurement(3).id: True, measurement(2).id: False, measurement(1).id: False}


def test_a_run_that_failed_opens_and_gives_the_reason() -> None:
    record = island(page_with(failed(1, "The runner was killed by signal 9.")))[failed(1).id]
    assert record["failure"] == "The runner was killed by signal 9."
    assert record["good"] is False
    assert record["methods"] == []


def test_old_and_new_schemas_are_in_one_page() -> None:
    made = measurement(1), replace(measurement(2), schema=1)
    assert set(island(page_with(*made))) == {one.id for one in made}


def test_runs_beyond_the_newest_keep_their_flags_command_and_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(html_runs, "MOST_DETAILED", 2)
    runs = island(page_with(*(measurement(i, commit=f"{i}" * 40) for i in range(1, 5))))
    detailed = {name for name, run in runs.items() if run["conditions"] is not None}
    assert detailed == {measurement(4).id, measurement(3).id}
    oldest = runs[measurement(1).id]
    assert oldest["command"] == measurement(1).command
    assert oldest["methods"] == []
    assert measurement(1).id in oldest["raw"]
    assert ["commit", "1" * 40] in dict(oldest["facts"])["What ran"]


def test_what_runs_have_in_common_is_in_the_page_once(page: str) -> None:
    text = page_with(*(measurement(i) for i in range(1, 60)))
    for common in ("fresh processes", "until two moving averages", measurement(1).artifact_sha256):
        assert text.count(common) == 1, common
    plans = {json.dumps(dict(run["facts"])["Plan"]) for run in island(text).values()}
    assert len(plans) == 1


def test_data_never_ends_its_element_and_comes_back_as_it_was() -> None:
    shared = Shared()
    odd = "</script><!-- & \u2028 \U0001f600 é –"
    numbers = [shared.ref(odd), shared.text("a\x1bb  c"), shared.ref(odd)]
    text = element("odd", {"shared": shared.values, "numbers": numbers, "none": math.nan})
    assert text.isascii()
    assert text.count("<") == 2
    assert data(text, "odd") == {"shared": [odd, "a b c"], "numbers": [0, 1, 0], "none": None}
