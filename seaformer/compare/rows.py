"""Two sets of measurements, row by row: what got worse, what got better, what is only in one.

A row is one method of one model, size, format, precision, scope, core and number of threads on one
device, and of one variant of the file where a side has several. Of the base the newest valid
measurement of a row counts; of the new side the newest one, valid or not, because a run that fails
now must not hide behind an older one. What is a regression is decided in ``judgement``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from seaformer.compare.accuracy import judge_accuracy
from seaformer.compare.verdict import (
    FORWARD,
    REGRESSION,
    UNKNOWN,
    WARNING,
    Finding,
    Limits,
    Pair,
    judge,
)
from seaformer.core.accuracy import FOLDER as ACCURACY
from seaformer.core.accuracy import METRICS, Accuracy
from seaformer.core.errors import MeasurementRefused, Regression, UsageError
from seaformer.core.files import DamagedFile
from seaformer.core.measurement import MEASURED, Measurement, short_commit
from seaformer.core.plural import counted
from seaformer.core.registry import unknown
from seaformer.core.stem import variant

HOST = "host"
_DECIDING = ("outcome", "latency", "instructions", *METRICS, "accuracy")
FACTS = (
    "outcome",
    "latency",
    "instructions",
    "peak memory",
    "artifact size",
    "export",
    "delegate subgraphs",
    "operators outside",
    "operators",
    "parity",
    "argmax agreement",
    "relative error",
    *METRICS,
    "accuracy",
)


@dataclass(frozen=True)
class Side:
    """One side of a comparison: what it is called, and what was found there."""

    label: str
    measurements: tuple[Measurement, ...]
    damaged: tuple[DamagedFile, ...] = ()
    accuracies: tuple[Accuracy, ...] = ()


@dataclass(frozen=True, order=True)
class RowKey:
    """What must be the same on both sides. ``device`` is ``host`` for every computer.

    Two computers are still distinguished: their times are only advice (``verdict``). ``variant`` is
    of the file (another observer, a rule left out), where a side has more than one. An evaluation
    has the source ``accuracy``, and for a device the data, how images were fed, and where it ran.
    """

    model: str
    size: str
    format: str
    precision: str
    scope: str
    method: str
    source: str
    device: str
    core: str
    threads: int
    variant: str = ""

    @property
    def name(self) -> str:
        """One line: ``seaformer_t.ade20k 512x512 executorch fp32 logits, host``."""
        method = "" if self.method == "forward" else f" {self.method}"
        method += f" ({self.variant})" if self.variant else ""
        network = f"{self.model} {self.size} {self.format} {self.precision} {self.scope}{method}"
        if self.source == ACCURACY:
            return f"{network} on {self.device}"
        threads = "" if self.threads == 1 else f", {self.threads} threads"
        emulated = "" if self.source == MEASURED else f" ({self.source})"
        return f"{network}, {self.device}{emulated} core {self.core}{threads}"


@dataclass(frozen=True)
class ComparedRow:
    """A row that is on both sides; ``differs`` lists what else is not the same."""

    key: RowKey
    base_id: str
    new_id: str
    findings: tuple[Finding, ...]
    differs: tuple[str, ...] = ()

    def of(self, *verdicts: str) -> tuple[Finding, ...]:
        """The findings with one of these verdicts."""
        return tuple(one for one in self.findings if one.verdict in verdicts)

    @property
    def not_judged(self) -> str:
        """What should have decided about this row and could not: a fact's name, or nothing.

        A part of a network is only advice.
        """
        deciding = {one.fact: one.verdict for one in self.findings if one.fact in _DECIDING}
        if self.key.method != FORWARD or set(deciding.values()) - {UNKNOWN}:
            return ""
        return next(iter(deciding))


@dataclass(frozen=True)
class Comparison:
    """The comparison of two sides; ``base`` and ``new`` are their labels."""

    base: str
    new: str
    rows: tuple[ComparedRow, ...]
    only_base: tuple[RowKey, ...]
    only_new: tuple[RowKey, ...]
    damaged: tuple[DamagedFile, ...]

    @property
    def regressions(self) -> tuple[tuple[ComparedRow, Finding], ...]:
        return tuple((row, one) for row in self.rows for one in row.of(REGRESSION))

    @property
    def not_judged(self) -> tuple[tuple[ComparedRow, str], ...]:
        """The rows about which nothing could be decided, with the fact that should have."""
        return tuple((row, row.not_judged) for row in self.rows if row.not_judged)


def compare(
    base: Side, new: Side, limits: Limits | None = None, *, allow: Iterable[str] = ()
) -> Comparison:
    """Compare every row that is on both sides.

    Facts named in ``allow`` may get worse: then they are warnings. Raises ``UnknownName`` for a
    fact there is not, ``UsageError`` when a side is empty or no row is on both: a gate that saw
    nothing must not report success.
    """
    allowed = tuple(allow)
    for fact in allowed:
        if fact not in FACTS:
            raise unknown("fact", fact, FACTS)
    for side, name in ((base, "BASE"), (new, "NEW")):
        if not (side.measurements or side.accuracies):
            skipped = f" ({counted(len(side.damaged), 'damaged file')} skipped)"
            raise UsageError(
                f"{name} has no measurement: {side.label}{skipped if side.damaged else ''}.",
                hint="Make one: seaformer bench --variant t --threads 1",
            )
    split = _split(base) | _split(new)
    before, after = _rows(base, split, valid_first=True), _rows(new, split, valid_first=False)
    scores = [
        {_within(_accuracy_key(one), split): one for one in side.accuracies} for side in (base, new)
    ]
    keys = [rows.keys() | more.keys() for rows, more in zip((before, after), scores, strict=True)]
    common = sorted(keys[0] & keys[1])
    if not common:
        raise UsageError(
            f"No row is on both sides: {base.label} has {min(keys[0]).name}, "
            f"{new.label} has {min(keys[1]).name}.",
            hint="A row is the same model, size, format, precision, scope, core and device.",
        )
    limits = limits or Limits()
    return Comparison(
        base=base.label,
        new=new.label,
        rows=tuple(
            _row(key, Pair(before[key], after[key], key.method), limits, allowed)
            if key in before
            else _accuracy_row(key, scores[0][key], scores[1][key], limits, allowed)
            for key in common
        ),
        only_base=tuple(sorted(keys[0] - keys[1])),
        only_new=tuple(sorted(keys[1] - keys[0])),
        damaged=(*base.damaged, *new.damaged),
    )


def gate(comparison: Comparison, *, missing: bool = False) -> None:
    """Raise ``Regression`` (exit code 6) when anything got worse.

    With ``missing`` also when the new side lacks a row that the base has. Raises
    ``MeasurementRefused`` (5) when nothing did, but a row could not be judged: that is not a pass.
    """
    reasons = [f"{one.fact} of {row.key.name}: {one.why}" for row, one in comparison.regressions]
    if missing:
        reasons += [f"{key.name} is missing" for key in comparison.only_base]
    if reasons:
        more = f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""
        raise Regression(
            f"{comparison.new} is worse than {comparison.base}: {reasons[0]}{more}.",
            hint="What may get worse on purpose is named with --allow.",
        )
    if comparison.not_judged:
        row, fact = comparison.not_judged[0]
        why = next(one.why for one in row.of(UNKNOWN) if one.fact == fact)
        count = len(comparison.not_judged)
        more = f", and {count - 1} more" if count > 1 else ""
        raise MeasurementRefused(
            f"{fact} of {row.key.name} was not judged: {why}{more}. That is not a pass.",
            hint=f"Measure again, or accept it with --allow {fact}.",
        )


def _split(side: Side) -> set[RowKey]:
    """Keys, less the variant, of which one side has files of more than one."""
    every = [key for one in side.measurements for key in _keys(one)]
    every += map(_accuracy_key, side.accuracies)
    counts = Counter(replace(key, variant="") for key in set(every))
    return {key for key, count in counts.items() if count > 1}


def _within(key: RowKey, split: Collection[RowKey]) -> RowKey:
    """The key, with its variant only where that is needed: one file each may be compared."""
    whole = replace(key, variant="")
    return key if whole in split else whole


def _rows(side: Side, split: Collection[RowKey], *, valid_first: bool) -> dict[RowKey, Measurement]:
    """The measurement of each row; later ones replace earlier ones."""
    by_key: dict[RowKey, Measurement] = {}
    for one in sorted(side.measurements, key=lambda m: (m.created_at, m.id)):
        for key in (_within(key, split) for key in _keys(one)):
            held = by_key.get(key)
            if valid_first and held is not None and held.valid and not one.valid:
                continue
            by_key[key] = one
    return by_key


def _keys(one: Measurement) -> Sequence[RowKey]:
    on_host = one.target == HOST and one.source == MEASURED
    methods = one.methods or (one.plan.method,)
    return [
        RowKey(
            model=one.model,
            size="x".join(map(str, one.input_shape[2:])),
            format=one.format,
            precision=one.precision,
            scope=one.scope,
            method=method,
            source=one.source,
            device=HOST if on_host else _device(one),
            core=one.plan.core,
            threads=one.plan.threads,
            variant=variant(one.artifact_file, one.model, one.precision, one.scope),
        )
        for method in methods
    ]


def _device(one: Measurement) -> str:
    """The id, and the model where the id does not have it: two phones may bear one name."""
    model = "".join(c for c in one.device.model.lower() if c.isalnum())
    plain = "".join(c for c in one.device.id.lower() if c.isalnum())
    known = model.removeprefix("emulated") in plain
    return one.device.id if known else f"{one.device.id} ({one.device.model})"


def _accuracy_key(one: Accuracy) -> RowKey:
    return RowKey(
        model=one.model,
        size="x".join(map(str, one.input_shape[2:])),
        format=one.format or "eager",
        precision=one.precision,
        scope=one.scope,
        method=FORWARD,
        source=ACCURACY,
        device=f"{one.data} {one.split}, {one.mode}" + f" ({one.device})" * bool(one.device),
        core="",
        threads=1,
        variant=variant(one.artifact_file, one.model, one.precision, one.scope),
    )


def _row(key: RowKey, pair: Pair, limits: Limits, allowed: Sequence[str]) -> ComparedRow:
    findings = judge(pair, limits)
    if key.method == FORWARD and not any(one.fact in _DECIDING for one in findings):
        findings.append(_undecided(pair))
    judged = tuple(_allowed(one, allowed) for one in findings)
    return ComparedRow(key, pair.base.id, pair.new.id, judged, tuple(_differences(pair)))


def _undecided(pair: Pair) -> Finding:
    """The fact that should have decided, of a row with neither a ratio of times nor a count."""
    timed = pair.base.source == MEASURED
    has = [bool(run.samples_ns if timed else run.counts) for run in pair.runs]
    sides = [name for name, known in zip(("base", "new"), has, strict=True) if not known]
    what = "samples" if timed else "counted instructions"
    why = f"{' and '.join(sides)}: no {what}" if sides else "the base takes no time"
    return Finding("latency" if timed else "instructions", UNKNOWN, why=why)


def _accuracy_row(
    key: RowKey, base: Accuracy, new: Accuracy, limits: Limits, allowed: Sequence[str]
) -> ComparedRow:
    finding = _allowed(judge_accuracy(base, new, limits.accuracy), allowed)
    pairs = (("commit", short_commit(base.commit), short_commit(new.commit)),
             ("weights", base.weights, new.weights))  # fmt: skip
    return ComparedRow(key, base.id, new.id, (finding,), tuple(_changed(pairs)))


def _allowed(finding: Finding, allowed: Sequence[str]) -> Finding:
    """A finding that may be worse on purpose is a warning."""
    if finding.verdict in (REGRESSION, UNKNOWN) and finding.fact in allowed:
        return replace(finding, verdict=WARNING, why=f"{finding.why} (allowed)")
    return finding


def _differences(pair: Pair) -> Iterable[str]:
    """What else differs and may be the cause, before the model is."""
    one, other = pair.base, pair.new
    if one.id == other.id:
        yield "the same measurement on both sides"
    elif one.artifact_sha256 == other.artifact_sha256:
        yield "the same file"
    weights = tuple(m.facts.weights if m.facts else "" for m in (one, other))
    yield from _changed(
        (
            ("commit", short_commit(one.commit), short_commit(other.commit)),
            ("runtime", one.runtime_version, other.runtime_version),
            ("runner build", one.runner_build, other.runner_build),
            ("system", one.device.system, other.device.system),
            ("weights", weights[0], weights[1]),
        )
    )


def _changed(pairs: Iterable[tuple[str, str, str]]) -> Iterable[str]:
    for name, before, after in pairs:
        if before != after and before and after:
            yield f"{name}: {before}, now {after}"
