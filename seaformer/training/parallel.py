"""Several processes: batch norms over the whole batch, sums over all of them.

torch's SyncBatchNorm is for accelerators alone; ``SyncedNorm`` is its function by differentiable
sums, which gloo has too, so that two processes on CPUs train as one with the same total batch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
import torch.distributed.nn.functional as dist_functional
from torch import Tensor, nn

from seaformer.core.errors import UsageError


def processes() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def is_first() -> bool:
    """Whether this process is the one that writes, also before the others are connected."""
    return os.environ.get("RANK", "0") == "0"


def divided() -> tuple[int, int]:
    """The number of this process and how many torchrun started; (0, 1) without torchrun."""
    number, count = (os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE"))
    if number.isdecimal() and count.isdecimal() and int(number) < int(count):
        return int(number), int(count)
    return 0, 1


def gathered(content: bytes) -> list[bytes] | None:
    """What each process hands in, in their order, for the first; ``None`` for the others.

    Processes that torchrun started meet by gloo; a slow one is waited for.
    """
    if not dist.is_initialized():
        dist.init_process_group("gloo", timeout=timedelta(days=2))
    sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(processes())]
    dist.all_gather(sizes, torch.tensor([len(content)]))
    longest = max(int(size) for size in sizes)
    padded = torch.frombuffer(bytearray(content.ljust(longest, b"\0")), dtype=torch.uint8)
    everyone = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(everyone, padded)
    dist.destroy_process_group()
    if not is_first():
        return None
    return [bytes(each.numpy())[: int(size)] for each, size in zip(everyone, sizes, strict=True)]


def total(count: Tensor) -> tuple[Tensor, int]:
    """A count summed over all processes, and how many they are. It has no gradient."""
    count = count.detach().clone()
    if processes() > 1:
        dist.all_reduce(count)
    return count, processes()


def _summed(values: Tensor) -> Tensor:
    """The sum over all processes, with a gradient."""
    summed: Tensor = dist_functional.all_reduce(values)  # type: ignore[no-untyped-call]
    return summed


class SyncedNorm(nn.BatchNorm2d):
    """BatchNorm2d whose statistics are of the batches of all processes together."""

    def forward(self, input: Tensor) -> Tensor:
        """B C H W to B C H W."""
        if not self.training or processes() == 1:
            return super().forward(input)
        places = input.numel() // input.shape[1]
        parts = [input.sum((0, 2, 3)), input.new_full((1,), places)]
        summed = _summed(torch.cat(parts))
        count = summed[-1]
        mean = summed[:-1] / count
        centred = input - mean[:, None, None]
        squares = _summed((centred * centred).sum((0, 2, 3)))
        self._remember(mean, squares, count)
        gain = torch.rsqrt(squares / count + self.eps) * self.weight  # C
        y: Tensor = centred * gain[:, None, None] + self.bias[:, None, None]  # B C H W
        return y

    @torch.no_grad()
    def _remember(self, mean: Tensor, squares: Tensor, count: Tensor) -> None:
        """Move the running statistics; the variance is that of a sample, as in torch."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        share = 0.1 if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(squares / (count - 1), share)
        self.num_batches_tracked.add_(1)


def synchronise_norms(network: nn.Module) -> None:
    """Let every BatchNorm of a network be over all processes; parameters and names stay."""
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SyncedNorm


@contextmanager
def enough_values(batch: int) -> Iterator[None]:
    """``UsageError`` where torch's batch norm has one value of a channel and no variance."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise UsageError(
            f"--batch must be larger for this model (got {batch}): a batch norm sees one value.",
            hint="Use at least 2 images for each process.",
        ) from error
