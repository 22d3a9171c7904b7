"""Two sets of results, row by row: what is a regression, what is advice, what is not judged."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seaformer.compare import document as comparison
from seaformer.compare.rows import Comparison, Side, compare, gate
from seaformer.compare.sides import load_side
from seaformer.compare.verdict import (
    BETTER,
    REGRESSION,
    SAME,
    UNKNOWN,
    WARNING,
    Finding,
    Limits,
    checked_limits,
)
from seaformer.core import files
from seaformer.core.artifact import Delegation, OutsideOperator
from seaformer.core.counts import Counts
from seaformer.core.errors import Regression, UnknownName, UsageError
from seaformer.core.facts import ArtifactFacts, ParityFacts
from seaformer.core.measurement import (
    Conditions,
    Flag,
    Measurement,
    OutputCheck,
    document,
)
from seaformer.core.ratio import ratio_of_medians
from seaformer.store.results import ResultStore
from tests.fakes.measurements import HOST, emulated, failed, measurement, method

PHONE = replace(HOST, id="R5CT30", target="phone", model="Mi 10", architecture="aarch64", cores=8)
EARLIER = Conditions(at="2026-07-29T08:00:00+00:00"), Conditions(at="2026-07-29T08:01:00+00:00")
DELEGATION = Delegation("XnnpackBackend", 1, 286, ())
FACTS = ArtifactFacts(
    exporter="made up",
    weights="seeded:0",
    parity=ParityFacts("prediction", 1e-5, 1e-5, 90.0, 1.0),
    delegation=DELEGATION,
    operators={"aten.convolution": 200, "aten.add": 86},
)


def on_phone(number: int, median_ms: float = 20.0, **changes: Any) -> Measurement:
    told = {"device": PHONE, "target": "phone", "facts": FACTS}
    samples = {"forward": method(median_ms, seed=number)}
    return measurement(number, **told | {"methods": samples} | changes)


def counted(number: int, instructions: int, **changes: Any) -> Measurement:
    counts = Counts(instructions, 9, 9, 9, 9, 9, 9, 9, 9, 0, 9, 9)
    run = replace(method(processes=1, count=1), counts=(counts,))
    return emulated(number, methods={"forward": run}, facts=FACTS, **changes)


def sides(base: Measurement, new: Measurement, **more: Any) -> Comparison:
    return compare(Side("old", (base,)), Side("new", (new,)), **more)


def fact(found: Comparison, name: str) -> Finding:
    (one,) = (f for row in found.rows for f in row.findings if f.fact == name)
    return one


def with_facts(**changes: Any) -> Comparison:
    return sides(on_phone(1), on_phone(2, facts=replace(FACTS, **changes)))


# Latency.


def test_a_slower_phone_row_is_a_regression_and_the_gate_says_which() -> None:
    found = sides(on_phone(1), on_phone(2, 21.0))
    latency = fact(found, "latency")
    assert latency.verdict == REGRESSION
    assert latency.ratio == pytest.approx(1.05, abs=0.01)
    assert latency.low is not None
    assert latency.high is not None
    assert latency.ratio is not None
    assert 1.0 < latency.low < latency.ratio < latency.high
    with pytest.raises(Regression, match=r"new is worse than old: latency of seaformer_t\.ade20k"):
        gate(found)


@pytest.mark.parametrize(
    ("median_ms", "verdict"), [(20.0, SAME), (20.4, SAME), (19.8, SAME), (19.0, BETTER)]
)
def test_what_is_within_three_percent_or_faster_passes(median_ms: float, verdict: str) -> None:
    found = sides(on_phone(1), on_phone(2, median_ms))
    assert fact(found, "latency").verdict == verdict
    gate(found)


def test_a_difference_the_interval_does_not_prove_is_none() -> None:
    wild = method(21.0, processes=2, count=20, seed=1)
    half = len(wild.samples_ns) // 2
    slow = tuple(ns + 3_000_000 for ns in wild.samples_ns[half:])
    fast = tuple(ns - 3_000_000 for ns in wild.samples_ns[:half])
    new = on_phone(2, methods={"forward": replace(wild, samples_ns=fast + slow)})
    latency = fact(sides(on_phone(1), new), "latency")
    assert latency.ratio is not None
    assert latency.ratio > 1.03
    assert latency.low is not None
    assert latency.low < 1.0
    assert latency.verdict == SAME


def test_the_limit_can_be_moved_and_not_below_one() -> None:
    slower = sides(on_phone(1), on_phone(2, 21.0), limits=checked_limits(1.10))
    assert fact(slower, "latency").verdict == SAME
    for ratio in (0.9, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="--max-ratio"):
            checked_limits(ratio)


def test_an_emulators_milliseconds_are_never_compared() -> None:
    found = sides(counted(1, 1000), counted(2, 1000))
    assert "latency" not in {f.fact for row in found.rows for f in row.findings}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"device": replace(HOST, id="host-other")}, "not the same device"),
        ({"device": replace(HOST, memory_bytes=1)}, "not the same device"),
        ({"runner": "python"}, "not the same runner"),
        ({}, "at two different times"),
    ],
)
def test_a_slower_computer_is_only_advice_unless_all_else_is_the_same(
    changes: dict[str, Any], why: str
) -> None:
    before, after = EARLIER
    base = measurement(1, before=before, after=after)
    found = sides(base, measurement(2, methods={"forward": method(30.0)}, **changes))
    latency = fact(found, "latency")
    assert latency.verdict == WARNING
    assert why in latency.why
    gate(found)


def test_the_same_computer_interleaved_is_gated() -> None:
    found = sides(measurement(1), measurement(2, methods={"forward": method(30.0)}))
    assert fact(found, "latency").verdict == REGRESSION


def test_an_invalid_measurement_is_not_judged_by_its_time() -> None:
    new = on_phone(2, 30.0, flags=(Flag("unstable", True, "wide"),))
    latency = fact(sides(on_phone(1), new), "latency")
    assert latency.verdict == UNKNOWN
    assert "new is not valid: unstable" in latency.why


def test_a_part_of_a_network_is_only_advice() -> None:
    def parts(number: int, stem_ms: float) -> Measurement:
        both = {"forward": method(seed=1), "stem": method(stem_ms, seed=2)}
        return on_phone(number, methods=both)

    found = sides(parts(1, 5.0), parts(2, 6.0))
    assert [row.key.method for row in found.rows] == ["forward", "stem"]
    (latency,) = found.rows[1].of(WARNING)
    assert "a part alone" in latency.why
    gate(found)


# Facts.


def test_half_a_percent_more_instructions_passes_and_more_does_not() -> None:
    assert fact(sides(counted(1, 100_000), counted(2, 100_500)), "instructions").verdict == SAME
    worse = sides(counted(1, 100_000), counted(2, 100_501))
    assert fact(worse, "instructions").verdict == REGRESSION
    assert fact(sides(counted(1, 100_000), counted(2, 99_000)), "instructions").verdict == BETTER


@pytest.mark.parametrize(
    ("changes", "worse"),
    [
        ({"delegation": replace(DELEGATION, subgraphs=2)}, "delegate subgraphs"),
        ({"delegation": None}, "delegate subgraphs"),
        ({"operators": {"aten.convolution": 201, "aten.add": 86}}, "operators"),
        ({"parity": replace(FACTS.parity, argmax_agreement=0.99)}, "argmax agreement"),
        ({"parity": replace(FACTS.parity, relative_error=1e-3)}, "relative error"),
        ({"parity": replace(FACTS.parity, verified_by="structure")}, "parity"),
    ],
)
def test_a_fact_of_the_file_that_gets_worse_is_a_regression(
    changes: dict[str, Any], worse: str
) -> None:
    found = with_facts(**changes)
    assert [f.fact for _, f in found.regressions] == [worse]


def test_an_operator_that_falls_out_is_named() -> None:
    outside = (OutsideOperator("aten.mean", 24, True, "one axis"),)
    found = with_facts(delegation=replace(DELEGATION, subgraphs=25, outside=outside))
    assert {f.fact for _, f in found.regressions} == {"delegate subgraphs", "operators outside"}
    assert fact(found, "operators outside").why == "24 more, aten.mean"


def test_a_copy_that_falls_out_computes_nothing_and_passes() -> None:
    outside = (OutsideOperator("aten.clone", 3, False, ""),)
    assert with_facts(delegation=replace(DELEGATION, outside=outside)).regressions == ()


@pytest.mark.parametrize("error", [1.9e-5, 9e-5])
def test_an_error_that_stays_tiny_may_double(error: float) -> None:
    assert with_facts(parity=replace(FACTS.parity, relative_error=error)).regressions == ()


def test_a_larger_file_and_more_memory_are_regressions() -> None:
    big = on_phone(2, artifact_size_bytes=7_000_000)
    assert [f.fact for _, f in sides(on_phone(1), big).regressions] == ["artifact size"]
    found = sides(on_phone(1), with_peaks(80, 80, 80, artifact_sha256="ef" * 32))
    assert [f.fact for _, f in found.regressions] == ["peak memory"]


def with_peaks(*peaks_mb: float, **changes: Any) -> Measurement:
    """A measurement whose processes took that much; those of ``on_phone`` take 64 MB each."""
    run = method(seed=2)
    pairs = zip(run.processes, peaks_mb, strict=True)
    took = tuple(replace(p, peak_rss_bytes=round(mb * 1e6)) for p, mb in pairs)
    return on_phone(2, methods={"forward": replace(run, processes=took)}, **changes)


def test_one_hungry_process_is_no_regression_as_long_as_another_is_not() -> None:
    """As it came out for one file, twice on one machine: 113.4 to 113.7 MB, then 117.6 to 123.0."""
    found = sides(on_phone(1), with_peaks(66.2, 69.3, 68.8, artifact_sha256="ef" * 32))
    assert fact(found, "peak memory").ratio == pytest.approx(69.3 / 64)
    assert fact(found, "peak memory").verdict == SAME


def test_memory_of_the_same_file_engine_and_runner_only_warns() -> None:
    found = fact(sides(on_phone(1), with_peaks(80, 80, 80)), "peak memory")
    assert (found.verdict, found.why) == (WARNING, "the same file, engine and runner: it varies")
    other = with_peaks(80, 80, 80, runtime_version="9.9")
    assert fact(sides(on_phone(1), other), "peak memory").verdict == REGRESSION


def test_a_run_that_fails_now_does_not_hide_behind_an_older_one() -> None:
    new = Side("new", (on_phone(2), replace(failed(3), device=PHONE, target="phone", facts=FACTS)))
    found = compare(Side("old", (on_phone(1),)), new)
    (row, first) = found.regressions[0]
    assert first.fact == "outcome"
    assert "killed by signal 9" in first.why
    assert row.new_id == failed(3).id


def test_a_wrong_output_is_a_regression_whatever_its_time() -> None:
    wrong = replace(method(10.0), output=OutputCheck(3.0, 0.5, 0.4, False))
    found = sides(on_phone(1), on_phone(2, methods={"forward": wrong}))
    assert fact(found, "outcome").why == "wrong output: max abs 3.0e+00"


def test_what_is_allowed_warns_and_an_unknown_fact_is_refused() -> None:
    found = sides(on_phone(1), on_phone(2, 30.0), allow=["latency"])
    assert fact(found, "latency").verdict == WARNING
    gate(found)
    with pytest.raises(UnknownName, match="latencies"):
        sides(on_phone(1), on_phone(2), allow=["latencies"])


@pytest.mark.parametrize("nothing", [float("nan"), float("inf"), None])
def test_a_figure_that_is_none_any_more_is_a_regression(nothing: float | None) -> None:
    found = with_facts(parity=replace(FACTS.parity, relative_error=nothing))
    assert fact(found, "relative error").verdict == REGRESSION


# Which rows.


def test_rows_of_one_side_are_listed_and_can_be_demanded() -> None:
    base = Side("old", (on_phone(1), on_phone(2, model="seaformer_s.ade20k")))
    new = Side("new", (on_phone(3), on_phone(4, precision="fp16")))
    found = compare(base, new)
    assert [key.model for key in found.only_base] == ["seaformer_s.ade20k"]
    assert [key.precision for key in found.only_new] == ["fp16"]
    gate(found)
    with pytest.raises(Regression, match=r"seaformer_s\.ade20k .* is missing"):
        gate(found, missing=True)


def test_two_devices_with_one_name_are_two_rows() -> None:
    other = replace(PHONE, model="Galaxy S20")
    new = Side("new", (on_phone(2), on_phone(3, 40.0, device=other)))
    found = compare(Side("old", (on_phone(1),)), new)
    assert found.regressions == ()
    assert [key.device for key in found.only_new] == ["R5CT30 (Galaxy S20)"]


@pytest.mark.parametrize("which", ["BASE", "NEW"])
def test_an_empty_side_does_not_pass(which: str) -> None:
    full, empty = Side("full", (on_phone(1),)), Side("empty", ())
    pair = (empty, full) if which == "BASE" else (full, empty)
    with pytest.raises(UsageError, match=f"{which} has no measurement: empty"):
        compare(*pair)


def test_nothing_in_common_does_not_pass() -> None:
    with pytest.raises(UsageError, match="No row is on both sides"):
        sides(on_phone(1), on_phone(2, scope="argmax"))


def test_the_base_is_the_newest_valid_run_of_a_row() -> None:
    bad = on_phone(3, flags=(Flag("pinning", True, "off"),))
    found = compare(Side("old", (on_phone(1), on_phone(2), bad)), Side("new", (on_phone(4),)))
    assert found.rows[0].base_id == on_phone(2).id


# Where the sides come from.


def store(folder: Path, *measurements: Measurement) -> Path:
    for one in measurements:
        ResultStore(folder).append(one)
    return folder


def test_a_side_is_a_results_folder_a_folder_of_runs_a_file_or_what_a_bench_printed(
    tmp_path: Path,
) -> None:
    one, two = on_phone(1), on_phone(2)
    folder = store(tmp_path / "results", one, two)
    printed = tmp_path / "printed.json"
    printed.write_text(files.json_text([document(one), document(two)]))
    for path in (folder, folder / "runs", folder / "runs" / "R5CT30", printed):
        assert load_side(str(path), tmp_path).measurements == (one, two)
    file = next(folder.rglob("*00000001*.json"))
    assert load_side(str(file), tmp_path).measurements == (one,)


def test_a_damaged_file_of_a_side_is_listed_and_skipped(tmp_path: Path) -> None:
    folder = store(tmp_path / "results", on_phone(1))
    good = next(folder.glob("runs/*/*.json"))
    good.with_name("cut.json").write_text(good.read_text()[:300])
    good.with_name("nan.json").write_text('{"schema": NaN}')
    side = load_side(str(folder), tmp_path)
    assert len(side.measurements) == 1
    assert sorted(Path(file.path).name for file in side.damaged) == ["cut.json", "nan.json"]
    found = compare(side, side)
    assert len(found.damaged) == 4
    assert any("cut.json" in line for line in comparison.remarks(found))


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def test_a_side_is_a_commit_as_it_was_and_nothing_is_checked_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q")
    results = store(tmp_path / "results", on_phone(1))
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    store(results, on_phone(2))
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "two")
    store(results, on_phone(3))
    monkeypatch.chdir(tmp_path)
    here = Path("results")
    assert load_side("HEAD~1", here).measurements == (on_phone(1),)
    assert load_side("HEAD", here).measurements == (on_phone(1), on_phone(2))
    assert load_side("HEAD:results", Path("elsewhere")).measurements == (on_phone(1), on_phone(2))
    assert len(load_side("results", here).measurements) == 3
    assert load_side("HEAD:nothing", here).measurements == ()


@pytest.mark.parametrize("name", ["nowhere", "--output=x", "HEAD; rm -rf .", "-h"])
def test_what_is_nothing_of_all_that_is_one_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="is not a file, a folder or a commit"):
        load_side(name, Path("results"))
    assert {path.name for path in tmp_path.iterdir()} == {".git"}


def test_recorded_files_of_every_schema_compare(tmp_path: Path) -> None:
    recorded = Path(__file__).parents[1] / "fixtures" / "results"
    old = load_side(str(recorded / "schema1.json"), tmp_path)
    new = load_side(str(recorded / "schema2.json"), tmp_path)
    found = compare(old, new)
    assert fact(found, "export").why == "base of schema 1 keep no facts"
    assert fact(found, "artifact size").verdict == SAME
    gate(found)


# How it is told.


def test_markdown_shows_what_changed_and_folds_the_rest() -> None:
    text = comparison.markdown(sides(on_phone(1), on_phone(2, 21.0, model="seaformer_t.ade20k")))
    assert text.startswith("## new against old\n\n1 row on both sides: 1 regression.")
    shown, _, folded = text.partition("<details>")
    assert "| ✗ |" in shown
    assert "latency" in shown
    assert "artifact size" in folded
    assert "artifact size" not in shown
    assert "Regressions: latency over 3 %" in text


def test_a_hostile_name_stays_in_its_cell_and_on_its_line() -> None:
    name = "a|b<script>%0A::error::x\n::error::y"
    worse = sides(on_phone(1, model=name), on_phone(2, 30.0, model=name))
    assert "<script>" not in comparison.markdown(worse)
    lines = comparison.github(worse).splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["::error", "::notice"]
    assert "%250A" in lines[0]


def test_github_gets_an_error_per_regression_and_a_warning_per_warning() -> None:
    found = sides(on_phone(1), on_phone(2, 30.0, artifact_size_bytes=9_000_000), allow=["latency"])
    lines = comparison.github(found).splitlines()
    assert lines[0].startswith("::error title=artifact size regression::artifact size 6.900 MB")
    assert lines[1].startswith("::warning title=latency warning::latency 19.99 ms -> 29")
    assert lines[2].startswith("::notice title=seaformer compare::1 row on both sides")


def test_benchmark_json_is_what_the_action_takes() -> None:
    entries = comparison.benchmark(sides(on_phone(1), on_phone(2)))
    names = [entry["name"] for entry in entries]
    assert len(set(names)) == len(names)
    for entry in entries:
        assert set(entry) <= {"name", "unit", "value", "range", "extra"}
        assert isinstance(entry["value"], (int, float))
    latency = next(entry for entry in entries if entry["name"].endswith(": latency"))
    assert latency["unit"] == "ms"
    assert latency["value"] == pytest.approx(20.0, rel=0.02)
    assert latency["range"].startswith("± ")
    assert not any("agreement" in name for name in names)


def test_the_json_document_tells_whether_the_gate_passes() -> None:
    data = json.loads(json.dumps(comparison.document(sides(on_phone(1), on_phone(2, 30.0)))))
    assert data["passed"] is False
    assert data["rows"][0]["key"]["model"] == "seaformer_t.ade20k"
    assert comparison.document(sides(on_phone(1), on_phone(2)))["passed"] is True


# The ratio itself.


def test_a_ratio_has_an_interval_that_holds_it_and_is_the_same_every_time() -> None:
    base, new = method(20.0, seed=1).by_process(), method(22.0, seed=2).by_process()
    ratio = ratio_of_medians(base, new)
    assert ratio == ratio_of_medians(base, new)
    assert ratio is not None
    assert ratio.low < 1.1 < ratio.high
    assert ratio.high - ratio.low < 0.02


def test_both_sides_of_a_ratio_are_resampled_apart() -> None:
    same = method(20.0, processes=3, seed=1).by_process()
    ratio = ratio_of_medians(same, same)
    assert ratio is not None
    assert ratio.value == 1.0
    assert ratio.low < 1.0 < ratio.high


@pytest.mark.parametrize("base", [(), ((),), ((0, 0),)])
def test_no_ratio_without_a_base(base: tuple[tuple[int, ...], ...]) -> None:
    assert ratio_of_medians(base, ((1, 2),)) is None
    assert ratio_of_medians(((1, 2),), ()) is None


def test_limits_are_those_that_are_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "results.md").read_text()
    limits = Limits()
    for limit in (limits.latency, limits.instructions, limits.size, limits.peak):
        assert f"{100 * (limit - 1):g} %" in text
