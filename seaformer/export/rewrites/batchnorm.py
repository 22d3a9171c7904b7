"""BatchNorm folded into the convolution before it, which is the same function in evaluation."""

from __future__ import annotations

from seaformer.export.rewrites._rule import Rule, Stage
from seaformer.models._blocks import ConvBN
from seaformer.models._mobilenet import SameConvBN

RULES = (
    Rule(
        "fold-batch-norm",
        ConvBN,
        lambda block, _: block.fuse(),
        "A norm of constant statistics is a scale and a shift, which the weights take",
        stage=Stage.NORM,
    ),
    Rule(
        "fold-padded-batch-norm",
        SameConvBN,
        lambda block, _: block.fuse_padded(),
        "A norm of constant statistics goes into the weights behind TensorFlow's padding too",
        stage=Stage.NORM,
    ),
)
