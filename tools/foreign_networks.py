"""Networks of the transformers library, tiny and with random weights, and files of other exporters.

Nothing is downloaded: the files are those of installed packages (pip install --no-deps nudenet
rapidocr-onnxruntime). The others are factories for ``seaformer export --module
tools/foreign_networks.py:NAME --shape 1x3x64x64``.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn

CLASSES = 10


def mobilenet_v1() -> nn.Module:
    """MobileNetV1, a quarter as wide."""
    return _network("MobileNetV1", "ForImageClassification", depth_multiplier=0.25)


def mobilenet_v2() -> nn.Module:
    """MobileNetV2, 0.35 times as wide."""
    return _network("MobileNetV2", "ForImageClassification", depth_multiplier=0.35)


def mobilevit_v2() -> nn.Module:
    """MobileViTV2, half as wide, with a block of attention in each stage."""
    return _network(
        "MobileViTV2", "ForImageClassification", width_multiplier=0.5, n_attn_blocks=[1, 1, 1]
    )


def resnet() -> nn.Module:
    """ResNet of bottlenecks, a block in each stage."""
    sizes = {"embedding_size": 16, "hidden_sizes": [16, 32, 64, 128], "depths": [1, 1, 1, 1]}
    return _network("ResNet", "ForImageClassification", **sizes)


def swin() -> nn.Module:
    """Swin with windows of 4 and two stages, the second block of each shifted."""
    return _network(
        "Swin", "ForImageClassification", image_size=64, patch_size=4, embed_dim=24,
        depths=[2, 2], num_heads=[2, 4], window_size=4,
    )  # fmt: skip


def segformer() -> nn.Module:
    """SegFormer of four stages of a block each."""
    return _network(
        "Segformer", "ForSemanticSegmentation", depths=[1, 1, 1, 1],
        hidden_sizes=[16, 32, 40, 64], num_attention_heads=[1, 2, 2, 4], decoder_hidden_size=32,
    )  # fmt: skip


def dpt() -> nn.Module:
    """DPT for depth on a vision transformer of four layers."""
    return _network(
        "DPT", "ForDepthEstimation", image_size=64, patch_size=16, hidden_size=48,
        num_hidden_layers=4, num_attention_heads=4, intermediate_size=96, is_hybrid=False,
        backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[16, 24, 32, 32],
        fusion_hidden_size=24,
    )  # fmt: skip


NETWORKS = (mobilenet_v1, mobilenet_v2, mobilevit_v2, resnet, swin, segformer, dpt)


@dataclass(frozen=True)
class OnnxFile:
    """A file in a package, and the shape that it is exported for."""

    name: str
    package: str
    file: str
    shape: tuple[int, ...]

    @property
    def path(self) -> Path | None:
        """Where it is; ``None`` where the package is not installed."""
        spec = importlib.util.find_spec(self.package)
        return Path(spec.origin).parent / self.file if spec and spec.origin else None


FILES = (
    OnnxFile("yolov8n of ultralytics, opset 17", "nudenet", "320n.onnx", (1, 3, 64, 64)),
    OnnxFile(
        "text detector of paddle2onnx, opset 12",
        "rapidocr_onnxruntime",
        "models/ch_PP-OCRv4_det_infer.onnx",
        (1, 3, 64, 64),
    ),
    OnnxFile(
        "text classifier of PaddlePaddle, opset 11",
        "rapidocr_onnxruntime",
        "models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        (1, 3, 48, 96),
    ),
)


def _network(family: str, task: str, **fields: Any) -> nn.Module:
    config = getattr(transformers, f"{family}Config")(**fields, num_labels=CLASSES)
    torch.manual_seed(0)
    network: nn.Module = getattr(transformers, f"{family}{task}")(config)
    _let_through(network, int(getattr(config, "image_size", 64) or 64))
    return network.eval()


def _let_through(network: nn.Module, side: int) -> None:
    """Weights with which the answer depends on the image: the library's own fade within ten layers.

    Convolutions keep the size of what they take, and norms have the statistics of noise.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        network.train()(torch.randn(8, 3, side, side))
