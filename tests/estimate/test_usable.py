"""A calibration's file that was edited: it is refused in one sentence, or it can be used."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from seaformer.core import codec
from seaformer.core.errors import ArtifactError, CorruptArtifact, SeaFormerError, UsageError
from seaformer.estimate.calibration import load, shipped
from seaformer.estimate.run import open_estimator
from tests.fuzzing import budget, mutate

Document = dict[str, Any]


def edited(folder: Path, edit: Callable[[Document], object]) -> Path:
    """A calibration of the package after an edit."""
    document: Document = codec.to_json(shipped("sd855"))
    edit(document)
    path = folder / "mine.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda c: c.update(rows=[]), "has no row in executorch fp32, which it has a scale of"),
        (lambda c: c.update(emulated="cortex-a53"), "emulated cortex-a53; .* on cortex-a76"),
        (lambda c: c.update(versions={}), "names no version of qemu that it holds for"),
        (lambda c: c["versions"].update(llvm=""), "names no version of llvm"),
        (lambda c: c["versions"].pop("executorch"), "names no version of executorch"),
        (lambda c: c["scales"][0].update(ns=1e308), "ns of executorch fp32 must be from"),
        (lambda c: c["scales"][0].update(ns=5e-324), "ns of executorch fp32 must be from"),
        (lambda c: c["scales"][0].update(ns=-0.2), "ns of executorch fp32 must be from"),
        (lambda c: c["scales"][0].update(factor=1e308), "factor of executorch fp32 must be"),
        (lambda c: c["scales"][0].update(attending_ns=0.0), "attending_ns of executorch fp32"),
        (lambda c: c["rows"][0].update(ms=-1.0), "ms of .* must be above 0"),
        (lambda c: c["rows"][0].update(instructions=0), "instructions of .* must be above 0"),
    ],
)
def test_what_scales_nothing_is_refused(
    edit: Callable[[Document], object], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError, match=sentence) as caught:
        load(edited(tmp_path, edit))
    assert caught.value.message.startswith("mine.json")


def test_a_schema_of_400_digits_is_no_schema(tmp_path: Path) -> None:
    with pytest.raises(CorruptArtifact) as caught:
        load(edited(tmp_path, lambda c: c.update(schema=10**400)))
    assert len(caught.value.message) < 100


def test_a_core_that_is_not_the_files_is_refused(tmp_path: Path) -> None:
    path = edited(tmp_path, lambda c: None)
    with pytest.raises(UsageError, match=r"mine\.json is a calibration of sd855, not of sd865"):
        open_estimator("sd865", path, (), print)
    assert open_estimator("", path, (), print).calibration.core == "sd855"
    assert open_estimator("", None, (), print).calibration.core == "sd865"


@budget
@given(some.data())
def test_whatever_is_in_a_calibration_it_is_refused_or_its_estimates_are_numbers(
    tmp_path: Path, data: some.DataObject
) -> None:
    try:
        calibration = load(edited(tmp_path, lambda document: mutate(document, data)))
    except SeaFormerError:
        return
    for scale in calibration.scales:
        domain = calibration.domain(scale.engine, scale.precision)
        assert 0 < domain.least <= domain.most
        for attends in (False, True):
            ms = scale.ms(1e9, attends=attends)
            assert 0 < ms / scale.factor <= ms * scale.factor < math.inf
