"""INT8 and half precision in one XNNPACK delegate: what is in which, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from seaformer.core.artifact import Artifact
from seaformer.core.errors import ExportError
from seaformer.core.operators import DEPTHWISE, load_operator_map
from seaformer.core.quantization import Keep
from seaformer.core.quiet import quiet
from seaformer.core.request import ExportRequest
from seaformer.data.preprocessing import IMAGENET
from seaformer.export import export_model, export_request
from seaformer.export.quantize import QUANTIZERS
from seaformer.export.quantize._calibration import open_calibration
from seaformer.runtime import load_session

SHAPE = (1, 3, 32, 48)


class Wide(nn.Module):
    """Two 1x1 convolutions with many products for each value, between layers with few."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 32, 3, 2, 1)
        self.depthwise = nn.Conv2d(32, 32, 3, 1, 1, groups=32)
        self.expand = nn.Conv2d(32, 96, 1)
        self.project = nn.Conv2d(96, 64, 1)
        self.head = nn.Conv2d(64, 3, 1)

    def forward(self, image: Tensor) -> Tensor:
        x = torch.relu(self.depthwise(torch.relu(self.stem(image))))
        x = self.project(torch.clamp(self.expand(x), 0, 6))
        logits: Tensor = self.head(x + x.mean(3, keepdim=True))
        return logits


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return export_model(
        Wide().eval(), shape=SHAPE, format="executorch", precision="int8", cpu="arm64_half",
        out=tmp_path_factory.mktemp("half"),
    )  # fmt: skip


def fake_graphs(cpu: str, keep: tuple[str, ...] = ()) -> tuple[GraphModule, GraphModule]:
    """The fake-quantised graph, and the one that becomes the file."""
    image = torch.from_numpy(np.random.default_rng(0).normal(0, 1, SHAPE).astype(np.float32))
    with quiet():
        program = torch.export.export(Wide().eval(), (image,))
        images = open_calibration(None, SHAPE, IMAGENET)
        quantizer = QUANTIZERS.load("executorch")
        found = quantizer.quantise(program, images, "minmax", Keep(keep), print, cpu=cpu)
        return found.graph, found.lowered


def in_integers(graph: GraphModule) -> set[str]:
    """The convolutions whose weights are codes, by module."""
    return {
        str(list(node.meta["nn_module_stack"].values())[-1][0]).rpartition(".")[2]
        for node in graph.graph.nodes
        if "conv2d" in str(node.target)
        and isinstance(node.args[1], Node)
        and "dequantize_per_channel" in str(node.args[1].target)
    }


@pytest.mark.slow
def test_only_wide_1x1_convolutions_are_in_integers_and_the_rest_is_in_half() -> None:
    graph, lowered = fake_graphs("arm64_half")
    assert in_integers(graph) == in_integers(lowered) == {"expand", "project"}
    floats = {value.dtype for value in lowered.state_dict().values() if value.is_floating_point()}
    assert floats == {torch.float16, torch.float32}  # float32: the scales of the codes
    image = torch.randn(SHAPE)
    with torch.no_grad():
        assert lowered(image).dtype == torch.float32
        assert float((lowered(image) - graph(image)).abs().max()) < 0.05
    assert in_integers(fake_graphs("arm64_half", ("expand",))[0]) == {"project"}
    everywhere, same = fake_graphs("arm64")
    assert everywhere is same
    assert in_integers(everywhere) == {"stem", "depthwise", "expand", "project", "head"}


@pytest.mark.slow
def test_the_file_is_one_delegate_that_computes_what_the_graph_does(mixed: Artifact) -> None:
    assert mixed.file.endswith("__int8__for-arm64_half.pte")
    assert mixed.delegation is not None
    assert (mixed.delegation.subgraphs, mixed.delegation.outside_compute) == (1, 0)
    (check,) = mixed.parity.checks
    assert float(check.rpartition("SQNR ")[2].removesuffix(" dB")) > 40
    assert mixed.quantization is not None
    assert mixed.quantization.cpu == "arm64_half"
    assert "half precision elsewhere" in mixed.quantization.scheme
    operators = load_operator_map(mixed).methods["forward"]
    assert [each.module for each in operators if DEPTHWISE in each.names] == ["depthwise"]
    ends = (*mixed.methods[0].inputs, *mixed.methods[0].outputs)
    assert [each.dtype for each in ends] == ["float32", "float32"]
    image = next(iter(open_calibration(None, SHAPE, IMAGENET).arrays(raw=True)))
    with torch.no_grad():
        exact = Wide().eval()(torch.from_numpy(image)).numpy()
    (seen,) = load_session(mixed).run([image], "forward")
    assert np.isfinite(seen).all()  # as it was not where float32 was written into halves
    assert float(np.abs(seen - exact).max()) < 0.1 * float(np.abs(exact).max())


def test_a_network_without_a_layer_that_pays_is_refused(tmp_path: Path) -> None:
    asked = ExportRequest(
        "gated", "executorch", "int8", module="tests.nets:gated", shape=(1, 3, 64, 64),
        cpu="arm64_half",
    )  # fmt: skip
    with pytest.raises(ExportError, match="No 1x1 convolution has enough products") as caught:
        export_request(asked, tmp_path)
    assert caught.value.hint == "Leave --int8-for away."
    assert not list(tmp_path.iterdir())
