"""Does the exported file compute what the PyTorch model computes?

Every file is run on two photographs and on noise, against the eager model as it was written (no
rewrite, no folding). Random input alone has hidden wrong exports in this field: a detector that
agreed on noise and found nothing on real images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from seaformer.agreement import images
from seaformer.agreement.parity import compare_all
from seaformer.core.artifact import FORWARD, Parity
from seaformer.core.errors import ParityError
from seaformer.core.precision import BASE, Precision
from seaformer.core.preprocessing import Preprocessing
from seaformer.core.quantization import ModuleNoise
from seaformer.data.preprocessing import IMAGENET
from seaformer.export._components import parts
from seaformer.report.artifact import case_line

Array = npt.NDArray[Any]
_COLOURS = 3
NOISE = "noise"  # the input of that name; of other channels than 3 there are several, with a number


@dataclass(frozen=True)
class Case:
    """One input of one method and the eager model's answer to it.

    ``scores`` is whether its first output scores classes.
    """

    name: str
    inputs: tuple[Array, ...]
    expected: tuple[Array, ...]
    method: str = FORWARD
    scores: bool = True

    @property
    def image(self) -> Array:
        return self.inputs[0]


_WRONG = "Please report the model, the format and the tool versions."
_COARSE = "Calibrate on more images of your own, or keep modules in float: --int8-keep NAME"


def inputs(
    shape: Sequence[int], seed: int = 0, preprocessing: Preprocessing = IMAGENET
) -> dict[str, Array]:
    """What a network with inputs of this shape (1, C, H, W) is proved on, by name.

    The photographs and seeded noise, pixels where the file normalises them; where C is not 3,
    noise three times over.
    """
    _, channels, height, width = shape
    if channels != _COLOURS:
        return {f"noise {i}": images.noise(height, width, seed + i, channels) for i in range(3)}
    pixels = {f"{name}.jpg": images.pixels(name, height, width) for name in images.PHOTOGRAPHS}
    if preprocessing.raw:
        pixels[NOISE] = images.pixel_noise(height, width, seed)
    arrays = {name: images.network_tensor(each, preprocessing) for name, each in pixels.items()}
    arrays.setdefault(NOISE, images.noise(height, width, seed))
    return arrays


def network_input(array: Array, preprocessing: Preprocessing) -> Array:
    """What the network itself takes where a file takes ``array``: normalised by numpy."""
    if not preprocessing.raw:
        return array
    pixels = array if preprocessing.layout == "NHWC" else array.transpose(0, 2, 3, 1)
    return np.concatenate([images.normalised(image, preprocessing) for image in pixels])


def cases(
    model: nn.Module,
    height: int,
    width: int,
    seed: int = 0,
    *,
    channels: int = _COLOURS,
    preprocessing: Preprocessing = IMAGENET,
) -> tuple[Case, ...]:
    """The photographs and seeded noise with the eager outputs for them."""
    named = inputs((1, channels, height, width), seed, preprocessing)
    return answered(model, named, preprocessing)


def answered(
    model: nn.Module, named: Mapping[str, Array], preprocessing: Preprocessing
) -> tuple[Case, ...]:
    """Inputs as the file takes them, by name, with the eager outputs for them."""
    results = []
    for name, image in named.items():
        with torch.no_grad():
            expected = model(torch.from_numpy(network_input(image, preprocessing)))
        outputs = expected if isinstance(expected, tuple) else (expected,)
        results.append(Case(name, (image,), tuple(output.numpy() for output in outputs)))
    return tuple(results)


def component_cases(model: nn.Module, whole: Sequence[Case]) -> tuple[Case, ...]:
    """What each component takes and gives when the eager model answers the first and last case."""
    return tuple(
        Case(f"{part.name}:{case.name}", _arrays(part.inputs), _arrays(part.outputs), part.name)
        for case in (whole[0], whole[-1])
        for part in parts(model, torch.from_numpy(case.image))
    )


def _arrays(tensors: Sequence[torch.Tensor]) -> tuple[Array, ...]:
    return tuple(tensor.numpy() for tensor in tensors)


def verify(
    run: Callable[[Sequence[Array], str], list[Array]],
    cases: Sequence[Case],
    *,
    precision: Precision,
    runtime: str,
) -> Parity:
    """Run every case and collect the worst figures. Nothing is raised here; see ``require``."""
    tolerance = precision.tolerance
    results = tuple(
        compare_all(
            case.name,
            case.method,
            run(case.inputs, case.method),
            case.expected,
            tolerance,
            scores=case.scores,
        )
        for case in cases
    )
    whole = [r for r, case in zip(results, cases, strict=True) if case.method == FORWARD]
    return Parity(
        verified_by="prediction",
        runtime=runtime,
        max_abs=_worst([case.max_abs for case in whole], max),
        relative_error=_worst([case.relative_error for case in whole], max),
        psnr_db=_worst([case.psnr_db for case in whole], min),
        argmax_agreement=_worst([case.argmax_agreement for case in whole], min),
        tolerance=str(tolerance),
        cases=results,
    )


def require_finite(model: nn.Module, cases: Sequence[Case]) -> None:
    """Raise ``ParityError`` where the eager model itself answers with infinity or NaN.

    A class map has neither, so the logits that it is made from are computed for it.
    """
    for case in cases:
        values = case.expected
        if case.method == FORWARD and not np.issubdtype(values[0].dtype, np.floating):
            with torch.no_grad():
                values = (model(torch.from_numpy(case.image)).numpy(),)
        for value in values:
            if not np.isfinite(value).all():
                raise ParityError(
                    f"The PyTorch model gives infinity or NaN on {case.name}: "
                    "no file can be compared with it."
                )


def blind_notes(cases: Sequence[Case]) -> tuple[str, ...]:
    """That the proof cannot fail, where the network answers every input alike; else nothing."""
    whole = [case.expected for case in cases if case.method == FORWARD]
    if len(whole) < 2 or not all(_alike(values) for values in zip(*whole, strict=True)):
        return ()
    return (
        "the proof shows little: the network answers the photographs and noise alike, so a file "
        "that ignores its input would pass; load trained weights, or others that let it through",
    )


def _alike(answers: Sequence[Array]) -> bool:
    """Whether one output is the same for every input, by the strictest tolerance for values."""
    first, *others = answers
    if not np.issubdtype(first.dtype, np.floating):
        return all(np.array_equal(first, other) for other in others)
    bound = BASE.tolerance.relative_error * (float(first.std()) or 1.0)
    return all(float(np.abs(other - first).max(initial=0.0)) <= bound for other in others)


def require(
    parity: Parity, file: str, precision: Precision, noise: Sequence[ModuleNoise] = ()
) -> None:
    """Raise ``ParityError`` with the figures when a case did not pass, and the module to look at.

    ``noise`` is that of every module of a file in integers, in their order.
    """
    if all(case.passed for case in parity.cases):
        return
    lines = [case_line(case) for case in parity.cases] + _module_lines(noise, precision)
    raise ParityError(
        f"{file} does not compute what the PyTorch model computes ({parity.tolerance}):\n"
        + "\n".join(lines),
        hint=f"Nothing was kept. {_COARSE if precision.calibrated else _WRONG}",
    )


def _module_lines(noise: Sequence[ModuleNoise], precision: Precision) -> list[str]:
    """The first module that departs in the fake-quantised model, or the worst where none does."""
    known = [(each.module, each.sqnr_db) for each in noise if each.sqnr_db is not None]
    if not known:
        return []
    least = precision.inner_sqnr_db
    for module, ratio in known:
        if ratio < least:
            return [f"The first module under {least:g} dB is {module} (SQNR {ratio:.1f} dB)."]
    module, ratio = min(known, key=itemgetter(1))
    return [f"The module with the least SQNR is {module} ({ratio:.1f} dB)."]


def _worst(values: Sequence[float | None], pick: Callable[..., float]) -> float | None:
    known = [value for value in values if value is not None]
    return pick(known) if known else None
