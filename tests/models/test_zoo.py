"""The index of models says what the sources say."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import warnings
from pathlib import Path
from types import ModuleType

import pytest
import torch

from seaformer.core import paper, zoo
from seaformer.core import proof as proofs_file
from seaformer.core.errors import CorruptArtifact
from seaformer.core.precision import find_precision
from seaformer.core.proof import Proof
from seaformer.core.spec import ModelSpec
from seaformer.models import FAMILIES, _complexity, _zoo, model_spec
from tests import requirements

REGENERATE = "run: python -m seaformer.models._zoo"


def test_the_index_was_written_from_these_sources() -> None:
    assert not _zoo.is_stale(), REGENERATE


def in_order() -> list[tuple[ModuleType, ModelSpec]]:
    families = [FAMILIES.load(name) for name in _zoo.family_names()]
    return [(family, spec) for family in families for spec in family.specs()]


def test_the_index_has_every_row_of_every_family() -> None:
    assert [entry.spec for entry in zoo.read().models] == [spec for _, spec in in_order()]


@pytest.mark.slow
def test_the_index_has_the_cost_of_a_row_of_every_family() -> None:
    """``test_the_index_was_written_from_these_sources`` covers the others."""
    smallest: dict[str, tuple[ModuleType, ModelSpec, zoo.ZooEntry]] = {}
    for (family, spec), entry in zip(in_order(), zoo.read().models, strict=True):
        best = smallest.get(spec.family)
        if best is None or entry.macs < best[2].macs:
            smallest[spec.family] = family, spec, entry
    assert len(smallest) == len(_zoo.family_names())
    for family, spec, entry in smallest.values():
        assert _complexity.entry(family, spec) == entry, REGENERATE


COUNTED = (  # one network of each kind of layer; fvcore has to run them
    "seaformer_t.imagenet",
    "topformer_t.ade20k",
    "segformer_b0.ade20k",
    "setr_naive_t.ade20k",
    "mobilenetv3_s.ade20k",
    "mobilenetv2_laspp.ade20k",
    "mobilevit_xxs.imagenet_256",
    "mobilevitv2_050.imagenet_256",
    "efficientnet_b1.imagenet_240",
)


@pytest.mark.parametrize("name", COUNTED)
def test_our_count_of_the_papers_flops_is_fvcores_to_the_last_digit(name: str) -> None:
    fvcore = requirements.module("fvcore.nn", "pip install fvcore")
    spec = model_spec(name)
    network = FAMILIES.load(spec.family).build(spec).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it traces, which torch 2.13 calls deprecated
        analysis = fvcore.FlopCountAnalysis(network, torch.zeros(1, 3, 128, 128))
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        total = int(analysis.total())
    assert _complexity.paper_flops(network, (1, 3, 128, 128)) == total


TABLES = {
    "table02_ade20k": ("backbone", "decoder"),
    "table03_cityscapes": ("method", "backbone"),
    "table14_imagenet": ("model",),
}


@pytest.mark.parametrize("table", TABLES)
def test_every_row_of_the_papers_comparisons_is_in_the_zoo_or_absent_with_a_reason(
    table: str,
) -> None:
    """A star (trained with batch 32) is the same network as the row without it."""
    papers = (entry.spec.paper for entry in zoo.read().models)
    labels = {row.label for row in papers if row is not None and row.table == table}
    reasons = {row.label: row.reason for row in paper.absent() if row.table == table}
    for row in paper.lines(table):
        names = [row[column] for column in TABLES[table]]
        known = {names[0], " ".join(names), f"{names[0]}*"}
        missing = " ".join(names) in reasons
        assert missing != bool(known & labels), f"{table}: {' '.join(names)}"
    assert all(len(reason) > 10 for reason in reasons.values())


def test_what_is_said_to_be_proved_was_exported_by_the_tool_and_close() -> None:
    proofs = proofs_file.read().proofs
    assert proofs
    known = zoo.entries()
    for proof in proofs:
        assert proof.model in known
        if proof.failure:
            continue
        assert proof.relative_error is not None
        assert proof.relative_error <= find_precision(proof.precision).tolerance.relative_error
        assert proof.tools["torch"]
        assert (proof.subgraphs is None) == (proof.format != "executorch")
        if proof.format == "executorch":
            assert proof.outside == {}, proof.model
            is_cut = proof.model.startswith("mobileformer_") and proof.precision == "fp16"
            assert (proof.subgraphs == 1) is not is_cut, proof.model


def words(proofs: proofs_file.Proofs) -> str:
    return ", ".join(proof.words for proof in proofs.of("m"))


def test_a_newer_proof_takes_the_place_of_an_older_one_of_its_kind(tmp_path: Path) -> None:
    first = Proof("m", "onnx", "fp32", 64, 64, 1e-6, 3.0, "2026", {"torch": "2"})
    other = dataclasses.replace(
        first, format="executorch", subgraphs=2, delegated_ops=9, outside={"aten.mean": 3}
    )
    both = proofs_file.Proofs().adding(first).adding(other)
    again = both.adding(dataclasses.replace(first, seconds=4.0))
    assert [p.seconds for p in again.of("m")] == [3.0, 4.0]
    assert words(again) == "executorch 2+3, onnx"
    half = dataclasses.replace(other, precision="fp16", subgraphs=1, outside={})
    boxes = dataclasses.replace(other, scope="boxes", subgraphs=None, failure="not close")
    more = again.adding(half).adding(boxes)
    assert words(more) == ("executorch 2+3, onnx, executorch fp16 1+0, executorch boxes failed")
    proofs_file.write(again, tmp_path / "p.json")
    assert proofs_file.read(tmp_path / "p.json") == again
    assert proofs_file.read(tmp_path / "none.json") == proofs_file.Proofs()


ADDS = """
import sys, time
from pathlib import Path
from seaformer.core.proof import Proof
from seaformer.core import proof as proofs_file
from tests import requirements

write = proofs_file.write
proofs_file.write = lambda *given: (time.sleep(0.05), write(*given))  # others read meanwhile
for i in range(5):
    proof = Proof(f"{sys.argv[2]}{i}", "onnx", "fp32", 64, 64, 0.0, 1.0, "2026", {})
    proofs_file.add(proof, Path(sys.argv[1]))
"""


def test_runs_that_add_proofs_at_the_same_time_lose_none(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    runs = [subprocess.Popen([sys.executable, "-c", ADDS, path, name]) for name in "abc"]
    assert [run.wait(timeout=60) for run in runs] == [0, 0, 0]
    known = {proof.model for proof in proofs_file.read(path).proofs}
    assert known == {f"{name}{i}" for name in "abc" for i in range(5)}


def test_a_changed_source_makes_the_index_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_zoo, "sources_sha256", lambda: "0" * 64)
    assert _zoo.is_stale()


def test_an_index_that_is_missing_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(CorruptArtifact, match=r"zoo\.json"):
        zoo.read(tmp_path / "zoo.json")
