"""Rivals that the transformers library builds from a configuration: rows here, networks there.

Needs the extra ``zoo``. Weights are seeded or come from a checkpoint under the library's own names:
what ``save_pretrained`` of the row's class writes as ``model.safetensors``. Nothing is downloaded.
``ROWS`` has the row of the SeaFormer++ paper (table 14) that a model reproduces.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from seaformer.core.errors import UsageError
from seaformer.core.registry import missing
from seaformer.core.spec import ModelSpec
from seaformer.models._blocks import Network
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


@dataclass(frozen=True)
class Row:
    """One network: class and configuration of the library's, and its tags with the paper's line."""

    kind: str
    config: Config = field(default_factory=dict)
    tags: Mapping[str, PaperLine | None] = field(default_factory=dict)


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


def official_keys(network: LibraryClassifier) -> dict[str, str]:
    """Our state-dict key -> the library's, for every key."""
    return {key: key.removeprefix("network.") for key in network.state_dict()}


# Rows -----------------------------------------------------------------------------------------


def _top1(model: str) -> PaperLine:
    return PaperLine("imagenet", {"model": model}, "top-1", "top1")


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


def specs() -> Iterator[ModelSpec]:
    """Every model of this file."""
    for name, row in ROWS.items():
        family, _, size = name.partition("_")
        for tag, published in row.tags.items():
            yield spec(
                family,
                size,
                tag,
                32,
                published,
                module="huggingface",
            )


def build(spec: ModelSpec, **fields: object) -> LibraryClassifier:
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
        network = made(config)
    _number_paddings(network)
    return LibraryClassifier(network)


def _number_paddings(network: nn.Module) -> None:
    """Paddings given by a word become numbers: fvcore does not count the others' convolutions."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and isinstance(module.padding, str):
            same = module.padding == "same"  # of stride 1 and an odd kernel, in this library
            height, width = (side // 2 if same else 0 for side in module.kernel_size)
            module.padding = (height, width)
