"""Cast, order of axes and normalisation before a network whose file takes 8-bit pixels.

It computes in float32 whatever the network's precision is, so that the normalised image is, bit for
bit, the one that ``agreement.images.normalised`` makes (rounded once, where the network computes
in half). A convolution cannot take it in: behind padding, the mean would be missing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seaformer.core.preprocessing import Preprocessing

NORMALISE = "normalise"  # the module whose operators stay in float32
_INSIDE = ("pixels_to.", "network.")  # the wrappers' names for what they hold, outermost first


class Normalise(nn.Module):
    """Pixels, uint8 in the order that the file takes, to (1, 3, H, W) float32."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.nhwc = preprocessing.layout == "NHWC"
        self.flipped = preprocessing.channels == "BGR"
        # Plain attributes: a cast of the network to half leaves them as they are.
        self.mean, self.std = (
            torch.tensor(each, dtype=torch.float32).reshape(1, 3, 1, 1)
            for each in (preprocessing.mean, preprocessing.std)
        )

    def forward(self, pixels: Tensor) -> Tensor:
        image = pixels.permute(0, 3, 1, 2).contiguous() if self.nhwc else pixels  # 1 3 H W
        image = image.to(torch.float32)
        image = image.flip(1) if self.flipped else image
        return (image - self.mean) / self.std


class RawInput(nn.Module):
    """A network behind the normalisation. Input as the file takes it."""

    def __init__(self, network: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.preprocessing = preprocessing
        self.normalise = Normalise(preprocessing)
        self.pixels_to = network
        self.register_buffer("precision", torch.zeros(()), persistent=False)
        self.OUTPUTS = getattr(network, "OUTPUTS", ("output",))

    def forward(self, pixels: Tensor) -> Tensor | tuple[Tensor, ...]:
        answer: Tensor | tuple[Tensor, ...] = self.pixels_to(
            self.normalise(pixels).to(self.precision.dtype)
        )
        return answer


def with_input(network: nn.Module, preprocessing: Preprocessing) -> nn.Module:
    """The network itself for a float input; otherwise behind its pre-processing."""
    return RawInput(network, preprocessing).eval() if preprocessing.raw else network


def without_input(
    network: nn.Module, pixels: Tensor
) -> tuple[nn.Module, Tensor, Preprocessing | None]:
    """A network without its pre-processing, what it takes then, and what was taken off."""
    if not isinstance(network, RawInput):
        return network, pixels, None
    return network.pixels_to, network.normalise(pixels), network.preprocessing


def own_path(path: str) -> str:
    """A module's path in the network, without the wrappers around that."""
    for name in _INSIDE:
        path = path.removeprefix(name)
    return path
