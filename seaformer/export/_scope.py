"""What the exported graph ends with: the logits, their upsampling, the class map, or boxes.

The paper times ``logits`` (the head's own resolution, 1/8 of the image). ``upsample`` adds the
bilinear resize to the image size, ``argmax`` the class map on top. For a classifier, ``upsample``
means nothing and ``argmax`` is the index of the best class. A detector ends at its head's outputs
(``logits``: class logits and box offsets) or at ``boxes``; which boxes to keep is the host's work
(``seaformer.data.detections``).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from seaformer.core.spec import ModelSpec
from seaformer.models._anchors import BoxDecoder


class ScopedNetwork(nn.Module):
    """A network and what follows it. Input (1, 3, H, W), of any size without ``size``."""

    def __init__(
        self, network: nn.Module, scope: str, size: tuple[int, int] | None, dense: bool
    ) -> None:
        super().__init__()
        self.network = network
        self.scope = scope
        self.size = size
        self.dense = dense

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.network(image)  # (1, K, H/8, W/8), or (1, K)
        if self.dense:
            size = self.size or image.shape[-2:]
            logits = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
        return logits if self.scope == "upsample" else logits.argmax(dim=1)


class DecodedDetector(nn.Module):
    """A detector, its scores as probabilities and its boxes in pixels. Input (1, 3, H, W)."""

    OUTPUTS = ("scores", "boxes")

    def __init__(self, network: nn.Module, height: int, width: int) -> None:
        super().__init__()
        self.network = network
        self.decode = BoxDecoder(height, width)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """To scores (1, K, A) and boxes (1, 4, A)."""
        logits, offsets = self.network(image)
        decoded: tuple[Tensor, Tensor] = self.decode(logits, offsets)
        return decoded


def with_scope(network: nn.Module, spec: ModelSpec, scope: str, *, free: bool = False) -> nn.Module:
    """The network itself for ``logits``; otherwise the network followed by its tail.

    The scope is one of the task's (``check_scope`` in ``core/request.py``). ``free``: for images of
    any size.
    """
    if scope == "logits":
        return network
    if scope == "boxes":
        return DecodedDetector(network, spec.height, spec.width).eval()
    dense = spec.task == "segmentation"
    size = None if free else (spec.height, spec.width)
    return ScopedNetwork(network, scope, size, dense).eval()
