"""Networks and factories that nobody here exports for a living, named by ``tests.nets:NAME``."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NOT_A_NETWORK = 3


class Small(nn.Module):
    """A convolution with its norm, a layer norm without bias, five classes for each position."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.norm = nn.LayerNorm(8, bias=False)
        self.head = nn.Conv2d(8, 5, 1)

    def forward(self, image: Tensor) -> Tensor:
        x = F.hardswish(self.bn(self.conv(image)))
        x = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        logits: Tensor = self.head(x)
        return logits


class Pointwise(nn.Module):
    """1x1 convolutions: channels in whole, odd and broken vectors, with each kind of activation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 3, padding=1)
        self.clipped = nn.Conv2d(24, 40, 1)
        self.positive = nn.Conv2d(40, 56, 1, bias=False)
        self.gate = nn.Conv2d(56, 56, 1)
        self.narrow = nn.Conv2d(56, 12, 1)
        self.wide = nn.Conv2d(12, 96, 1)
        self.swish = nn.Conv2d(96, 8, 1)
        self.head = nn.Conv2d(8, 150, 1)

    def forward(self, image: Tensor) -> Tensor:
        x = F.relu6(self.clipped(F.relu(self.stem(image))))
        x = F.relu(self.positive(x))
        x = x * torch.sigmoid(self.gate(F.adaptive_avg_pool2d(x, 1)))
        x = F.hardswish(self.swish(F.relu(self.wide(self.narrow(x)))))
        logits: Tensor = self.head(x)
        return logits


class Chained(nn.Module):
    """1x1 convolutions with nothing but a ReLU in between."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.wide = nn.Conv2d(16, 40, 1)
        self.head = nn.Conv2d(40, 24, 1)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(F.relu(self.wide(F.relu(self.stem(image)))))
        return logits


class Strided(nn.Module):
    """A depthwise convolution of stride 2 over whole vectors of channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 1)
        self.depthwise = nn.Conv2d(16, 16, 3, stride=2, padding=1, groups=16)
        self.head = nn.Conv2d(16, 8, 1)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(self.depthwise(self.stem(image)))
        return logits


class Named(Small):
    """Two outputs by name; neither scores classes."""

    def forward(self, image: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        return {"map": super().forward(image), "mean": image.mean((1, 2, 3))}


class Text(Small):
    """An output that no file can hold."""

    def forward(self, image: Tensor) -> str:  # type: ignore[override]
        return "a map"


class Faded(Small):
    """Logits that depend on the image by a millionth of their spread: biases are the rest."""

    def forward(self, image: Tensor) -> Tensor:
        return super().forward(image * 1e-7)


class Peak(Small):
    """Values beyond 65,504 inside, and an ordinary output."""

    def forward(self, image: Tensor) -> Tensor:
        return super().forward((image * 1e5) / 1e5)


class NotANumber(Small):
    """NaN from the first layer on; the classes that win agree all the same."""

    def forward(self, image: Tensor) -> Tensor:
        return super().forward(torch.sqrt(-1 - image.abs()))


class Parts(nn.Module):
    """Children that can be components, ``stem`` and ``head``, and three that cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())
        self.twice = nn.Conv2d(8, 8, 1)
        self.scaled = Scaled()
        self.spare = nn.Identity()
        self.head = nn.Conv2d(8, 5, 1)

    def forward(self, image: Tensor) -> Tensor:
        x = self.twice(self.twice(self.stem(image * 0.5)))
        logits: Tensor = self.head(self.scaled(x, 2) + 1)
        return logits


class Scaled(nn.Module):
    """Takes a number beside its tensor."""

    def forward(self, x: Tensor, factor: int) -> Tensor:
        return x * factor


def gray() -> nn.Module:
    """Takes one channel."""
    return nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 49, 3))


def raises() -> nn.Module:
    raise ValueError("the weights are on the other disk\nand a second line")


class Gated(nn.Module):
    """What a quantizer meets here: a depthwise pair, a residual sum, a gate from 0 to 1."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.depthwise = nn.Conv2d(8, 8, 3, 1, 1, groups=8)
        self.project = nn.Conv2d(8, 8, 1)
        self.gate = nn.Conv2d(8, 8, 1)
        self.head = nn.Conv2d(8, 5, 1)
        with torch.no_grad():
            self.gate.weight.mul_(8.0)  # far beyond the ends of the gate

    def forward(self, image: Tensor) -> Tensor:
        x = F.relu(self.stem(image))
        y = self.project(F.relu(self.depthwise(x))) + x
        logits: Tensor = self.head(y * torch.clamp(self.gate(y), 0, 1))
        return logits


def gated() -> nn.Module:
    return Gated()


class Uneven(nn.Module):
    """Channels that are 500 apart inside of ``uneven``, which one scale cannot code."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.uneven = nn.Sequential(nn.Conv2d(8, 8, 1), nn.Hardswish(), nn.Conv2d(8, 8, 1))
        self.head = nn.Conv2d(8, 5, 1)
        with torch.no_grad():
            self.uneven.get_parameter("0.weight")[0] *= 500.0
            self.uneven.get_parameter("2.weight")[:, 0] /= 500.0

    def forward(self, image: Tensor) -> Tensor:
        x = F.relu(self.stem(image))
        logits: Tensor = self.head(x + self.uneven(x))
        return logits


def uneven() -> nn.Module:
    return Uneven()


def lone() -> nn.Module:
    """A network whose operator is in no module of it."""
    torch.manual_seed(0)
    return nn.Conv2d(3, 5, 3, 2, 1)


class Ruined(nn.Module):
    """Channels that are 100,000 apart between two convolutions, which 8 bits cannot code."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        last = nn.Conv2d(8, 8, 1, bias=False)
        self.body = nn.Sequential(nn.Conv2d(8, 8, 1), nn.Hardswish(), last)
        self.head = nn.Conv2d(8, 5, 1)
        with torch.no_grad():
            self.body.get_parameter("0.weight")[0] *= 1e5
            self.body.get_parameter("2.weight")[:, 0] = 0.0

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(F.relu(self.stem(image))))
        return logits


class Overflowing(Ruined):
    """Values beyond 65,504 between two convolutions that half precision holds each."""

    def __init__(self) -> None:
        super().__init__()
        with torch.no_grad():
            self.body.get_parameter("0.weight").normal_(0, 1)
            self.body.get_parameter("0.weight")[0] = 6e4
            self.body.get_parameter("2.weight").normal_(0, 1)
            self.body.get_parameter("2.weight")[:, 0] = 1e-5


class Infinite(Small):
    """An infinity inside, and an ordinary output."""

    def forward(self, image: Tensor) -> Tensor:
        return super().forward(image) + torch.exp(-(image.mean() * 0 + 3e38) * 10)


class Sixteenths(nn.Module):
    """Sides must be multiples of 16; a pool to 3x2 places whose windows depend on the size."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patches = nn.Conv2d(3, 8, 16, 16)
        self.pool = nn.AdaptiveAvgPool2d((3, 2))
        self.head = nn.Conv2d(8, 5, 1)

    def forward(self, image: Tensor) -> Tensor:
        if image.shape[2] % 16 or image.shape[3] % 16:
            raise ValueError("sides must be multiples of 16")
        x = F.relu(self.patches(image))
        pooled = F.interpolate(self.pool(x), size=x.shape[-2:], mode="bilinear")
        logits: Tensor = self.head(x + pooled)
        return logits


class Flat(nn.Module):
    """A linear layer over all positions, which fixes the size."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.classify = nn.Linear(3 * 64 * 64, 5)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.classify(image.flatten(1))
        return logits
