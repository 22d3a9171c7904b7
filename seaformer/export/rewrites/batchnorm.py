"""BatchNorm folded into the convolution before it, which is the same function in evaluation."""

from __future__ import annotations

from seaformer.export.rewrites._rule import Rule, Stage
from seaformer.models._blocks import ConvBN

RULES = (
    Rule(
        "fold-batch-norm",
        ConvBN,
        lambda block, _: block.fuse(),
        "A norm of constant statistics is a scale and a shift, which the weights take",
        stage=Stage.NORM,
    ),
)
