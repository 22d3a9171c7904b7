"""Mixed precision: forward passes in half, weights and optimiser in float, by ``accelerate``."""

from __future__ import annotations

from typing import Any

import torch

from seaformer.core.errors import UsageError
from seaformer.core.precision import precisions
from seaformer.core.registry import missing, unknown

BFLOAT, HALF = "bfloat16", "float16"  # HALF scales the loss, which accelerate does on a GPU alone
KINDS = (BFLOAT, HALF)
# How accelerate calls them: of a type that exports have too, as they do.
_NAMES = {BFLOAT: "bf16"} | {row.dtype: row.name for row in precisions() if row.dtype == HALF}


def accelerator(mixed: str) -> Any:
    """What runs a training; without ``mixed`` as accelerate's own settings have it.

    Raises ``UnknownName`` for another kind, ``UsageError`` for one that this machine lacks.
    """
    if mixed and mixed not in KINDS:
        raise unknown("kind of mixed precision", mixed, KINDS)
    if mixed == HALF and not torch.accelerator.is_available():
        raise UsageError(f"--mixed {mixed} requires a GPU.", hint=f"On a CPU: --mixed {BFLOAT}")
    try:
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState
    except ModuleNotFoundError as error:
        raise missing("accelerate", "seaformer train", "train") from error
    # accelerate 1.13: the precision of a process' first run is that of all later ones, and another
    # is refused; there is no public name for this.
    AcceleratorState._reset_state()
    return Accelerator(mixed_precision=_NAMES.get(mixed))


def scaling(accelerator: Any) -> dict[str, Any]:
    """The state of the loss' scale; empty where there is none."""
    scaler = accelerator.scaler
    return dict(scaler.state_dict()) if scaler is not None else {}


def restore(accelerator: Any, state: dict[str, Any]) -> None:
    """Continue with the scale that ``scaling`` gave."""
    if accelerator.scaler is not None and state:
        accelerator.scaler.load_state_dict(state)
