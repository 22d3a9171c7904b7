"""``estimate``: the code that an artifact executes on an emulated core, priced and scaled.

An artifact runs once for each of its methods; what it executed is kept in the cache, so that a
second estimate takes seconds. Without LLVM the estimate is of instructions alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from seaformer.bench.code_blocks import block_profile
from seaformer.bench.target import Target, TargetOptions
from seaformer.bench.targets.emulator import open_target
from seaformer.core import files, zoo
from seaformer.core.artifact import FORWARD, Artifact, Delegation
from seaformer.core.code_blocks import SCHEMA, BlockProfile, load_blocks, write_blocks
from seaformer.core.errors import CorruptArtifact, MissingExtra, UsageError
from seaformer.core.estimate import CYCLES, INSTRUCTIONS, Estimate, PartEstimate
from seaformer.core.files import expanded
from seaformer.core.measurement import DeviceInfo, RunHeader
from seaformer.core.plan import RunPlan
from seaformer.core.precision import BASE
from seaformer.estimate.calibration import Calibration, load, shipped
from seaformer.estimate.cost import Cost, Llvm, check_core, find_llvm, price
from seaformer.estimate.domain import Subject, attends, reasons
from seaformer.estimate.evidence import dense_share, evidence
from seaformer.estimate.operators import codes_of, with_operators
from seaformer.estimate.published import published, published_cores
from seaformer.estimate.scale import WIDEST, Scale

CORE = "sd865"  # where none is named
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Estimator:
    """Estimates artifacts for the core of one calibration.

    Args:
        calibration: the scales.
        target: the emulated core that the calibration's rows ran on; recorded code needs none.
        llvm: what prices code; without it instructions are scaled.
    """

    calibration: Calibration
    target: Target | None
    llvm: Llvm | None = None

    def estimate(
        self,
        artifact: Artifact,
        *,
        components: bool = False,
        operators: bool = False,
        progress: Progress | None = None,
    ) -> Estimate:
        """The estimate of one artifact, of its components and of its operators on request.

        Raises ``UsageError`` for an engine that the calibration does not cover, ``ArtifactError``
        for other versions, ``RunnerFailed`` where the artifact does not run.
        """
        step = progress or (lambda _: None)
        step(f"count {artifact.file}")
        profile = self._profile(artifact)
        whole = self.estimate_profile(profile, artifact.operators, artifact.delegation)
        if components:
            parts = tuple(self._part(artifact, name, step) for name in artifact.components)
            whole = replace(whole, components=parts)
        return self._with_operators(whole, artifact, step) if operators else whole

    def has_counted(self, artifact: Artifact, *, components: bool = False) -> bool:
        """Whether ``estimate`` would find all it needs in the cache, so that nothing is run."""
        methods = (FORWARD, *(artifact.components if components else ()))
        target = _needed(self.target)
        return all(_kept(target, artifact, method).is_file() for method in methods)

    def estimate_file(self, path: Path) -> Estimate:
        """The estimate of a ``*.blocks.jsonl``; its operators are known where it is evidence.

        Raises ``CorruptArtifact`` for a file that is cut short.
        """
        profile = load_blocks(path)
        kin = (e.operators for e in evidence() if e.artifact_sha256 == profile.head.artifact_sha256)
        return self.estimate_profile(profile, next(kin, {}), None)

    def estimate_profile(
        self, profile: BlockProfile, operators: Mapping[str, int], delegation: Delegation | None
    ) -> Estimate:
        """The estimate of what was recorded of a file with these operators."""
        counts = profile.head.counts
        cost = self._cost(profile)
        return self._answer(profile.head, counts.instructions, cost, operators, delegation)

    def estimate_counts(
        self,
        head: RunHeader,
        instructions: int,
        operators: Mapping[str, int],
        delegation: Delegation | None,
    ) -> Estimate:
        """The estimate of instructions that were counted on the calibration's emulated core."""
        return self._answer(head, instructions, None, operators, delegation)

    def _answer(
        self,
        head: RunHeader,
        instructions: int,
        cost: Cost | None,
        operators: Mapping[str, int],
        delegation: Delegation | None,
    ) -> Estimate:
        self._check(head)
        scale, precision_reasons = self._scale(head.runtime, head.precision)
        subject = Subject(
            operators,
            delegation,
            instructions,
            cost.unpriced if cost else 0,
            cost.unpriced_words if cost else (),
            dense_share(head.model),
        )
        domain = self.calibration.domain(scale.engine, scale.precision)
        doubts = self.calibration.doubts
        outside = (*doubts, *precision_reasons, *reasons(subject, domain))
        ms = scale.ms(_count(instructions, cost), attends=attends(operators))
        factor = max(WIDEST, scale.factor) if outside else scale.factor
        return Estimate(
            model=head.model,
            engine=head.runtime,
            precision=head.precision,
            core=self.calibration.core,
            instructions=instructions,
            cycles=cost.total if cost else None,
            estimate_ms=ms,
            interval_ms=(ms / factor, ms * factor),
            inside=not outside,
            outside_because=outside,
            components=(),
            by=scale.by,
            emulated=self.calibration.emulated,
            scope=head.scope,
            input_shape=head.input_shape,
            artifact_file=head.artifact_file,
            artifact_sha256=head.artifact_sha256,
            published_ms=_published(head, self.calibration.core),
            versions=dict(self._versions(head)),
            left_out=self.calibration.left_out,
        )

    def _profile(self, artifact: Artifact, method: str = FORWARD) -> BlockProfile:
        return profile_of(_needed(self.target), artifact, method)

    def _with_operators(self, whole: Estimate, artifact: Artifact, step: Progress) -> Estimate:
        step(f"count operators of {artifact.file}")
        target = _needed(self.target)
        path = _kept(target, artifact, "operators").with_suffix(".operators.json")
        return with_operators(whole, codes_of(target, artifact, path), self.llvm)

    def _part(self, artifact: Artifact, name: str, step: Progress) -> PartEstimate:
        step(f"count {name} of {artifact.file}")
        profile = self._profile(artifact, name)
        cost = self._cost(profile)
        scale, _ = self._scale(profile.head.runtime, profile.head.precision)
        instructions = profile.head.counts.instructions
        ms = scale.ms(_count(instructions, cost), attends=attends(artifact.operators))
        return PartEstimate(name, instructions, cost.total if cost else None, ms)

    def _cost(self, profile: BlockProfile) -> Cost | None:
        return None if self.llvm is None else price(profile.blocks, self.llvm)

    def _scale(self, engine: str, precision: str) -> tuple[Scale, tuple[str, ...]]:
        """The scale, of single precision where there is none of the file's, and what that means."""
        by = INSTRUCTIONS if self.llvm is None else CYCLES
        self.calibration.check_engine(engine)
        if scale := self.calibration.scale(engine, precision, by):
            return scale, ()
        if scale := self.calibration.scale(engine, BASE.name, by):
            return scale, (f"no row of the calibration is in {precision}",)
        raise UsageError(
            f"The calibration of {self.calibration.core} does not cover {engine} {precision}."
        )

    def _check(self, head: RunHeader) -> None:
        for name, version in self._versions(head):
            self.calibration.check_version(name, version)
        core = (head.device.properties or {}).get("cpu", "")
        if core != self.calibration.emulated:
            raise UsageError(
                f"The calibration of {self.calibration.core} is for code of an emulated "
                f"{self.calibration.emulated} (got {core or head.device.model})."
            )

    def _versions(self, head: RunHeader) -> Iterator[tuple[str, str]]:
        yield "qemu", qemu_version(head.device)
        if self.llvm:
            yield "llvm", self.llvm.version
        yield head.runtime, head.runtime_version


def open_estimator(
    core: str,
    file: Path | str | None,
    engines: Iterable[str],
    notice: Progress,
    progress: Progress | None = None,
) -> Estimator:
    """The estimator of a core, or of a calibration's ``file``, for files of these engines.

    Without engines it takes recorded code alone. An empty ``core`` is that of the file, or the one
    that is taken where none is named.

    ``notice`` is called with the line that installs LLVM where it is missing. Raises ``UsageError``
    for a core or an engine that no calibration covers, ``ArtifactError`` for another LLVM or QEMU
    than the calibration's, ``MissingExtra`` where the emulator is missing.
    """
    calibration = load(expanded(file)) if file else shipped(core or CORE)
    if core and core != calibration.core:
        raise UsageError(
            f"{file} is a calibration of {calibration.core}, not of {core}.",
            hint="Leave --core out, or name another file.",
        )
    engines = tuple(engines)
    for engine in engines:
        calibration.check_engine(engine)
    llvm = _find_llvm(calibration, notice)
    if not engines:
        return Estimator(calibration, None, llvm)
    options = TargetOptions(engines=engines, notice=notice, misses=False)
    target = open_target(progress, calibration.emulated, options=options)
    calibration.check_version("qemu", qemu_version(target.device()))
    return Estimator(calibration, target, llvm)


def profile_of(target: Target, artifact: Artifact, method: str = FORWARD) -> BlockProfile:
    """What a method executes, from the cache where it ran before.

    A file without a manifest may be run with other inputs, and is run each time.
    """
    path = _kept(target, artifact, method)
    if artifact.foreign is None:
        with suppress(CorruptArtifact):
            return load_blocks(path)
    profile = block_profile(target, RunPlan(method=method), artifact, "seaformer estimate")
    if artifact.foreign is None:
        write_blocks(path, profile)
    return profile


def qemu_version(device: DeviceInfo) -> str:
    """``7.2.22`` of ``qemu-user 7.2.22 on Linux x86_64``."""
    return (*device.system.split(), "", "")[1]


def _find_llvm(calibration: Calibration, notice: Progress) -> Llvm | None:
    try:
        llvm = find_llvm()
    except MissingExtra as error:
        notice(f"{error.message} Estimates are made of instructions alone. {error.hint}")
        return None
    calibration.check_version("llvm", llvm.version)
    check_core(llvm)
    return llvm


def _kept(target: Target, artifact: Artifact, method: str) -> Path:
    device = target.device()
    parts = (str(SCHEMA), artifact.sha256, method, device.id, device.system, target.runner_build)
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
    return files.cache_dir() / "blocks" / f"{digest}.blocks.jsonl"


def _needed(target: Target | None) -> Target:
    if target is None:
        raise UsageError("An estimate of a model file needs an emulated core.")
    return target


def _count(instructions: int, cost: Cost | None) -> float:
    return instructions if cost is None else cost.total


def _published(head: RunHeader, core: str) -> float | None:
    """The published figure for this model, where the file is the network that it is of."""
    entry = zoo.entries().get(head.model)
    if entry is None or head.scope != "logits" or core not in published_cores():
        return None
    if entry.spec.input_shape != head.input_shape:
        return None
    figures = {(each.model, each.precision): each.ms for each in published(core)}
    return figures.get((head.model, head.precision))
