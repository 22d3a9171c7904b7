"""What three libraries call the weights of MobileNetV2: Hugging Face, torchvision, mmsegmentation.

Heads that none of them has keep our names behind ``head.``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

TRANSFORMERS, TORCHVISION, MMSEG = "transformers", "torchvision", "mmsegmentation"
_BLOCK_PARTS = ("expand", "depthwise", "project")
_REPEATS = (1, 2, 3, 4, 3, 3, 1)
_HEADS: Mapping[tuple[str, str], Mapping[str, str]] = {
    (TRANSFORMERS, ""): {"last": "mobilenet_v2.conv_1x1", "classify": "classifier"},
    (TRANSFORMERS, "laspp"): {
        "pooled": "segmentation_head.conv_pool",
        "plain": "segmentation_head.conv_aspp",
        "project": "segmentation_head.conv_projection",
        "classify": "segmentation_head.classifier.convolution",
    },
    (TORCHVISION, ""): {"last": "features.18", "classify": "classifier.1"},
    (MMSEG, "fcn"): {
        "convs": "decode_head.convs",
        "join": "decode_head.conv_cat",
        "classify": "decode_head.conv_seg",
    },
    (MMSEG, "psp"): {
        **{f"levels.{i}": f"decode_head.psp_modules.{i}.1" for i in range(4)},
        "join": "decode_head.bottleneck",
        "classify": "decode_head.conv_seg",
    },
}


_WORDS = {TRANSFORMERS: ("convolution", "normalization"), TORCHVISION: ("0", "1")}


def official_names(weights: str, head: str, keys: list[str]) -> dict[str, str]:
    """Our state-dict key -> that of the library ``weights``, for every key."""
    convolution, norm = _WORDS.get(weights, ("conv", "bn"))
    names = {}
    for ours, theirs in _HEADS.get((weights, head), {}).items():
        names[f"head.{ours}"] = theirs
    layers = {"backbone.stem": _LAYERS[weights](-1, "")}
    for block in range(sum(_REPEATS)):
        for part in _BLOCK_PARTS:
            layers[f"backbone.blocks.{block}.{part}"] = _LAYERS[weights](block, part)
    for ours, theirs in layers.items():
        names[f"{ours}.conv"], names[f"{ours}.bn"] = f"{theirs}.{convolution}", f"{theirs}.{norm}"
    if weights == TORCHVISION:
        names |= _bare_projections()
    official = {}
    for key in keys:
        ours = max((name for name in names if key.startswith(f"{name}.")), key=len, default="")
        rest = key.removeprefix(ours) if ours else key
        if ours.startswith("head."):
            rest = rest.replace(".conv.", f".{convolution}.").replace(".bn.", f".{norm}.")
        official[key] = names.get(ours, "") + rest
    return official


def _transformers(block: int, part: str) -> str:
    if block < 0:
        return "mobilenet_v2.conv_stem.first_conv"
    layer = {"expand": "expand_1x1", "depthwise": "conv_3x3", "project": "reduce_1x1"}[part]
    return f"mobilenet_v2.{f'layer.{block - 1}' if block else 'conv_stem'}.{layer}"


def _torchvision(block: int, part: str) -> str:
    return f"features.{block + 1}" + (f".conv.{_place(block, part)}" if part else "")


def _mmsegmentation(block: int, part: str) -> str:
    if block < 0:
        return "backbone.conv1"
    ends = list(itertools.accumulate(_REPEATS))
    stage = next(i for i, end in enumerate(ends) if block < end)
    inside = block - ends[stage] + _REPEATS[stage]
    return f"backbone.layer{stage + 1}.{inside}.conv.{_place(block, part)}"


def _place(block: int, part: str) -> int:
    """Of a layer in its block; the first block does not expand."""
    return _BLOCK_PARTS.index(part) - (block == 0)


def _bare_projections() -> dict[str, str]:
    """torchvision has the last convolution of a block and its norm side by side."""
    names = {}
    for block in range(sum(_REPEATS)):
        place = _place(block, "project")
        ours, theirs = f"backbone.blocks.{block}.project", f"features.{block + 1}.conv"
        names[f"{ours}.conv"], names[f"{ours}.bn"] = f"{theirs}.{place}", f"{theirs}.{place + 1}"
    return names


_LAYERS: Mapping[str, Callable[[int, str], str]] = {
    TRANSFORMERS: _transformers,
    TORCHVISION: _torchvision,
    MMSEG: _mmsegmentation,
}
