"""Networks without memory for their weights, to count them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from seaformer.core.spec import ModelSpec
from seaformer.models import FAMILIES, model_spec


def on_meta(name: str, **changes: Any) -> tuple[nn.Module, ModelSpec]:
    spec = model_spec(name, **changes)
    with torch.device("meta"):
        return FAMILIES.load(spec.family).build(spec).eval(), spec
