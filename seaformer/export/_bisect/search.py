"""The first module whose output in a file departs from the eager model, and the smallest model.

One file is written of the network with every value between its modules as an output; its rows are
compared with the rewritten network in float32. Then ever larger parts are written as files of
their own, fed with what the eager network gives them, until one departs by itself. Nothing is
refused for its range, as an export does: that is what is looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seaformer.core import files
from seaformer.core.bisection import WHOLE, Bisection, Gap, ModuleGap
from seaformer.core.errors import ParityError, UsageError
from seaformer.core.precision import Precision
from seaformer.core.quantization import AUTO, Keep
from seaformer.core.quiet import quiet
from seaformer.core.request import ExportRequest
from seaformer.export._bisect.folder import Evidence, check_free, check_supported, write_folder
from seaformer.export._bisect.probe import Plan, Probed, Site, plan_of, watched
from seaformer.export._format import WriteRequest
from seaformer.export._job import Job, open_job
from seaformer.export._pipeline import Prepared, completed, equalised
from seaformer.export._pipeline import prepare as prepare_job
from seaformer.export._range import finite_limit, network_ranges
from seaformer.export._shared import Shared, every_time
from seaformer.export._steps import Progress, Steps
from seaformer.export._verify import Case
from seaformer.runtime import RUNTIMES

Array = npt.NDArray[Any]
_TINY = 1e-300


@dataclass(frozen=True)
class _Subject:
    """What is searched, and how a part of it becomes a file."""

    job: Job
    made: Prepared
    images: tuple[Tensor, ...]
    scratch: Path
    step: Steps

    def outputs(self, network: nn.Module, inputs: Sequence[Tensor], inside: str = "") -> Answers:
        """The answers of a file of a network to each input; ``inside`` is its path."""
        job, calibration = self.job, self.made.calibration
        path = self.scratch / f"model{job.engine.suffix}"
        files.remove(path)
        request = WriteRequest(
            network, inputs[0], path, job.precision, self.step, graph_rules=self.made.graph_rules
        )
        request = completed(request, job, calibration)
        if inside and calibration is not None:
            arrays = tuple(_taken(self.made.network, inside, a) for a in self._calibration())
            calibration = replace(calibration, pixels=(), noise=arrays)
            names = (k.removeprefix(f"{inside}.") for k in request.keep.names if k != inside)
            request = replace(request, calibration=calibration, keep=Keep(tuple(names)))
        with quiet():
            with suppress(ParityError):  # of a file that was written, and is what is looked for
                job.writer.write(replace(request, metadata={}, once=every_time))
            session = RUNTIMES.load(job.engine.name).open_session(path)
            answers = [session.run([image.numpy()], "forward") for image in inputs]
        return Answers(path, answers)

    def _calibration(self) -> Iterator[Tensor]:
        assert self.made.calibration is not None
        return (torch.from_numpy(array) for array in self.made.calibration.arrays(raw=True))


@dataclass(frozen=True)
class Answers:
    """A file, and what it answers to each input."""

    path: Path
    answers: list[list[Array]]


def bisect_request(
    request: ExportRequest, out: Path | str, progress: Progress | None = None
) -> Bisection:
    """Find the first module of a network that departs in a format and precision.

    Where one does, a new folder in ``out`` has the smallest model that fails. Raises
    ``UsageError`` for options that do not go with it, and where that folder exists.
    """
    step = Steps(progress)
    _check(request)
    job = open_job(request, files.expanded(out), step, None, Shared())
    if job.subject.graph is not None:
        raise UsageError("--bisect requires modules: a graph from a file has none.")
    check_supported(job.writer, job.engine.format)
    target = job.out / f"{job.file}.bisect"
    check_free(target)
    with files.without_empty(job.out), files.staging(job.out) as scratch:
        made = prepare_job(job, step)
        equalised(job, made.network, made.calibration)
        images = tuple(torch.from_numpy(c.image) for c in made.cases if c.method == "forward")
        return _search(_Subject(job, made, images, scratch, step), target)


def _check(request: ExportRequest) -> None:
    options = {
        "--components": request.components,
        "--dynamic": request.dynamic,
        "--input uint8": request.input != "float",
        f"--int8-keep {AUTO}": AUTO in request.keep,
    }
    for option, given in options.items():
        if given:
            raise UsageError(f"--bisect does not support {option}.", hint=f"Leave {option} away.")


def _search(subject: _Subject, target: Path) -> Bisection:
    job, network = subject.job, subject.made.network
    plan = plan_of(network, subject.images[0])
    rows = _rows(subject, plan)
    least = job.precision.inner_sqnr_db
    bisection = Bisection(
        job.spec.name, job.engine.format, job.precision.name, least, _rewritten(subject), rows
    )
    first, reason = _first(rows, job.precision)
    if first is None:
        return bisection
    bisection = replace(bisection, first=first, reason=reason)
    for name, part, inputs, inside in _parts(subject, first):
        subject.step(f"export {name} by itself")
        written = subject.outputs(part, inputs, inside)
        expected = [_answers(part, each) for each in inputs]
        gaps = [_gap([a], [b]) for a, b in zip(written.answers, expected, strict=True)]
        worst = min(range(len(gaps)), key=lambda i: _order(gaps[i]))
        largest = _largest(part, inputs)
        limit = finite_limit(job.precision)
        if gaps[worst].departs(least) or (limit is not None and not largest <= limit):
            bisection = replace(bisection, smallest=name, folder=str(target))
            evidence = Evidence(
                part, inputs[worst], expected[worst], written.path, gaps[worst], largest
            )
            write_folder(bisection, evidence, job, subject.scratch, target)
            return bisection
    return bisection


def _rows(subject: _Subject, plan: Plan) -> tuple[ModuleGap, ...]:
    """Every call of a module, in the file with all values as outputs."""
    subject.step("export with every inner output")
    probed = Probed(subject.made.network, plan.values).eval()
    answers = subject.outputs(probed, subject.images).answers
    expected = [_answers(probed, image) for image in subject.images]
    gaps = [
        _gap([one[i : i + 1] for one in answers], [one[i : i + 1] for one in expected])
        for i in range(len(plan.values))
    ]
    limit, peaks = finite_limit(subject.job.precision), _peaks(subject)
    return tuple(_row(site, gaps, peaks.get(site.module), limit) for site in plan.sites)


def _row(site: Site, gaps: Sequence[Gap], largest: float | None, limit: float | None) -> ModuleGap:
    before, after = (
        min((gaps[i] for i in numbers), key=_order, default=Gap())
        for numbers in (site.before, site.after)
    )
    overflows = limit is not None and largest is not None and not largest <= limit
    return ModuleGap(site.name or WHOLE, before, after, largest, overflows)


def _peaks(subject: _Subject) -> dict[str, float]:
    """The greatest absolute value that operators right in each module compute."""
    cases = [Case("", (image.numpy(),), ()) for image in subject.images]
    peaks: dict[str, float] = {}
    for each in network_ranges(subject.made.network, cases):
        module = each.place.rpartition(" (")[0]
        peaks[module] = max(peaks.get(module, 0.0), each.size)
    return peaks


def _largest(network: nn.Module, inputs: Sequence[Tensor]) -> float:
    cases = [Case("", (each.numpy(),), ()) for each in inputs]
    return max((each.size for each in network_ranges(network, cases)), default=0.0)


def _first(rows: Sequence[ModuleGap], precision: Precision) -> tuple[str | None, str]:
    """The module that the first departure arises in, and how."""
    least = precision.inner_sqnr_db
    for row in rows:
        module = row.module.partition("#")[0]
        if row.overflows:
            ends = f"{precision.dtype} ends at {finite_limit(precision):.0f}"
            return module, f"{row.module} computes values up to {row.largest:.4g}, and {ends}"
        if row.before.departs(least):
            parent = module.rpartition(".")[0] or WHOLE
            return parent, f"what it computes before {row.module} departs"
        if row.after.departs(least):
            return module, f"{row.module} departs"
    return None, ""


def _parts(
    subject: _Subject, first: str
) -> Iterator[tuple[str, nn.Module, tuple[Tensor, ...], str]]:
    """Ever larger models with the module in them: name, module, inputs, and path."""
    network, images = subject.made.network, subject.images
    path = "" if first == WHOLE else first
    while path:
        inputs = _alone(network, path, images)
        if inputs:
            yield path, network.get_submodule(path), inputs, path
        path = path.rpartition(".")[0]
    if first != WHOLE:
        plan = plan_of(network, images[0])
        after = next(site.after for site in plan.sites if site.module == first)
        values = tuple(plan.values[i] for i in after)
        yield f"the network up to {first}", Probed(network, values).eval(), images, ""
    yield WHOLE, network, images, ""


def _alone(network: nn.Module, path: str, images: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """What a module takes for each image, where that is one tensor once; otherwise nothing."""
    inputs = []
    for image in images:
        with torch.no_grad():
            calls = [call for call in watched(network, image)[0] if call.module == path]
        if len(calls) != 1 or len(calls[0].taken) != 1 or len(calls[0].given) != 1:
            return ()
        inputs.append(calls[0].taken[0].contiguous())
    return tuple(inputs)


def _taken(network: nn.Module, path: str, image: Tensor) -> Array:
    return _alone(network, path, (image,))[0].numpy()


def _answers(network: nn.Module, image: Tensor) -> list[Array]:
    with torch.no_grad():
        answer = network(image)
    outputs = answer if isinstance(answer, (tuple, list)) else (answer,)
    return [output.numpy() for output in outputs]


def _rewritten(subject: _Subject) -> Gap:
    """The rewritten network against the one that was named, both in float32."""
    made = subject.made
    seen = [_answers(made.network, image) for image in subject.images]
    return _gap(seen, [list(c.expected) for c in made.cases if c.method == "forward"])


def _gap(seen: Sequence[Sequence[Array]], expected: Sequence[Sequence[Array]]) -> Gap:
    """Over all inputs; the worst of several outputs."""
    sides = (zip(*each, strict=True) for each in (seen, expected))
    gaps = [_of_one(one, other) for one, other in zip(*sides, strict=True)]
    return min(gaps, key=_order, default=Gap())


def _of_one(seen: Sequence[Array], expected: Sequence[Array]) -> Gap:
    signal = noise = 0.0
    for one, other in zip(seen, expected, strict=True):
        if not np.isfinite(one).all():
            return Gap(finite=False)
        exact = other.astype(np.float64)
        signal += float(np.sum(exact**2))
        noise += float(np.sum((one.astype(np.float64) - exact) ** 2))
    return Gap(10 * float(np.log10((signal + _TINY) / noise)) if noise else None)


def _order(gap: Gap) -> float:
    """From the worst to equal."""
    if not gap.finite:
        return -np.inf
    return np.inf if gap.sqnr_db is None else gap.sqnr_db
