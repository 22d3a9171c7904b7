"""SETR's auxiliary heads: classes from earlier layers, learned beside the network and left away.

Source: fudan-zvg/SETR 1361561 and mmsegmentation's ADE20K configurations. Naive and PUP have three
heads, behind layers 10, 15 and 20 of 24 (and at the same depths of shorter encoders); MLA has one
on each of its four maps, a single 1x1 convolution. Each has its cross entropy times the recipe's
``auxiliary``, and no dropout. They are in a run's checkpoints as ``auxiliary_head.*``, which every
reader of checkpoints passes over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.models._blocks import ConvBN, Network
from seaformer.models._tokens import to_map
from seaformer.models.setr import MlaHead, Setr, SetrRow, UpHead
from seaformer.training.losses import Batch, Loss, pixel_entropy
from seaformer.training.recipes import Recipe

NAME = "auxiliary_head"
_DEPTHS, _OF = (10, 15, 20), 24  # layers with a head behind them, of a whole encoder
_PUP_KERNEL, _PUP_ROUNDS, _FACTOR = 3, 2, 4


class AuxiliaryHeads(nn.ModuleList):
    """Heads that answer while the network runs; ``take`` gives what they answered last."""

    def __init__(self, network: Setr, classes: int) -> None:
        super().__init__()
        self._answers: dict[int, Tensor] = {}
        self._grid = (0, 0)
        places = _mla_places(network) if isinstance(network.head, MlaHead) else _places(network)
        for number, place in enumerate(places):
            self.append(_head(network, classes))
            place.register_forward_hook(self._answering(number, network))
        network.encoder.embed.register_forward_hook(self._measure)

    def take(self) -> list[Tensor]:
        """Logits B K h w of each head, shallowest first; they are not held any longer."""
        answers, self._answers = self._answers, {}
        return [answers[number] for number in sorted(answers)]

    def _measure(self, _: nn.Module, __: object, patches: Tensor) -> None:
        self._grid = (patches.shape[-2], patches.shape[-1])

    def _answering(self, number: int, network: Setr) -> Callable[[nn.Module, Any, Tensor], None]:
        def answer(_: nn.Module, __: object, x: Tensor) -> None:
            if not network.training:
                return
            self._answers[number] = self[number](self._map(x, network.encoder.skipped))

        return answer

    def _map(self, x: Tensor, skipped: int) -> Tensor:
        """B C H/16 W/16, of a layer's tokens B N C or of a convolution of MLA."""
        return to_map(x[:, skipped:], *self._grid) if x.dim() == 3 else F.relu(x)


def _places(network: Setr) -> list[nn.Module]:
    layers = network.encoder.layers
    return [layers[len(layers) * depth // _OF - 1] for depth in _DEPTHS]


def _mla_places(network: Setr) -> list[nn.Module]:
    assert isinstance(network.head, MlaHead)
    return list(network.head.extract)


def _head(network: Setr, classes: int) -> nn.Module:
    head, width = network.head, network.encoder.embed.out_channels
    if isinstance(head, MlaHead):
        first = head.project[0]
        assert isinstance(first, ConvBN)
        return nn.Conv2d(first.conv.out_channels, classes, 1)
    assert isinstance(head, UpHead)
    row = SetrRow(width, 0, 1, (), head_channels=head.classify.in_channels)
    if len(head.up) == 1:  # Naive
        return UpHead(row, classes, 1, 1, head.factor)
    return UpHead(row, classes, _PUP_KERNEL, _PUP_ROUNDS, _FACTOR)


def attach(network: Network, seed: int) -> None:
    """Give a SETR its auxiliary heads, with weights of the seed. torch's generator stays."""
    assert isinstance(network, Setr)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network.add_module(NAME, AuxiliaryHeads(network, network.spec.classes))


def assisted(network: Network, recipe: Recipe) -> Callable[[nn.Module, Batch], Loss]:
    """The objective of a network that ``attach`` gave heads to."""
    heads = network.get_submodule(NAME)
    assert isinstance(heads, AuxiliaryHeads)

    def compute(wrapped: nn.Module, batch: Batch) -> Loss:
        logits = [wrapped(batch.images), *heads.take()]
        main, *others = (pixel_entropy(x, batch.labels, recipe.average) for x in logits)
        auxiliary = torch.stack(others).sum()
        parts = (("main", main.detach()), ("auxiliary", auxiliary.detach()))
        return Loss(main + recipe.auxiliary * auxiliary, parts)

    return compute
