"""SeaFormer++: SeaFormer with adaptive squeeze and expand, and its distilled students.

Source: SeaFormer++ paper, sections 3.2.1 and 3.3-3.4, tables 2-5, 7, 14, 16 and 17. No official
code or checkpoint is public (fudan-zvg/SeaFormer stops before the "++"): how the text was read,
and which parameter counts support it or do not, is in ``_squeeze.py`` and ``_upsampling.py``.

Parameters in M, ours beside the paper's: segmentation T 1.69 (1.8), S 4.04 (4.1), B 8.72 (8.7),
L 14.10 (14.1); classification 1.80 (1.9), 4.16 (4.2), 8.86 (8.8), 14.20 (14.1); students 2.29
(2.3), 4.94 (5.0), 10.17 (10.2), 17.08 (17.1). The paper adds 0.1 to every SeaFormer alike, which
no mask made of x can do.

Every choice that the paper compares is a field of the row:
``create_model("seaformerpp_t", squeeze="max", expand="broadcast")``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from seaformer.core.spec import ModelSpec
from seaformer.models._backbone import SIZES
from seaformer.models._plus_networks import (
    NETWORKS,
    AnyPlus,
    SeaFormerStudent,
    own_keys,
    plus,
)
from seaformer.models._tags import TAGS, PaperLine, published_lines, replaced, spec

FAMILY = "seaformer_plus"
STUDENT_TAG = "ade20k"  # the one data set that the paper distils students on
# Table 17: what may upsample in student T's place of MobileNetV2 blocks, and how it is printed.
UPSAMPLED = {"interpolation": "direct interpolation", "convolution": "standard convolution"}
official_keys = own_keys


def specs() -> Iterator[ModelSpec]:
    """Every model of this file: each size with each tag, then the students."""
    for size in SIZES:
        published = published_lines(size, f"SeaFormer-{size.upper()}++")
        for tag, row in TAGS.items():
            if row.task in NETWORKS:
                yield _spec(size, tag, published.get(tag))
    for size in SIZES:
        line = {"backbone": f"SeaFormer-{size.upper()}++(KD)"}
        yield _spec(f"{size}_kd", STUDENT_TAG, PaperLine("ade20k", line, "mIoU", "miou"))
    for kind, printed in UPSAMPLED.items():
        line = {"upsampling_module": printed}
        yield _spec(f"t_kd_{kind}", STUDENT_TAG, PaperLine("upsampling", line, "mIoU", "miou"))
    yield _spec("t_kd", "synth", None)


def _spec(size: str, tag: str, published: PaperLine | None) -> ModelSpec:
    return spec("seaformerpp", size, tag, stride=8, published=published, module=FAMILY)


def build(spec: ModelSpec, **fields: object) -> AnyPlus:
    """The network of ``spec``; ``fields`` of ``PlusRow`` replace those of its row."""
    size, *kind = spec.name.partition(".")[0].removeprefix("seaformerpp_").split("_")
    network = SeaFormerStudent if kind else NETWORKS[spec.task]
    row = plus(SIZES[size])
    if kind[1:]:
        row = dataclasses.replace(row, upsampling=kind[1])
    return network(replaced(row, fields), spec.classes)
