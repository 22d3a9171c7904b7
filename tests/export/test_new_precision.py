"""A new precision is a row and a conversion: shown with one that stores weights in half.

Nothing else is touched: the file is named, converted, verified by the row's tolerance, loaded and
described as those of every other precision.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from seaformer.core import precision
from seaformer.core.artifact import load_artifact
from seaformer.core.errors import ParityError, UsageError
from seaformer.core.precision import BASE, Precision, Tolerance
from seaformer.core.request import ExportRequest
from seaformer.export import FORMATS, conversions, export_model, export_request
from tests.requirements import converter

SIZE = (64, 64)
WEIGHTS16 = Precision("w16", "float32", 4, 2.0**-10, 1e-7, Tolerance(0.05, 0.95, 60.0))
CONVERSION = '''"""Weights stored in half; a Cast before each use gives them back."""

import numpy as np
import onnx
from onnx import helper, numpy_helper


def convert(path):
    model = onnx.load(str(path))
    nodes, kept = [], []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.ndim < 2:
            kept.append(tensor)
            continue
        kept.append(numpy_helper.from_array(values.astype(np.float16), f"{tensor.name}_half"))
        nodes.append(helper.make_node("Cast", [kept[-1].name], [tensor.name], to=1))
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    for node in reversed(nodes):
        model.graph.node.insert(0, node)
    onnx.save(model, str(path))
    return f"w16: {len(nodes)} weights stored as float16"
'''


@pytest.fixture
def new_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The row and the conversion file, for one test."""
    folder = tmp_path / "conversions"
    folder.mkdir()
    (folder / "onnx_w16.py").write_text(CONVERSION)
    monkeypatch.setattr(precision, "PRECISIONS", (*precision.PRECISIONS, WEIGHTS16))
    monkeypatch.setattr(conversions, "__path__", [*conversions.__path__, str(folder)])
    assert conversions.__spec__ is not None
    monkeypatch.setattr(conversions.__spec__, "submodule_search_locations", conversions.__path__)
    return tmp_path


@pytest.mark.slow
def test_a_row_and_a_conversion_are_all_that_a_new_precision_takes(new_row: Path) -> None:
    plain = export_model("seaformer_t", format="onnx", size=SIZE, out=new_row)
    made = export_request(ExportRequest("seaformer_t", "onnx", "w16", SIZE), new_row)
    assert made.file == "seaformer_t.ade20k__64x64__w16.onnx"
    assert load_artifact(made.path).precision == "w16"
    assert any("weights stored as float16" in note for note in made.notes)
    assert made.parity.tolerance == str(WEIGHTS16.tolerance)
    assert made.size_bytes < 0.6 * plain.size_bytes
    assert made.parity.relative_error is not None
    assert made.parity.relative_error > BASE.tolerance.relative_error / 10  # it did round


def test_a_new_precision_is_judged_by_its_own_tolerance(
    new_row: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = Precision("w16", "float32", 4, 2.0**-10, 1e-7, Tolerance(1e-7, 1.0))
    monkeypatch.setattr(precision, "PRECISIONS", (BASE, strict))
    with pytest.raises(ParityError, match="relative error <= 1e-07"):
        export_request(ExportRequest("seaformer_t", "onnx", "w16", SIZE), new_row / "out")
    assert not (new_row / "out").exists()


@pytest.mark.parametrize("format", FORMATS.names())
def test_a_format_without_a_conversion_refuses_the_new_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    converter(format)
    monkeypatch.setattr(precision, "PRECISIONS", (BASE, WEIGHTS16))
    with pytest.raises(UsageError, match=f"{format} supports fp32 \\(got w16\\)"):
        export_request(ExportRequest("seaformer_t", format, "w16", SIZE), tmp_path)
    assert list(tmp_path.iterdir()) == []
