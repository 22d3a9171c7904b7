"""Networks as an export rewrites them."""

from __future__ import annotations

from torch import Tensor, nn

from seaformer.core.engine import DEFAULT_FORMAT, engine_of
from seaformer.core.precision import BASE
from seaformer.export.rewrites import select_rules
from seaformer.export.rewrites._apply import rewrite


def rewritten(model: nn.Module, image: Tensor, format: str = DEFAULT_FORMAT) -> nn.Module:
    """The network that is written to a file of that format, in single precision."""
    return rewrite(model, image, select_rules(engine_of(format), BASE)).network
