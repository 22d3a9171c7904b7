"""Which options of a run differ from those it was begun with, and what then helps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from seaformer.core.errors import UsageError
from seaformer.core.plural import counted

if TYPE_CHECKING:
    from seaformer.training.loop import TrainPlan

_LENGTH = "iterations"


def check_same(folder: Path, file: Path, before: TrainPlan, plan: TrainPlan) -> None:
    """Raise ``UsageError`` unless the run in ``folder``, planned in ``file``, has these options.

    A run cannot be made longer: the learning rate of each iteration is planned for its length.
    """
    old, new = _options(before), _options(plan)
    differing = [name for name in sorted(old | new) if old.get(name) != new.get(name)]
    if differing == [_LENGTH]:
        raise _other_length(folder, before.iterations, plan.iterations)
    if differing:
        changed = ", ".join(f"{name} {old.get(name)} (got {new.get(name)})" for name in differing)
        raise UsageError(
            f"{folder} is a run with other options: {changed}.",
            hint=f"They are in {file}. Repeat them, or name another --out.",
        )


def _other_length(folder: Path, before: int, now: int) -> UsageError:
    planned = counted(before, "iteration") if before else "the recipe's iterations"
    repeated = f"--iters {before} --resume" if before else "--resume without --iters"
    asked = f"--iters {now}" if now else "no --iters"
    return UsageError(
        f"{folder} is a run of {planned} (got {asked}): its learning rates are planned for that "
        "length, so it cannot get another one.",
        hint=f"Finish it: {repeated}. Or begin another run with its weights: --out DIR "
        f"--checkpoint {folder / 'last.pth'}",
    )


def _options(plan: TrainPlan) -> dict[str, object]:
    own = {name: value for name, value in vars(plan).items() if name != "distillation"}
    how = vars(plan.distillation) if plan.distillation else {}
    return own | {f"distillation {name}": value for name, value in how.items()}
