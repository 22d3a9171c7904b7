"""Every row of the zoo, by existing, is built, exported, verified and looked at by the delegate.

One small row per family runs by default; the others take hours (``pytest -m zoo``). The size is the
smallest a model takes: an export at 64x64 has every operator of one at 512x512.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seaformer.export import export_model
from seaformer.models import list_models, smallest_size, zoo_entry

DEFAULT = {"topformer_t.ade20k", "mobilenetv3_s.ade20k"}
# Larger than memory allows beside other work: built and counted (tests/models), exported on demand.
GIANTS = 200_000_000
# What XNNPACK of executorch 1.5.1 leaves outside of models that are no single delegate: a row here
# is looked at like the others, and must not get worse.
BREAKS: dict[str, int] = {}


def _rows() -> list[object]:
    rows: list[object] = []
    for name in list_models():
        marks = () if name in DEFAULT else (pytest.mark.zoo,)
        rows.append(pytest.param(name, marks=marks))
    return rows


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("format", ["onnx", "executorch"])
@pytest.mark.parametrize("name", _rows())
def test_a_model_exports_and_computes_what_pytorch_computes(
    name: str, format: str, tmp_path: Path
) -> None:
    if zoo_entry(name).params > GIANTS:
        pytest.skip("300 M parameters: 4 GB of files and three copies in memory")
    artifact = export_model(name, format=format, size=smallest_size(name), out=tmp_path)
    assert artifact.parity.cases
    assert all(case.passed for case in artifact.parity.cases)
    assert artifact.parity.verified_by == "prediction"
    if format == "executorch":
        assert artifact.delegation is not None
        outside = artifact.delegation.outside_compute
        assert outside <= BREAKS.get(name.partition(".")[0], 0), artifact.delegation.outside
        assert artifact.delegation.subgraphs >= 1


def test_there_is_a_default_row_for_the_families_no_other_export_test_covers() -> None:
    assert set(list_models()) >= DEFAULT
