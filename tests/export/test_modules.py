"""Any module can be exported, and what stands in the way is named in a sentence (case N2)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from seaformer.core.artifact import Artifact, load_artifact
from seaformer.core.errors import (
    ExportError,
    ModelError,
    ParityError,
    SeaFormerError,
    ShapeError,
    UnknownName,
    UsageError,
)
from seaformer.core.request import ExportRequest
from seaformer.export import export_model, export_request, find_export
from seaformer.export._named import load_named
from seaformer.export._subject import module_subject
from seaformer.export._verify import cases
from seaformer.runtime import load_session
from tests import nets

SHAPE = (1, 3, 64, 96)


def request(module: str, **fields: object) -> ExportRequest:
    known: dict[str, object] = {"model": "net", "format": "onnx", "shape": SHAPE}
    return ExportRequest(module=module, **(known | fields))  # type: ignore[arg-type]


def test_a_module_is_exported_proved_and_left_as_it_was(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nets.Small().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    artifact = export_model(net, shape=SHAPE, format="onnx", out=tmp_path)
    assert artifact.file == "small__64x96__fp32.onnx"
    assert artifact.origin == "tests.nets:Small"
    assert artifact.spec.task == "segmentation"
    assert artifact.spec.output_shape == (1, 5, 32, 48)
    assert [case.input for case in artifact.parity.cases] == ["china.jpg", "flower.jpg", "noise"]
    assert net.training
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    x = torch.randn(SHAPE)
    with torch.no_grad():
        expected = net.eval()(x).numpy()
    seen = load_session(artifact).run([x.numpy()])[0]
    np.testing.assert_allclose(seen, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("net", "noted"), [(nets.Faded, True), pytest.param(nets.Small, False, marks=pytest.mark.slow)]
)
def test_a_proof_that_any_file_would_pass_is_called_so(
    tmp_path: Path, net: type[nets.Small], noted: bool
) -> None:
    torch.manual_seed(0)
    artifact = export_model(net(), shape=SHAPE, format="onnx", out=tmp_path)
    notes = [note for note in artifact.notes if "a file that ignores its input would pass" in note]
    assert len(notes) == noted


@pytest.mark.slow
def test_the_command_exports_a_factory_in_a_file_to_both_formats(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "seaformer", "export", "--format", "onnx,executorch"]
    argv += ["--module", f"{nets.__file__}:Small", "--shape", "1x3x64x96", "--out", str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    for suffix in ("onnx", "pte"):
        artifact = load_artifact(tmp_path / f"nets.Small__64x96__fp32.{suffix}")
        assert all(case.passed for case in artifact.parity.cases)
        assert f"{tmp_path}/{artifact.file}" in done.stdout
    assert artifact.delegation is not None
    assert (artifact.delegation.subgraphs, artifact.delegation.outside_compute) == (1, 0)
    assert artifact.rewrites == {"layer-norm": 1, "graph-batch-norm": 1}
    assert artifact.rewritten == {"graph-batch-norm": ("bn",)}
    assert "graph-batch-norm in bn" in done.stdout


def test_a_program_of_torch_export_is_exported(tmp_path: Path) -> None:
    program = torch.export.export(nets.Small().eval(), (torch.zeros(SHAPE),))
    torch.export.save(program, tmp_path / "small.pt2")
    artifact = export_request(request(str(tmp_path / "small.pt2")), tmp_path)
    assert artifact.spec.output_shape == (1, 5, 32, 48)
    assert artifact.parity.argmax_agreement is not None


def test_outputs_by_name_and_inputs_of_one_channel(tmp_path: Path) -> None:
    named = export_request(request("tests.nets:Named", model="named"), tmp_path)
    assert [output.name for output in named.methods[0].outputs] == ["map", "mean"]
    assert named.parity.argmax_agreement is None  # no output is known to score classes
    gray = module_subject(nets.gray(), request("tests.nets:gray", shape=(1, 1, 16, 16)), "gray")
    assert [case.name for case in cases(gray.network, 16, 16, channels=1)] == [
        "noise 0",
        "noise 1",
        "noise 2",
    ]
    assert gray.spec.task == "classification"


REFUSED: dict[str, tuple[ExportRequest, type[SeaFormerError], str]] = {
    "no module": (request("nowhere.nets:small"), UnknownName, "module nowhere.nets does not exist"),
    "no file": (request("nowhere/nets.py:small"), UnknownName, "nowhere/nets.py does not exist"),
    "no program": (request("nowhere.pt2"), UnknownName, "nowhere.pt2 does not exist"),
    "a finished file": (request("net.pte"), UsageError, "net.pte is not a module: it is a file"),
    "no factory": (request("tests.nets:smal"), UnknownName, "tests.nets has no 'smal'"),
    "no colon": (request("tests.nets"), UsageError, "--module must be package.module:factory"),
    "a number": (request("tests.nets:NOT_A_NETWORK"), ModelError, r"\(got int\)"),
    "a tensor": (request("torch:Generator"), ModelError, r"Module \(got Generator\)"),
    "it raises": (request("tests.nets:raises"), ModelError, "raised ValueError: the weights are"),
    "text": (request("tests.nets:Text"), ModelError, r"tensors \(got str\)"),
    "wrong shape": (
        request("tests.nets:Small", shape=(1, 1, 64, 64)),
        ShapeError,
        "raised RuntimeError on noise 0, float32 1x1x64x64",
    ),
    "no shape": (request("tests.nets:Small", shape=None), UsageError, r"\(got none\)"),
    "batch": (request("tests.nets:Small", shape=(2, 3, 64, 64)), UsageError, r"got 2x3x64x64\)"),
    "checkpoint": (request("tests.nets:Small", checkpoint="w.pth"), UsageError, "--checkpoint is"),
    "name": (request("tests.nets:Small", model="seaformer_t.ade20k"), UsageError, "a model here"),
    "no children": (
        request("torch.nn:ReLU", components=True),
        UsageError,
        "no components: it has no children",
    ),
    "scope": (request("tests.nets:Named", scope="argmax"), UsageError, "its scope is logits, not"),
    "not finite": (request("tests.nets:NotANumber"), ParityError, "infinity or NaN on china.jpg"),
    "not finite, argmax": (
        request("tests.nets:NotANumber", scope="argmax"),
        ParityError,
        "infinity or NaN on china.jpg",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_stands_in_the_way_is_named(case: str, tmp_path: Path) -> None:
    wrong, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message) as caught:
        export_request(wrong, tmp_path)
    assert caught.value.exit_code == (2 if kind in (UnknownName, UsageError) else 3)
    assert "\n" not in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_the_factorys_weights_are_those_of_the_seed() -> None:
    one, same, other = (
        module_subject(load_named("tests.nets:Small", seed), request("tests.nets:Small"), "")
        for seed in (1, 1, 2)
    )
    assert one.spec.weights == same.spec.weights != other.spec.weights


@pytest.mark.parametrize("format", ["onnx", "executorch"])
@pytest.mark.slow
def test_children_are_components_with_what_flows_between_them(format: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nets.Parts().eval()
    artifact = export_model(net, shape=(1, 3, 32, 48), format=format, components=True, out=tmp_path)  # type: ignore[arg-type]
    assert artifact.file.startswith("parts__32x48__fp32__components.")
    assert artifact.components == ("stem", "head")
    note = "twice (called 2 times), scaled (takes int), spare (not called)"
    assert f"not a component: {note}" in artifact.notes
    proved = {case.input for case in artifact.parity.cases if ":" in case.input}
    assert proved == {f"{p}:{i}" for p in ("stem", "head") for i in ("china.jpg", "noise")}
    reference = artifact.reference
    assert reference is not None
    session = load_session(artifact)
    with np.load(artifact.path.parent / reference.file) as arrays:
        for method, child in (("stem", net.stem), ("head", net.head)):
            (x,) = (arrays[name] for name in reference.inputs_of(method))
            expected = child(torch.from_numpy(x)).detach().numpy()
            np.testing.assert_allclose(session.run([x], method)[0], expected, atol=1e-5)
            np.testing.assert_allclose(arrays[reference.outputs_of(method)[0]], expected, atol=1e-5)


def test_a_module_is_never_taken_from_the_cache() -> None:
    assert find_export(request("tests.nets:Small")) is None


def test_a_shape_is_refused_for_a_model_by_name() -> None:
    with pytest.raises(UsageError, match="for a module"):
        export_model("seaformer_t", shape=SHAPE)


@pytest.mark.parametrize("format", ["onnx", "executorch"])
def test_half_is_refused_where_an_inner_tensor_leaves_its_range(
    format: str, tmp_path: Path
) -> None:
    """Case P1: an engine on x86 computes in single precision, and finds nothing."""
    wrong = request("tests.nets:Peak", format=format, precision="fp16")
    with pytest.raises(
        ExportError, match=r"mul has values from -\d+ to \d+ on china.jpg"
    ) as caught:
        export_request(wrong, tmp_path)
    assert "float16 ends at 65504" in caught.value.message
    assert caught.value.exit_code == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", ["onnx", "executorch"])
def test_half_is_refused_where_logits_of_segformer_leave_its_range(
    format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seaformer.export import _subject
    from seaformer.models import create_model

    def scaled(*args: object, **fields: object) -> nn.Module:
        network = create_model(*args, **fields)  # type: ignore[arg-type]
        with torch.no_grad():
            network.get_submodule(network.CLASSIFIER).weight.mul_(2e4)  # type: ignore[operator]
        return network

    monkeypatch.setattr(_subject, "create_model", scaled)
    with pytest.raises(ExportError, match=r"\(convolution\) has values from .* on china.jpg"):
        export_model("segformer_b0", format=format, size=(64, 64), precision="fp16", out=tmp_path)  # type: ignore[arg-type]


def test_half_names_its_largest_value_and_counts_weights_that_vanish(tmp_path: Path) -> None:
    net = nets.Small()
    with torch.no_grad():
        net.conv.weight[0] *= 1e-12
    artifact: Artifact = export_model(
        net, shape=SHAPE, format="onnx", precision="fp16", out=tmp_path
    )
    note = next(note for note in artifact.notes if "largest value" in note)
    assert "; 27 of " in note
    assert "weights vanish" in note


def test_the_class_map_of_one_class_is_refused(tmp_path: Path) -> None:
    """Case P2: every position would be class 0, and agree."""
    with pytest.raises(UsageError, match=r"2 classes or more \(got 1\)"):
        export_model("seaformer_t", classes=1, scope="argmax", size=(64, 64), out=tmp_path)
