"""How a comparison is written: Markdown, GitHub's annotations, JSON."""

from __future__ import annotations

import json

import pytest

from seaformer.compare import document as comparison
from tests.compare.comparisons import (
    on_phone,
    sides,
)


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
