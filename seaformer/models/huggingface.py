"""Rivals that the transformers library builds from a configuration: rows here, networks there.

Needs the extra ``zoo``. Weights are seeded or come from a checkpoint under the library's own names:
what ``save_pretrained`` of the row's class writes as ``model.safetensors``. Where a head is ours,
the backbone's names are those of the library's segmentation model. Nothing is downloaded.

MobileNetV2 with a light ASPP head is the library's too; the heads of two rows that the library
lacks (DeepLabV3+, LR-ASPP) are in ``_aspp.py`` and sit on the library's backbone. ``ROWS`` has the
row of the SeaFormer++ paper (tables 2, 3 and 14) that a model reproduces; rows that no model
reproduces are listed with the reason in ``core/paper/absent.csv``.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from seaformer.core.errors import UsageError
from seaformer.core.registry import missing
from seaformer.core.spec import ModelSpec
from seaformer.models._aspp import DeepLabV3Plus, LrAspp
from seaformer.models._blocks import Network
from seaformer.models._checkpoints.layout import Layout, without
from seaformer.models._tags import PaperLine, spec

_CHATTY = ("torchao", "torch.utils._pytree", "transformers")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The library imports others on first use, and they log about what they do not find."""
    before = {name: logging.getLogger(name).level for name in _CHATTY}
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


with _quiet():
    try:
        import transformers
    except ModuleNotFoundError as error:
        raise missing("transformers", "this model", "zoo") from error

Config = Mapping[str, Any]
LOW = {"lraspp": 8, "deeplabv3plus": 4}  # the finer map that a head takes, as a stride
# MobileNetV2's blocks behind its stem that end the maps at 1/4 and 1/8, and what they give.
TAPS = {4: (1, 24), 8: (4, 32)}
LAST_CHANNELS = 320


@dataclass(frozen=True)
class Row:
    """One network: class and configuration of the library's, and its tags with the paper's line."""

    kind: str
    config: Config = field(default_factory=dict)
    tags: Mapping[str, PaperLine | None] = field(default_factory=dict)
    head: str = ""


class LibraryClassifier(Network):
    """A classifier of the library's: image B 3 H W to logits B classes."""

    COMPONENTS = ("network",)
    # EfficientNet's two and MobileViTv2's; see Network.DAMPED.
    DAMPED = ("projection.project_bn", "squeeze_excite.expand", "attention.out_proj.convolution")
    CLASSIFIER = "network.classifier"

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.network(image)[0]
        return logits


class LibrarySegmenter(LibraryClassifier):
    """MobileNetV2 with the library's light ASPP: image B 3 H W to logits B classes h w.

    The library computes MobileNetV2's last 1x1 convolution and uses it nowhere; it is left out.
    """

    CLASSIFIER = "network.segmentation_head.classifier"

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        network.get_submodule("mobilenet_v2").conv_1x1 = nn.Identity()


class MobileNetV2Maps(nn.Module):
    """The library's MobileNetV2 without its last 1x1: a map at 1/``low`` and one at 1/16."""

    def __init__(self, network: nn.Module, low: int) -> None:
        super().__init__()
        self.conv_stem = network.get_submodule("conv_stem")
        self.layer = nn.ModuleList(network.get_submodule("layer").children())
        self.tap, self.channels = TAPS[low]

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x = self.conv_stem(image)  # B C H/2 W/2
        low = x
        for i, layer in enumerate(self.layer):
            x = layer(x)
            low = x if i == self.tap else low
        return low, x


class OnMobileNetV2(Network):
    """A head of ours on the library's MobileNetV2: image B 3 H W to logits B classes h w."""

    COMPONENTS = ("backbone", "head")

    def __init__(self, network: nn.Module, head: str, classes: int) -> None:
        super().__init__()
        make: Callable[[int, int, int, int], nn.Module]
        make, channels = {"lraspp": (LrAspp, 128), "deeplabv3plus": (DeepLabV3Plus, 512)}[head]
        self.backbone = MobileNetV2Maps(network, LOW[head])
        self.head = make(self.backbone.channels, LAST_CHANNELS, channels, classes)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(*self.backbone(image))
        return logits


HuggingFace = LibraryClassifier | OnMobileNetV2


def official_keys(network: HuggingFace) -> dict[str, str]:
    """Our state-dict key -> the library's, for every key; heads of ours keep their own."""
    keys = network.state_dict()
    if isinstance(network, LibraryClassifier):
        return {key: key.removeprefix("network.") for key in keys}
    return {key: key.replace("backbone.", "mobilenet_v2.") for key in keys}


def official_state(state: Mapping[str, Tensor]) -> Layout:
    """Without what segmentation files hold and nothing uses."""
    dense = any(key.startswith("segmentation_head.") for key in state)
    unused = {key for key in state if dense and key.startswith("mobilenet_v2.conv_1x1.")}
    return without(state, unused, "Hugging Face")


# Rows -----------------------------------------------------------------------------------------


def _top1(model: str) -> PaperLine:
    return PaperLine("imagenet", {"model": model}, "top-1", "top1")


def _ade20k(decoder: str) -> PaperLine:
    cells = {"backbone": "MobileNetV2", "decoder": decoder}
    return PaperLine("ade20k", cells, "mIoU", "miou")


_STRIDE_16: Config = {"output_stride": 16}


def _mobilevit(hidden: tuple[int, ...], neck: tuple[int, ...], expand: float) -> Config:
    sizes = {"hidden_sizes": list(hidden), "neck_hidden_sizes": list(neck)}
    return sizes | {"expand_ratio": expand}


_XXS = _mobilevit((64, 80, 96), (16, 16, 24, 48, 64, 80, 320), 2.0)
_XS = _mobilevit((96, 120, 144), (16, 32, 48, 64, 80, 96, 384), 4.0)
_S = _mobilevit((144, 192, 240), (16, 32, 64, 96, 128, 160, 640), 4.0)
_V1, _V2 = "MobileViTForImageClassification", "MobileViTV2ForImageClassification"
_B1: Config = {
    "width_coefficient": 1.0,
    "depth_coefficient": 1.1,
    "hidden_dim": 1280,
    "depthwise_padding": [16],  # the block that pads all sides alike, as the original does
}

ROWS: dict[str, Row] = {
    "mobilenetv2_100": Row(
        "MobileNetV2ForImageClassification", {}, {"imagenet": _top1("MobileNetV2")}
    ),
    "mobilenetv2_laspp": Row(
        "MobileNetV2ForSemanticSegmentation",
        _STRIDE_16,
        {"ade20k": None, "cityscapes": None},
    ),
    "mobilenetv2_lraspp": Row(
        "MobileNetV2Model", _STRIDE_16, {"ade20k": _ade20k("LR-ASPP")}, head="lraspp"
    ),
    "mobilenetv2_deeplabv3plus": Row(
        "MobileNetV2Model", _STRIDE_16, {"ade20k": _ade20k("DeepLabV3+")}, head="deeplabv3plus"
    ),
    "mobilevit_xxs": Row(_V1, _XXS, {"imagenet_256": _top1("MobileViT-XXS")}),
    "mobilevit_xs": Row(_V1, _XS, {"imagenet_256": _top1("MobileViT-XS")}),
    "mobilevit_s": Row(_V1, _S, {"imagenet_256": _top1("MobileViT-S")}),
    "mobilevitv2_050": Row(
        _V2, {"width_multiplier": 0.5}, {"imagenet_256": _top1("MobileViTv2-0.50")}
    ),
    "mobilevitv2_075": Row(
        _V2, {"width_multiplier": 0.75}, {"imagenet_256": _top1("MobileViTv2-0.75")}
    ),
    "mobilevitv2_100": Row(
        _V2, {"width_multiplier": 1.0}, {"imagenet_256": _top1("MobileViTv2-1.00")}
    ),
    "efficientnet_b1": Row(
        "EfficientNetForImageClassification", _B1, {"imagenet_240": _top1("EfficientNet-B1")}
    ),
}
STRIDES = {"mobilenetv2_laspp": 16, "mobilenetv2_lraspp": 8, "mobilenetv2_deeplabv3plus": 4}


def specs() -> Iterator[ModelSpec]:
    """Every model of this file."""
    for name, row in ROWS.items():
        family, _, size = name.partition("_")
        for tag, published in row.tags.items():
            yield spec(
                family,
                size,
                tag,
                STRIDES.get(name, 32),
                published,
                module="huggingface",
            )


def build(spec: ModelSpec, **fields: object) -> HuggingFace:
    """The network of ``spec``. Raises ``UsageError`` for any field: rows are the library's."""
    if fields:
        raise UsageError(
            f"{spec.name} has no override {next(iter(fields))!r}. Known: classes, size.",
            hint="It is built by the transformers library from a fixed configuration.",
        )
    row = ROWS[spec.name.partition(".")[0]]
    with _quiet():
        made = getattr(transformers, row.kind)
        config = made.config_class(**row.config, num_labels=spec.classes, return_dict=False)
        network = made(config, **({"add_pooling_layer": False} if row.head else {}))
    _number_paddings(network)
    if row.head:
        return OnMobileNetV2(network, row.head, spec.classes)
    return (LibrarySegmenter if "Segmentation" in row.kind else LibraryClassifier)(network)


def _number_paddings(network: nn.Module) -> None:
    """Paddings given by a word become numbers: fvcore does not count the others' convolutions."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and isinstance(module.padding, str):
            same = module.padding == "same"  # of stride 1 and an odd kernel, in this library
            height, width = (side // 2 if same else 0 for side in module.kernel_size)
            module.padding = (height, width)
