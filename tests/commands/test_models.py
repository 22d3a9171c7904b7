"""``seaformer models`` as a command."""

from __future__ import annotations

import textwrap
from pathlib import Path

from tests.commands.program import seaformer


def test_the_zoo_is_printed_as_json(tmp_path: Path) -> None:
    documents = seaformer("models", "seaformer_?.ade20k", "--json", cwd=tmp_path).documents
    assert [d["spec"]["name"] for d in documents] == [f"seaformer_{s}.ade20k" for s in "tsbl"]
    assert all(d["params"] > 1_000_000 for d in documents)
    assert all(d["paper"] | d["spec"]["paper"] == d["paper"] for d in documents)
    tiny = documents[0]
    proofs = {(p["format"], p["precision"], p["scope"]): p for p in tiny["proofs"]}
    one = proofs["executorch", "fp32", "logits"]
    assert (one["subgraphs"], one["outside"], one["failure"]) == (1, {}, "")
    assert {"height", "width", "delegated_ops", "relative_error", "seconds", "tools"} <= set(one)
    table = seaformer("models", "seaformer_t.ade20k", cwd=tmp_path).out
    for figure in ("params_difference_percent", "flops_difference_percent"):
        assert f" {tiny['paper'][figure]:+.1f} " in table
    assert tiny["paper"]["latency_ms"] == 40


def test_a_model_without_a_line_of_the_paper_has_none_in_json_either(tmp_path: Path) -> None:
    (document,) = seaformer("models", "seaformer_t.cityscapes", "--json", cwd=tmp_path).documents
    assert document["paper"] is None


def test_a_name_without_a_tag_shows_the_model_for_every_data_set(tmp_path: Path) -> None:
    told = seaformer("models", "SeaFormer_T", "--json", cwd=tmp_path)
    names = [document["spec"]["name"] for document in told.documents]
    assert {"seaformer_t.ade20k", "seaformer_t.imagenet", "seaformer_t.coco"} <= set(names)
    assert all(name.startswith("seaformer_t.") for name in names)


def test_a_model_is_listed_as_it_is_spelled_elsewhere(tmp_path: Path) -> None:
    def listed(glob: str) -> list[str]:
        documents = seaformer("models", glob, "--json", cwd=tmp_path).documents
        return [document["spec"]["name"] for document in documents]

    assert listed("t") == listed("seaformer_t") == listed("SeaFormer-T")
    assert listed("t++") == listed("seaformerpp_t")
    plus = listed("seaformer*++*")
    assert len(plus) > 20
    assert all(name.startswith("seaformerpp_") for name in plus)


def test_a_name_that_nobody_has_is_answered_in_three_lines(tmp_path: Path) -> None:
    answered = seaformer("models", "nothing", cwd=tmp_path)
    lines = [part for line in answered.complaint.splitlines() for part in textwrap.wrap(line, 80)]
    assert len(lines) <= 3, answered.err
