"""What the exported graph ends with: the logits, their upsampling, or the class map.

The paper times ``logits`` (the head's own resolution, 1/8 of the image). ``upsample`` adds the
bilinear resize to the image size, ``argmax`` the class map on top. For a classifier, ``upsample``
means nothing and ``argmax`` is the index of the best class.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from seaformer.core.artifact import SCOPES
from seaformer.core.errors import UsageError
from seaformer.core.registry import unknown
from seaformer.core.spec import ModelSpec


class Scoped(nn.Module):
    """A network and what follows it. Input (1, 3, H, W)."""

    def __init__(self, network: nn.Module, scope: str, size: tuple[int, int], dense: bool) -> None:
        super().__init__()
        self.network = network
        self.scope = scope
        self.size = size
        self.dense = dense

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.network(image)  # (1, K, H/8, W/8), or (1, K)
        if self.dense:
            logits = F.interpolate(logits, size=self.size, mode="bilinear", align_corners=False)
        return logits if self.scope == "upsample" else logits.argmax(dim=1)


def with_scope(network: nn.Module, spec: ModelSpec, scope: str) -> nn.Module:
    """The network itself for ``logits``; otherwise the network followed by its tail."""
    check_scope(spec, scope)
    if scope == "logits":
        return network
    dense = spec.task == "segmentation"
    return Scoped(network, scope, (spec.height, spec.width), dense).eval()


def check_scope(spec: ModelSpec, scope: str) -> None:
    """Raise ``UnknownName`` for no scope, ``UsageError`` for one the task does not have."""
    if scope not in SCOPES:
        raise unknown("scope", scope, SCOPES)
    if scope == "upsample" and spec.task != "segmentation":
        raise UsageError(f"{spec.name} has no map to upsample: its scope is logits or argmax.")
