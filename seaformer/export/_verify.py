"""Does the exported file compute what the PyTorch model computes?

Every file is run on two photographs and on noise, against the eager model as it was written (no
rewrite, no folding). Random input alone has hidden wrong exports in this field: a detector that
agreed on noise and found nothing on real images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import torch
from torch import nn

from seaformer.core.artifact import Parity
from seaformer.core.errors import ParityError
from seaformer.data import images
from seaformer.data.parity import TOLERANCES, compare
from seaformer.report.artifact import case_line

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Case:
    """One input and the eager model's answer to it."""

    name: str
    image: Array
    expected: Array


def cases(model: nn.Module, height: int, width: int, seed: int = 0) -> tuple[Case, ...]:
    """The photographs and seeded noise with the eager outputs for them."""
    inputs = {f"{name}.jpg": images.photograph(name, height, width) for name in images.PHOTOGRAPHS}
    inputs["noise"] = images.noise(height, width, seed)
    found = []
    for name, image in inputs.items():
        with torch.no_grad():
            expected = model(torch.from_numpy(image)).numpy()
        found.append(Case(name, image, expected))
    return tuple(found)


def verify(
    run: Callable[[Sequence[Array]], list[Array]],
    wanted: Sequence[Case],
    *,
    precision: str,
    runtime: str,
) -> Parity:
    """Run every case and collect the worst figures. Nothing is raised here; see ``require``."""
    tolerance = TOLERANCES[precision]
    results = tuple(
        compare(case.name, run([case.image])[0], case.expected, tolerance) for case in wanted
    )
    return Parity(
        verified_by="prediction",
        runtime=runtime,
        max_abs=_worst([case.max_abs for case in results], max),
        relative_error=_worst([case.relative_error for case in results], max),
        psnr_db=_worst([case.psnr_db for case in results], min),
        argmax_agreement=min(case.argmax_agreement for case in results),
        tolerance=str(tolerance),
        cases=results,
    )


def require(parity: Parity, file: str) -> None:
    """Raise ``ParityError`` with the figures when a case did not pass."""
    if all(case.passed for case in parity.cases):
        return
    raise ParityError(
        f"{file} does not compute what the PyTorch model computes ({parity.tolerance}):\n"
        + "\n".join(case_line(case) for case in parity.cases),
        hint="Nothing was kept. Please report the model, the format and the tool versions.",
    )


def _worst(values: Sequence[float | None], pick: Callable[..., float]) -> float | None:
    known = [value for value in values if value is not None]
    return pick(known) if known else None


def stored_reference(case: Case, limit: int = 1 << 20) -> tuple[Mapping[str, Array], int]:
    """Arrays to keep beside an artifact and the stride that makes the output fit ``limit``.

    The stride is applied to the last two axes of a (1, K, h, w) output.
    """
    stride = 1
    if case.expected.ndim >= 3:
        while case.expected.size / stride**2 > limit:
            stride += 1
    kept = case.expected[..., ::stride, ::stride] if stride > 1 else case.expected
    return {"input": case.image, "output_forward_0": kept}, stride
