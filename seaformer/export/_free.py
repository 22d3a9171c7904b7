"""Files that leave sizes free: at which sizes they are proved, and in which steps they are free.

A network may compute any size while its trace has one written into it: a padding to a multiple, a
window, an axis folded into another. So the file is run at two further sizes on the inputs of a
proof, one of them near and odd, one of another aspect; the step of the axes is the smallest at
which network and file agree on all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from seaformer.core.artifact import Parity
from seaformer.core.errors import CorruptArtifact, ExportError, SeaFormerError
from seaformer.core.free import BATCH, HEIGHT, PLACES, WIDTH, FreeAxis, listed, ordered
from seaformer.core.preprocessing import Preprocessing
from seaformer.export import _verify
from seaformer.export._named import first_line
from seaformer.export.rewrites._rule import Rule

Shape = tuple[int, ...]
_STEPS = (1, 2, 4, 8, 16, 32, 64)
_LARGE = 256  # a side from which on a half of it still has maps of several places
_BATCHES = (3, 2)


@dataclass(frozen=True)
class Sized:
    """What a file is compared with at other sizes.

    ``expected`` computes the outputs for any size; ``shape`` is the exported one (1, C, H, W);
    ``run`` compares the file with cases. ``scores``: the first output scores classes. ``noise``:
    noise is among the inputs.
    """

    name: str
    expected: nn.Module
    shape: Shape
    preprocessing: Preprocessing
    run: Callable[[Sequence[_verify.Case]], Parity]
    scores: bool = True
    noise: bool = True


@dataclass(frozen=True)
class Proved:
    """The axes with their steps, and the cases at both further sizes, all of which passed."""

    axes: tuple[FreeAxis, ...] = ()
    cases: tuple[_verify.Case, ...] = ()
    notes: tuple[str, ...] = ()


NOTHING = Proved()


def fixing_rules(network: nn.Module, rules: Iterable[Rule]) -> tuple[str, ...]:
    """Names of the rules that would write a size into the file of a network."""
    modules = tuple(network.modules())
    fixing = (rule for rule in rules if rule.sized)
    return tuple(rule.name for rule in fixing if any(map(rule.matches, modules)))


def prove(sized: Sized, axes: Sequence[str], left_out: Sequence[str] = ()) -> Proved:
    """``left_out`` are the rules that were not applied for the sake of free sizes.

    Raises ``ExportError``, with the axes that cannot be free.
    """
    fault = None
    for step in _steps(sized.shape, axes):
        cases: list[_verify.Case] = []
        fault = _fault(sized, further_sizes(sized.shape, axes, step), cases)
        if fault is None:
            free = tuple(FreeAxis(name, 1 if name == BATCH else step) for name in ordered(axes))
            return Proved(free, tuple(cases), (_note(free, left_out),))
    raise _refusal(sized, axes, fault or "")


def further_sizes(shape: Shape, axes: Sequence[str], step: int) -> tuple[Shape, Shape]:
    """A shape near the exported one, and one of another aspect.

    Of an image that is small the other is twice as high and three times as wide, since its last
    maps are too small to show what is written into the file; of a large one half as high and twice
    as wide, which costs no more.
    """
    near, far = list(shape), list(shape)
    if BATCH in axes:
        near[0], far[0] = _BATCHES
    if HEIGHT in axes:
        near[2] += step
        far[2] = shape[2] // 2 // step * step if shape[2] >= _LARGE else 2 * shape[2]
    if WIDTH in axes:
        near[3] += 3 * step
        far[3] *= 2 if shape[3] >= _LARGE else 3
    return tuple(near), tuple(far)


def _note(axes: Sequence[FreeAxis], left_out: Sequence[str]) -> str:
    note = f"free: {listed(map(str, axes))}"
    return f"{note}; not rewritten by {listed(left_out)}, which fixes a size" if left_out else note


def _steps(shape: Shape, axes: Sequence[str]) -> Iterator[int]:
    """Steps whose multiples include the exported size."""
    sides = [shape[PLACES[name]] for name in axes if name != BATCH]
    yield from (step for step in _STEPS if all(side % step == 0 for side in sides))


def _fault(sized: Sized, shapes: Sequence[Shape], cases: list[_verify.Case]) -> str | None:
    """Why the file is not the network at one of the shapes; the cases are added as they pass."""
    for shape in shapes:
        text = "x".join(map(str, shape))
        for named in _inputs(shape, sized):
            try:
                (case,) = _verify.answered(sized.expected, named, sized.preprocessing)
                case = replace(case, scores=case.scores and sized.scores)
                (result,) = sized.run([case]).cases
            except CorruptArtifact:
                return f"at {text} the file cannot be run, because a size is written into it"
            except SeaFormerError as error:
                return f"at {text} {first_line(error)}"
            except Exception as error:  # the user's code: anything may come out of it
                return f"the network raised {type(error).__name__} at {text}: {first_line(error)}"
            if not result.passed:
                seen = "" if result.relative_error is None else f" ({result.relative_error:.1e})"
                return f"at {text} the file computes something else than the network{seen}"
            cases.append(case)
    return None


def _inputs(shape: Shape, sized: Sized) -> Iterator[dict[str, _verify.Array]]:
    """The inputs of a proof at a shape, one at a time; a batch takes turns through them."""
    one = _verify.inputs((1, *shape[1:]), preprocessing=sized.preprocessing)
    if not sized.noise:
        one = {name: array for name, array in one.items() if name != _verify.NOISE} or one
    names, batch = tuple(one), shape[0]
    for start in range(0, len(names), batch):
        chosen = [names[(start + i) % len(names)] for i in range(batch)]
        title = f"{' + '.join(chosen)} at {'x'.join(map(str, shape))}"
        yield {title: np.concatenate([one[name] for name in chosen])}


def _refusal(sized: Sized, axes: Sequence[str], fault: str) -> ExportError:
    """Which axes cannot be free: the batch alone, the sides alone, or all together."""
    step = max(_steps(sized.shape, axes))
    groups = [[BATCH], [name for name in axes if name != BATCH]]
    faults = {
        tuple(group): _fault(sized, further_sizes(sized.shape, group, step), [])
        for group in groups
        if group and set(group) < set(axes)
    }
    able = [group for group, seen in faults.items() if seen is None]
    broken = [(group, seen) for group, seen in faults.items() if seen is not None]
    names, seen = broken[0] if len(broken) == 1 else (tuple(axes), fault)
    return ExportError(
        f"{sized.name} cannot leave {listed(names)} free: {seen}.",
        hint=f"Use --dynamic {','.join(able[0])}, and a file for each size of the rest."
        if able
        else "Export a file for each size.",
    )
