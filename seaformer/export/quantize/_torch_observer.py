"""Our observers as modules that torchao puts into a graph."""

from __future__ import annotations

import torch
from torch import Tensor
from torchao.quantization.pt2e import UniformQuantizationObserverBase

from seaformer.export.quantize._observers import Spread, find_observer

_LEAST_SCALE = 2.0**-20


class RangeObserver(UniformQuantizationObserverBase):  # type: ignore[misc]
    """Collects the values of one tensor; the rule named ``rule`` makes the range of them."""

    def __init__(
        self,
        *,
        dtype: torch.dtype,
        rule: str,
        quant_min: int,
        quant_max: int,
        qscheme: torch.qscheme = torch.per_tensor_affine,
        is_dynamic: bool = False,
    ) -> None:
        super().__init__(
            dtype=dtype,
            qscheme=qscheme,
            quant_min=quant_min,
            quant_max=quant_max,
            eps=_LEAST_SCALE,
            is_dynamic=is_dynamic,
        )
        self.choose = find_observer(rule)
        self.spread = Spread()

    def forward(self, value: Tensor) -> Tensor:
        self.spread.see(value.detach().numpy())
        return value

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:
        """Scale and zero point of the range."""
        low, high = (torch.tensor(end) for end in self.choose(self.spread))
        qparams: tuple[Tensor, Tensor] = self._calculate_qparams(low, high)
        return qparams
