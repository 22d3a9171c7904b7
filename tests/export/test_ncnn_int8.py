"""INT8 in ncnn: 1x1 convolutions in integers where that executes less, half precision elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seaformer.core.artifact import Artifact
from seaformer.core.errors import ExportError, UnknownName
from seaformer.core.quiet import quiet
from seaformer.export import export_model
from seaformer.export.quantize.ncnn import pays
from seaformer.runtime import describe_file, load_session
from seaformer.runtime._ncnn.param import Layer, read_param
from tests.requirements import module

INSTALL = "pip install 'seaformer[ncnn]'"
SHAPE = (1, 3, 34, 46)


class Wide(nn.Module):
    """A stem, two wide 1x1 convolutions with a depthwise one between them, and a narrow head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.expand = nn.Conv2d(8, 96, 1)
        self.depthwise = nn.Conv2d(96, 96, 3, 1, 1, groups=96)
        self.project = nn.Conv2d(96, 128, 1)
        self.mix = nn.Conv2d(128, 96, 1)
        self.head = nn.Conv2d(96, 5, 1)

    def forward(self, image: Tensor) -> Tensor:
        x = torch.relu(self.expand(torch.relu(self.stem(image))))
        x = self.mix(torch.relu(self.project(torch.relu(self.depthwise(x)))))
        logits: Tensor = self.head(x)
        return logits


class Single(nn.Module):
    """One layer, so that its codes can be computed by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(64, 128, 1)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.conv(image)
        return logits


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    with quiet():
        module("ncnn", INSTALL)
        module("pnnx", INSTALL)


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    torch.manual_seed(0)
    net, out = Wide().eval(), tmp_path_factory.mktemp("ncnn_int8")
    return {
        precision: export_model(net, shape=SHAPE, format="ncnn", precision=precision, out=out)
        for precision in ("fp16", "int8")
    }


def integer_layers(artifact: Artifact) -> list[int]:
    """The outputs of each layer whose text has scales."""
    layers = read_param(artifact.path).layers
    return [layer.number(0) for layer in layers if layer.number(8)]


def test_wide_1x1_convolutions_are_integers_and_the_rest_is_as_in_half(
    artifacts: dict[str, Artifact],
) -> None:
    made = artifacts["int8"]
    assert integer_layers(made) == [128, 96]  # project and mix
    assert all("31" not in map(str, layer.values) for layer in read_param(made.path).layers)
    described = describe_file(made.path)
    assert described.precision == "int8"
    assert described.weights == {
        "int8": 2 * 96 * 128,
        "float16": 8 * 27 + 8 * 96 + 96 * 9 + 96 * 5,
        "float32": (8 + 96 + 96 + 128 + 96 + 5) + (128 + 96 + 2),  # biases, and scales
    }
    weights = made.path.with_suffix(".bin").stat().st_size
    of_half = artifacts["fp16"].path.with_suffix(".bin").stat().st_size
    integers = 96 * 128 * 2
    # A byte a weight in place of two; a scale for each output and one for each input more.
    assert of_half - weights == integers - 4 * (128 + 96 + 2)


def test_it_is_proved_and_rounds_as_its_fake_quantised_model_does(
    artifacts: dict[str, Artifact],
) -> None:
    made = artifacts["int8"]
    assert all(case.passed for case in made.parity.cases)
    assert made.parity.psnr_db is not None
    assert 40 < made.parity.psnr_db < 80  # it did round
    (check,) = made.parity.checks
    ratio = check.rpartition("SQNR ")[2].removesuffix(" dB")
    assert "bit-equal" in check or float(ratio) > 50


def test_the_manifest_has_what_decided_and_the_noise_of_every_module(
    artifacts: dict[str, Artifact],
) -> None:
    quantization = artifacts["int8"].quantization
    assert quantization is not None
    assert (quantization.cpu, quantization.observer) == ("arm64", "mse")
    assert "fp16 elsewhere" in quantization.scheme
    ratios = {each.module: each.sqnr_db for each in quantization.noise}
    assert list(ratios) == ["stem", "expand", "depthwise", "project", "mix", "head"]
    rounded = ("project", "mix", "head")
    assert all(15 < (ratios[name] or 0) < 60 for name in rounded), ratios
    # What is before the first codes differs by half precision alone.
    assert all((ratios[name] or 99) > 60 for name in ("stem", "expand", "depthwise")), ratios


def test_codes_and_sums_are_those_that_integers_give_by_hand(tmp_path: Path) -> None:
    torch.manual_seed(1)
    net, shape = Single().eval(), (1, 64, 6, 7)
    made = export_model(net, shape=shape, format="ncnn", precision="int8", out=tmp_path)
    data = np.fromfile(made.path.with_suffix(".bin"), np.uint8)
    step = float(data[-4:].view(np.float32)[0])  # the scale of the input is the last number
    image = np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
    weights = net.conv.weight.detach().numpy().reshape(128, 64).astype(np.float64)
    scales = (127 / np.abs(weights).max(axis=1)).astype(np.float32).astype(np.float64)
    codes = np.clip(np.round(image.astype(np.float64) * step), -127, 127)
    sums = np.einsum("oi,bihw->bohw", np.round(weights * scales[:, None]), codes)
    bias = net.conv.bias
    assert bias is not None
    expected = sums / (scales * step)[:, None, None]
    expected += bias.detach().numpy().reshape(-1, 1, 1)
    (seen,) = load_session(made).run([image])
    np.testing.assert_allclose(seen, expected, atol=1e-5 * float(np.abs(expected).max()))


def test_modules_that_are_kept_stay_in_half_and_a_search_finds_some(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = Wide().eval()

    def export(*keep: str, max_drop: float | None = None) -> Artifact:
        return export_model(
            net,
            shape=SHAPE,
            format="ncnn",
            precision="int8",
            keep=keep,
            max_drop=max_drop,
            out=tmp_path,
        )

    assert integer_layers(export("project")) == [96]
    with pytest.raises(UnknownName, match="Unknown module 'projct'"):
        export("projct")
    searched = export("auto", max_drop=50.0).quantization
    assert searched is not None
    assert searched.sensitivity is not None
    assert {each.module for each in searched.sensitivity.candidates} == {"project", "mix"}


def test_a_network_of_narrow_layers_is_refused_with_what_to_use(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 5, 1)).eval()
    with pytest.raises(ExportError, match="execute less in integers than in half") as caught:
        export_model(net, shape=SHAPE, format="ncnn", precision="int8", out=tmp_path)
    assert caught.value.hint == "Use --precision fp16, or another --format."
    assert not list(tmp_path.glob("*.param"))


@pytest.mark.parametrize(
    ("inputs", "outputs", "is_integer"),
    [
        (16, 64, True),
        (16, 16, False),  # too few products for each value
        (96, 32, True),
        (96, 36, False),  # outputs that 4 divides and 8 does not: ncnn's own kernel
        (20, 64, False),  # inputs that 8 does not divide
        (384, 388, True),  # wide enough for that one too
    ],
)
def test_a_layer_is_in_integers_where_the_kernel_that_takes_it_executes_less(
    inputs: int, outputs: int, is_integer: bool
) -> None:
    values = {0: str(outputs), 6: str(inputs * outputs)}
    assert pays(Layer("Convolution", "conv", ("in",), ("out",), values)) == is_integer
