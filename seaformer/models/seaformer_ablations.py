"""SeaFormer with one part exchanged: the ablations of the SeaFormer++ paper, as rows.

Source: tables 6, 7, 9, 11, 12 and 13 of the SeaFormer++ paper, on ADE20K. A row is SeaFormer-T or B
as the paper's own comparisons have it (mean squeeze, broadcast) with the fields that its line
names. SeaFormer itself is the last line of most tables and is not repeated; adaptive squeeze
(table 7) is ``seaformer_plus.py``. TopFormer's lines of table 13 are in ``topformer.py``, the Swin
backbones of table 8 are not here. No official code of these variants is public.

Where ours differ from the paper's: axial branch alone has 1.46M (1.4) and upconv(x) 1.86M (1.8),
which look cut off and not rounded; embedding 64, 96 in B counts 1.69G (1.7), the simple head on B
8.62M (8.7). Table 9 adjusts channels "to keep the FLOPs aligned" without naming them: the key
widths here meet its FLOPs. Parameters are then 1.63M (1.6) for axial and 1.28M (1.3) for global
attention as printed, but 1.41M (1.6) for the convolution, which the paper does not describe, and
1.40M, 1.42M and 1.44M (1.3 each) for local attention, ACmix and MixFormer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from seaformer.core.spec import ModelSpec
from seaformer.models._backbone import SIZES
from seaformer.models._plus_networks import NETWORKS, AnyPlus, PlusRow, own_keys, plus
from seaformer.models._tags import PaperLine, replaced, spec

FAMILY = "seaformer_ablations"
TAG = "ade20k"
official_keys = own_keys


class Ablation(NamedTuple):
    """One line: a size of SeaFormer, what is exchanged, where the paper prints it.

    ``key_dims`` are the key widths of the two stages with attention, where they are changed.
    """

    size: str
    fields: Mapping[str, object]
    table: str
    cells: Mapping[str, str]
    key_dims: tuple[int, ...] = ()


def _attention(name: str, printed: str, *key_dims: int) -> Ablation:
    return Ablation("t", {"attention": name}, "attention", {"attention": printed}, key_dims)


def _fusion(mode: str) -> Ablation:
    cells = {"fusion": mode.replace("_", " ")}
    return Ablation("t", {"fusion": mode}, "fusion", cells)


def _enhance(fields: Mapping[str, object], **cells: str) -> Ablation:
    return Ablation("t", fields, "enhancement", cells)


def _embed(*channels: int) -> Ablation:
    cells = {"what": "embed_dims", "value": ",".join(map(str, channels))}
    return Ablation("b", {"fusion_channels": channels}, "fusion_width", cells)


def _simple_head(size: str, printed: str) -> Ablation:
    cells = {"backbone": f"SeaFormer-{printed}*", "head": "Simple head"}
    return Ablation(size, {"head": "simple"}, "heads", cells)


ROWS = {
    "t_detail": _enhance({"branches": "detail"}, branches="detail enhancement only"),
    "t_axial": _enhance({"branches": "axial"}, branches="squeeze axial attention only"),
    "t_conv": _enhance({"enhance_input": "conv"}, enhance_input="conv(x)"),
    "t_upconv": _enhance({"enhance_input": "upconv"}, enhance_input="upconv(x)"),
    "t_add": _enhance({"enhance_mode": "add"}, enhance_mode="Add"),
    "t_max": Ablation("t", {"squeeze": "max"}, "squeeze", {"squeeze": "max pooling"}),
    "t_attention_conv": _attention("conv", "Conv", 20, 28),
    "t_attention_local": _attention("local", "Local", 28, 36),
    "t_attention_axial": _attention("axial", "Axial", 20, 28),
    "t_attention_global": _attention("global", "Global", 20, 28),
    "t_attention_acmix": _attention("acmix", "ACmix", 18, 26),
    "t_attention_mixformer": _attention("mixformer", "MixFormer"),
    "t_fusion_add": _fusion("add"),
    "t_fusion_multiply": _fusion("multiply"),
    "t_fusion_sigmoid_add": _fusion("sigmoid_add"),
    "b_embed_64_96": _embed(64, 96),
    "b_embed_192_256": _embed(192, 256),
    "t_no_position": Ablation(
        "t",
        {"position_bias": False},
        "fusion_width",
        {"what": "position_bias", "value": "without"},
    ),
    "t_simple_head": _simple_head("t", "Tiny"),
    "s_simple_head": _simple_head("s", "Small"),
    "b_simple_head": _simple_head("b", "Base"),
}


def row_of(ablation: Ablation) -> PlusRow:
    """The size's row with what the line exchanges."""
    row = dataclasses.replace(plus(SIZES[ablation.size]), squeeze="mean", expand="broadcast")
    if ablation.key_dims:
        widths = iter(ablation.key_dims)
        stages = tuple(
            stage._replace(key_dim=next(widths)) if stage.depth else stage for stage in row.stages
        )
        row = dataclasses.replace(row, stages=stages)
    return replaced(row, ablation.fields)


def specs() -> Iterator[ModelSpec]:
    """Every line."""
    for name, ablation in ROWS.items():
        published = PaperLine(ablation.table, ablation.cells, "mIoU", "miou")
        yield spec("seaformer", name, TAG, stride=8, published=published, module=FAMILY)


def build(spec: ModelSpec, **fields: object) -> AnyPlus:
    """The network of ``spec``; ``fields`` of ``PlusRow`` replace those of its row."""
    name = spec.name.partition(".")[0].removeprefix("seaformer_")
    return NETWORKS[spec.task](replaced(row_of(ROWS[name]), fields), spec.classes)
