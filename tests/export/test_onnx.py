"""ONNX files: real exporter, real onnxsim in its own process, real ONNX Runtime."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from seaformer.agreement import images
from seaformer.core.artifact import Artifact
from seaformer.export._onnx.simplify import simplify
from seaformer.models import create_model
from seaformer.runtime import load_session

CRASH = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
CHANGE = """
import sys, onnx, numpy as np
from onnx import numpy_helper
model = onnx.load(sys.argv[1])
for tensor in model.graph.initializer:
    if tensor.name.endswith("head.classify.weight"):
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * 1.01, tensor.name))
onnx.save(model, sys.argv[2])
"""
GARBAGE = "import sys; open(sys.argv[2], 'wb').write(b'not a model')"


def test_file_computes_what_the_model_computes_on_an_input_of_ones_own(
    onnx_artifact: Artifact,
) -> None:
    import torch

    x = images.noise(64, 96, seed=7)
    with torch.no_grad():
        expected = create_model("seaformer_t")(torch.from_numpy(x)).numpy()
    seen = load_session(onnx_artifact).run([x])[0]
    assert np.abs(seen - expected).max() / expected.std() < 5e-4


def test_graph_is_simplified_and_has_no_reduction_left(onnx_artifact: Artifact) -> None:
    assert onnx_artifact.notes[0].startswith("simplified by onnxsim")
    assert not {"ReduceMean", "BatchNormalization", "HardSigmoid"} & set(onnx_artifact.operators)
    assert onnx_artifact.opset == 17
    assert onnx_artifact.operators["Conv"] == 69


def test_node_names_tell_the_component_they_belong_to(onnx_artifact: Artifact) -> None:
    graph = onnx.load(str(onnx_artifact.path)).graph
    convolutions = [node.name for node in graph.node if node.op_type == "Conv"]
    tops = {name.split("/")[1] for name in convolutions}
    assert tops == {"stem", "context", "spatial", "head"}


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (CRASH, "onnxsim was killed by signal 11"),
        (CHANGE, "onnxsim changed the result"),
        (GARBAGE, "onnxsim wrote a file that does not load"),
        ("raise SystemExit('no such operator')", "no such operator"),
    ],
)
def test_a_simplifier_that_fails_leaves_the_file_as_it_was_and_says_so(
    onnx_artifact: Artifact, tmp_path: Path, script: str, reason: str
) -> None:
    path = tmp_path / "model.onnx"
    shutil.copy(onnx_artifact.path, path)
    before = path.read_bytes()
    note = simplify(path, images.noise(64, 96), script=script)
    assert note.startswith("not simplified")
    assert reason in note
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
