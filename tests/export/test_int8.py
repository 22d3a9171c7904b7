"""INT8: both formats on a small network, calibrated, judged and compared with its fake model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from seaformer.core.artifact import Artifact, Parity, ParityCase, load_artifact
from seaformer.core.engine import FormatName
from seaformer.core.errors import ExportError, ParityError, UnknownName, UsageError
from seaformer.core.files import sha256_file
from seaformer.core.precision import find_precision
from seaformer.core.quantization import ENOUGH_IMAGES, OBSERVERS, PHOTOGRAPHS, Keep
from seaformer.core.quiet import quiet
from seaformer.core.request import ExportRequest
from seaformer.data.preprocessing import IMAGENET
from seaformer.export import cache_key, export_request
from seaformer.export._verify import require
from seaformer.export.quantize import QUANTIZERS, _observers
from seaformer.export.quantize._calibration import open_calibration
from seaformer.export.quantize._equalise import equalise
from seaformer.export.quantize._kept import check_kept, is_kept
from seaformer.export.quantize._noise import IMAGES
from seaformer.export.quantize._proof import require_fake, sqnr_db
from seaformer.report.artifact import noise_page
from seaformer.report.terminal import plain
from seaformer.runtime.onnxruntime import OnnxRuntimeSession
from tests import nets
from tests.requirements import converter

SHAPE = (1, 3, 64, 64)


def request(format: str = "onnx", net: str = "gated", **fields: object) -> ExportRequest:
    base = {"precision": "int8", "module": f"tests.nets:{net}", "shape": SHAPE}
    return ExportRequest(net, format, **(base | fields))  # type: ignore[arg-type]


def photographs(folder: Path, count: int = 3) -> Path:
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(0)
    for i in range(count):
        small = generator.integers(0, 256, (5, 7, 3)).astype(np.uint8)
        Image.fromarray(small).resize((70, 50)).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    out = tmp_path_factory.mktemp("int8")
    return export_request(request(calibration=str(photographs(out / "images"))), out)


def test_an_onnx_file_computes_in_integers_between_float_ends(quantised: Artifact) -> None:
    assert quantised.precision == "int8"
    ends = (*quantised.methods[0].inputs, *quantised.methods[0].outputs)
    assert [tensor.dtype for tensor in ends] == ["float32", "float32"]
    graph = onnx.load(str(quantised.path)).graph
    weights = [each for each in graph.initializer if len(each.dims) == 4]
    assert {each.data_type for each in weights} == {onnx.TensorProto.INT8}
    readers = {node.input[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}
    scales = {each.name: each for each in graph.initializer}
    for weight in weights:
        assert list(scales[readers[weight.name].input[1]].dims) == [weight.dims[0]]  # per channel


def test_the_manifest_has_the_images_and_for_which_cpu(quantised: Artifact) -> None:
    made = load_artifact(quantised.path).quantization
    assert made is not None
    assert (made.observer, made.cpu, made.source) == ("mse", "arm64", "images")
    folder = quantised.path.parent / "images"
    assert [(each.name, each.sha256) for each in made.images] == [
        (f"{i}.png", sha256_file(folder / f"{i}.png")) for i in range(3)
    ]
    assert made.warning == (
        f"int8 was calibrated on 3 images of images: at least {ENOUGH_IMAGES} are recommended."
    )


def test_it_is_judged_on_calibration_images_and_against_its_fake_model(quantised: Artifact) -> None:
    names = [case.input for case in quantised.parity.cases]
    assert names == ["china.jpg", "flower.jpg", "0.png", "1.png"]
    assert all(case.passed for case in quantised.parity.cases)
    assert quantised.parity.tolerance.startswith("relative error <= 3, PSNR >= 28 dB")
    (check,) = quantised.parity.checks
    assert check.startswith("against its fake-quantised model, on calibration images: ")
    assert quantised.parity.relative_error is not None
    assert 1e-3 < quantised.parity.relative_error < 1.0  # it did round


@pytest.mark.slow
def test_the_photographs_decide_where_no_folder_does_and_observers_differ(tmp_path: Path) -> None:
    ratios = set()
    for observer in ("minmax", "mse"):
        made = export_request(request(observer=observer), tmp_path)
        assert made.file == f"gated__64x64__int8__{observer}.onnx"
        assert made.quantization is not None
        assert made.quantization.source == PHOTOGRAPHS
        ratios.add(made.parity.psnr_db)
    assert len(ratios) == 2


@pytest.mark.slow
def test_an_executorch_program_is_one_delegate_with_a_range_for_each_clamp(tmp_path: Path) -> None:
    made = export_request(request("executorch"), tmp_path)
    assert made.delegation is not None
    assert (made.delegation.subgraphs, made.delegation.outside_compute) == (1, 0)
    (check,) = made.parity.checks
    ratio = check.rpartition("SQNR ")[2].removesuffix(" dB")
    # XNNPACK and the fake model round alike but for ties.
    assert "bit-equal" in check or float(ratio) > 30
    assert made.parity.psnr_db is not None
    assert made.parity.psnr_db > 40


@pytest.mark.parametrize("format", sorted({*get_args(FormatName)} - {"onnx", "executorch", "ncnn"}))
def test_an_engine_that_does_not_execute_it_is_refused(tmp_path: Path, format: str) -> None:
    converter(format)
    with pytest.raises(UsageError, match=f"{format} supports fp32 and fp16 \\(got int8\\)"):
        export_request(request(format), tmp_path)


def bad_folders(folder: Path) -> dict[str, str]:
    """A folder each, with the sentence that it deserves."""
    for name in ("empty", "broken", "constant"):
        (folder / name).mkdir()
    (folder / "empty" / "notes.txt").write_text("no image")
    (folder / "broken" / "a.jpg").write_bytes(b"not an image")
    Image.new("RGB", (9, 9), (7, 7, 7)).save(folder / "constant" / "a.png")
    return {
        "empty": "has no images",
        "broken": "cannot be read as an image",
        "constant": "every image is of one colour",
        "missing": "does not exist",
        "empty/notes.txt": "is not a folder",
    }


def test_calibration_that_gives_no_ranges_is_refused_in_a_sentence(tmp_path: Path) -> None:
    for name, sentence in bad_folders(tmp_path).items():
        with pytest.raises(UsageError, match=sentence) as caught:
            export_request(request(calibration=str(tmp_path / name)), tmp_path / "out")
        assert "\n" not in caught.value.message
    assert not list((tmp_path / "out").glob("*"))


def test_options_of_int8_are_refused_where_they_mean_nothing(tmp_path: Path) -> None:
    for fields, sentence in (
        ({"precision": "fp32", "observer": "mse"}, "--observer is for --precision int8"),
        ({"precision": "fp32", "calibration": "x"}, "--calibration is for --precision int8"),
        ({"precision": "fp32", "keep": ("a",)}, "--int8-keep is for --precision int8"),
        ({"components": True}, "--components is not supported for int8"),
        ({"opset": 12}, "--opset must be at least 13 for int8"),
    ):
        with pytest.raises(UsageError, match=sentence):
            export_request(request(**fields), tmp_path)
    with pytest.raises(UnknownName, match="Unknown observer 'msee'"):
        export_request(request(observer="msee"), tmp_path)


def test_an_infinity_inside_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"int8 requires finite values in the network: .*inf"):
        export_request(request(net="Infinite"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_cache_knows_calibration_images_by_content(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "a")
    one = ExportRequest("seaformer_t", "onnx", "int8", calibration=str(folder))
    before = cache_key(one)
    assert before == cache_key(one)
    Image.new("RGB", (9, 9), (7, 8, 9)).save(folder / "0.png")
    assert cache_key(one) != before


@pytest.mark.slow
def test_the_command_takes_several_precisions_and_warns(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "seaformer", "export", "--precision", "fp32,int8"]
    argv += ["--module", f"{nets.__file__}:gated", "--shape", "1x3x64x64", "--format", "onnx"]
    argv += ["--observer", "minmax", "--out", str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "Warning: int8 was calibrated on the shipped photographs" in done.stderr
    assert sorted(path.name for path in tmp_path.glob("*.onnx")) == [
        "nets.gated__64x64__fp32.onnx",
        "nets.gated__64x64__int8__minmax.onnx",
    ]
    argv[argv.index("fp32,int8")] = "fp32"
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2
    assert "--observer is for --precision int8 (got --precision fp32)" in done.stderr


def test_a_spread_keeps_counts_when_its_limit_doubles() -> None:
    spread = _observers.Spread()
    spread.see(np.array([-0.4, 0.1, 0.3], dtype=np.float32))
    spread.see(np.array([9.0, -2.0], dtype=np.float32))
    assert spread.counts.sum() == 5
    assert spread.limit >= 9.0
    middles = spread.centres[spread.counts > 0]
    width = 2 * spread.limit / _observers.BINS
    np.testing.assert_allclose(middles, [-2.0, -0.4, 0.1, 0.3, 9.0], atol=width)
    assert _observers.minmax(spread) == (-2.0, 9.0)


def test_observers_clip_a_single_outlier_but_minmax_does_not() -> None:
    spread = _observers.Spread()
    spread.see(np.random.default_rng(0).normal(0, 1, 200_000).astype(np.float32))
    spread.see(np.array([60.0], dtype=np.float32))
    ends = {name: _observers.find_observer(name)(spread) for name in OBSERVERS}
    assert ends["minmax"][1] == 60.0
    assert all(3.0 < ends[name][1] < 50.0 for name in ("percentile", "mse", "histogram")), ends


def test_a_file_that_computes_something_else_than_its_fake_model_is_refused() -> None:
    image = np.linspace(-1, 1, 300, dtype=np.float32).reshape(1, 3, 10, 10)
    assert require_fake("f", lambda x: [x], lambda x: [x], [image]).endswith("bit-equal")
    assert sqnr_db(image * 1.1, image) == pytest.approx(20.0)
    with pytest.raises(ParityError, match="f does not compute what its fake-quantised model"):
        require_fake("f", lambda x: [x * 2], lambda x: [x], [image])


@pytest.mark.parametrize("width", [100.0, 3000.0])
def test_equalisation_leaves_the_function_and_levels_the_channels(width: float) -> None:
    network = nets.Gated().eval()
    with torch.no_grad():  # one channel so many times as wide as the others
        network.get_parameter("depthwise.weight")[0] *= width
        network.get_parameter("depthwise.bias")[0] *= width
    image = np.random.default_rng(0).normal(0, 1, SHAPE).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(image))
        spreads = equalise(network, [image])
        seen = network(torch.from_numpy(image))
    # The stem has two readers, so it stays; the depthwise convolution has one.
    assert [each.module for each in spreads] == ["depthwise"]
    assert 30 < spreads[0].before > (spreads[0].after / 2) ** 2  # the reader takes the other half
    assert float((seen - expected).abs().max()) < 1e-5 * float(expected.abs().max())


def test_the_manifest_lists_the_tensors_that_were_equalised(quantised: Artifact) -> None:
    assert quantised.quantization is not None
    assert [each.module for each in quantised.quantization.channels] == ["depthwise"]
    assert any("channels of 1 tensors equalised" in note for note in quantised.notes)


@pytest.mark.slow
def test_a_module_that_is_kept_computes_in_float(tmp_path: Path, quantised: Artifact) -> None:
    made = export_request(request(keep=("depthwise", "stem")), tmp_path)
    assert made.file == "gated__64x64__int8__keep-depthwise+stem.onnx"
    assert made.quantization is not None
    assert made.quantization.kept == ("depthwise", "stem")
    assert any("; in float: depthwise, stem" in note for note in made.notes)

    def floats(artifact: Artifact) -> int:
        graph = onnx.load(str(artifact.path)).graph
        weights = [each for each in graph.initializer if len(each.dims) == 4]
        return sum(each.data_type == onnx.TensorProto.FLOAT for each in weights)

    assert (floats(quantised), floats(made)) == (0, 2)
    with pytest.raises(UnknownName, match="Unknown module 'stam'") as caught:
        export_request(request(keep=("stam",)), tmp_path)
    assert caught.value.hint == "Did you mean stem?"


def test_the_manifest_has_the_noise_of_every_module(quantised: Artifact) -> None:
    made = load_artifact(quantised.path).quantization
    assert made is not None
    ratios = {each.module: each.sqnr_db for each in made.noise}
    assert list(ratios) == ["stem", "depthwise", "project", "gate", "head"]
    assert all(ratio is not None and 15 < ratio < 60 for ratio in ratios.values()), ratios
    # By another way: both models on the same images, the first output.
    folder = str(quantised.path.parent / "images")
    images = open_calibration(folder, SHAPE, IMAGENET).sample(IMAGES, raw=False)
    fake = OnnxRuntimeSession(quantised.path, optimised=False)
    with torch.no_grad():
        exact = np.stack([nets.gated().eval()(torch.from_numpy(each)).numpy() for each in images])
    seen = np.stack([fake.run([each])[0] for each in images])
    assert ratios["head"] == pytest.approx(sqnr_db(seen, exact), abs=0.1)
    table = "\n".join(plain(noise_page(made)).splitlines())
    assert min(ratios, key=lambda name: ratios[name] or 0.0) in table.splitlines()[2]


def test_a_branch_is_kept_whole_and_a_name_is_not_a_prefix_of_another() -> None:
    assert is_kept("stem.quarter.0.expand", ("stem.quarter",))
    assert not is_kept("stem.quarters", ("stem.quarter",))
    check_kept(("stem.quarter",), ("stem.quarter.0.expand", "head"))


@pytest.mark.slow
def test_a_captured_graph_keeps_a_module_and_gives_a_clamp_its_own_range() -> None:
    image = torch.from_numpy(np.random.default_rng(0).normal(0, 1, SHAPE).astype(np.float32))
    images = open_calibration(None, SHAPE, IMAGENET)
    with quiet():
        quantizer = QUANTIZERS.load("executorch")
        program = torch.export.export(nets.Gated().eval(), (image,))
        found = quantizer.quantise(program, images, "minmax", Keep(("head",)), print)
    ratios = {each.module: each.sqnr_db for each in found.noise}
    assert list(ratios) == ["stem", "depthwise", "project", "gate", "head"]
    assert all(ratio is not None and 15 < ratio < 60 for ratio in ratios.values()), ratios
    shown = [torch.from_numpy(each) for each in images.sample(IMAGES, raw=True)]
    with torch.no_grad():
        exact = np.stack([nets.Gated().eval()(each).numpy() for each in shown])
        seen = np.stack([found.graph(each).numpy() for each in shown])
    assert ratios["head"] == pytest.approx(sqnr_db(seen, exact), abs=1e-3)
    graph = found.graph.graph
    per_channel = [node for node in graph.nodes if "dequantize_per_channel" in node.name]
    assert len(per_channel) == 4  # of five convolutions
    (clamp,) = [node for node in graph.nodes if "hardtanh" in str(node.target)]
    (codes,) = clamp.users
    assert "quantize_per_tensor" in str(codes.target)
    assert codes.args[1] == pytest.approx(1 / 255, rel=0.01)
    assert "conv2d" in str(clamp.args[0].target)  # nothing rounds between the two


@pytest.mark.parametrize(("name", "advice"), [("int8", "--int8-keep"), ("fp32", "Please report")])
def test_what_to_do_about_a_file_that_is_too_far_off(name: str, advice: str) -> None:
    case = ParityCase("china.jpg", 9.0, 9.0, 9.0, 0.1, passed=False)
    parity = Parity("prediction", "x", 9.0, 9.0, 9.0, 0.1, "none", (case,))
    with pytest.raises(ParityError) as raised:
        require(parity, "a.onnx", find_precision(name))
    assert advice in raised.value.hint


def test_a_file_for_x86_has_unsigned_activations_and_weights_of_seven_bits(tmp_path: Path) -> None:
    made = export_request(request(cpu="x86_64"), tmp_path)
    assert made.file == "gated__64x64__int8__for-x86_64.onnx"
    assert made.quantization is not None
    assert "activations unsigned, weights of 7 bits" in made.quantization.scheme
    graph = onnx.load(str(made.path)).graph
    arrays = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    weights = [each for each in arrays.values() if each.ndim == 4]
    assert {each.dtype.name for each in weights} == {"int8"}
    assert max(int(np.abs(each.astype(int)).max()) for each in weights) == 64
    rounded = [node for node in graph.node if node.op_type == "QuantizeLinear"]
    assert {arrays[node.input[2]].dtype.name for node in rounded} == {"uint8"}
    assert (made.quantization.cpu, (made.parity.psnr_db or 0) > 35) == ("x86_64", True)
    with pytest.raises(UsageError, match="--int8-for x86_64 is not supported for executorch"):
        export_request(request("executorch", cpu="x86_64"), tmp_path)
    with pytest.raises(UnknownName, match="Unknown CPU 'x86'"):
        export_request(request(cpu="x86"), tmp_path)
    with pytest.raises(UsageError, match="--int8-for is for --precision int8"):
        export_request(request(precision="fp32", cpu="arm64"), tmp_path)
