"""Sentences that compare measurements: which engine and precision is the fastest, by how much; rows
that differ in one thing alone; a tail and its network.

seaformer_t.ade20k 512x512 fp32: executorch is 1.18x slower than onnxruntime (95 % interval
1.16–1.19).
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from seaformer.core.counts import typical
from seaformer.core.measurement import EMULATED, MEASURED, Measurement, MethodRun
from seaformer.core.plan import is_tail
from seaformer.core.ratio import ratio_of_medians

_METHOD = "forward"
_FEW = 1.02  # ratios below get a digit more
Samples = Sequence[Sequence[int]]


def ratio_sentences(measurements: Iterable[Measurement]) -> list[str]:
    """One sentence for each measurement that is slower than the fastest like it.

    Measurements are alike that were made on one device, with one plan, of one model, size and
    scope, and differ in engine or precision alone.
    """
    timed = [one for one in measurements if one.source == MEASURED and _has_figure(one)]
    sentences = []
    for varies, fixed in (("runtime", "precision"), ("precision", "runtime")):
        groups: dict[str, list[tuple[str, Measurement]]] = {}
        for one in timed:
            size = "x".join(map(str, one.input_shape[2:]))
            what = f"{one.model} {size} {getattr(one, fixed)}"
            place = f"{one.scope} {one.device.id} {one.plan}"
            groups.setdefault(f"{what}\0{place}", []).append((getattr(one, varies), one))
        for key, group in groups.items():
            if len({name for name, _ in group}) < 2:
                continue
            what = key.partition("\0")[0]
            sentences += [f"{what}: {each}" for each in _compared(_named(group))]
    return sentences


def sentences(measurements: Sequence[Measurement]) -> list[str]:
    """Every sentence below the rows of a bench, no figure in two of them.

    Of two rows that a ratio compares it is known from there which is the fastest.
    """
    compared = fastest_sentences(measurements, of_pairs=False)
    return [*ratio_sentences(measurements), *tail_sentences(measurements), *compared]


def fastest_sentences(measurements: Iterable[Measurement], *, of_pairs: bool = True) -> list[str]:
    """Which engine and precision is the fastest for each model, by how much, and if it is certain.

    Without ``of_pairs`` where more than two are compared, or ``ratio_sentences`` has none.

    Of measurements on one device with one plan, where at least two files of a model differ in
    engine or precision. On an emulated core the fewest instructions decide, which have no noise.
    """
    groups: dict[tuple[str, ...], list[tuple[str, Measurement]]] = {}
    for one in measurements:
        size = "x".join(map(str, one.input_shape[2:]))
        key = (f"{one.model} {size}", one.scope, one.device.id, str(one.plan))
        groups.setdefault(key, []).append((f"{one.runtime} {one.precision}", one))
    return [
        f"{key[0]}: {_fastest(_named(group))}"
        for key, group in groups.items()
        if len({name for name, _ in group}) > 1
        and (of_pairs or not _has_one_ratio([one for _, one in group]))
    ]


def _has_one_ratio(group: Sequence[Measurement]) -> bool:
    """Whether two measurements are all, and ``ratio_sentences`` compares them."""
    return len(group) == 2 and bool(ratio_sentences(group))


def _has_figure(one: Measurement) -> bool:
    run = one.methods.get(_METHOD)
    return run is not None and bool(run.samples_ns or run.counts)


def _named(group: Sequence[tuple[str, Measurement]]) -> dict[str, Measurement]:
    """By name, and where several have one name by their files too: other rules, other ranges."""
    names = Counter(name for name, _ in {(name, one.artifact_file) for name, one in group})
    return {
        f"{name} ({one.artifact_file})" if names[name] > 1 else name: one for name, one in group
    }


def _fastest(group: Mapping[str, Measurement]) -> str:
    valid = {name: one for name, one in group.items() if one.valid and _has_figure(one)}
    out = [name for name in group if name not in valid]
    without = f" Not valid, so left out: {', '.join(out)}." if out else ""
    runs = {name: one.methods[_METHOD] for name, one in valid.items()}
    if len(runs) < len(("first", "second")):
        only = f"only {next(iter(runs))} is valid" if runs else "none is valid"
        return f"the fastest engine is not known, because {only}."
    emulated = any(one.source == EMULATED for one in valid.values())
    return (_fewest(runs) if emulated else _quickest(runs)) + without


def _fewest(runs: Mapping[str, MethodRun]) -> str:
    executed = {
        name: counts.instructions for name in runs if (counts := typical(runs[name].counts))
    }
    if len(executed) < len(runs):
        return "no engine is compared, because instructions were not counted."
    first, second = sorted(executed, key=lambda name: executed[name])[:2]
    ratio = executed[second] / executed[first]
    return (
        f"{first} executes the fewest instructions, {executed[first] / 1e6:.2f} M; "
        f"{second}, the next, {_times(ratio)} as many."
    )


def _quickest(runs: Mapping[str, MethodRun]) -> str:
    samples = {name: run.by_process() for name, run in runs.items()}
    first, second = sorted(samples, key=lambda name: _median(samples[name]))[:2]
    ratio = ratio_of_medians(samples[first], samples[second])
    if ratio is None:
        return f"{first} and {second} are not compared, because {first} takes no time."
    interval = f"95 % interval {_times(ratio.low)}–{_times(ratio.high)}"
    if ratio.excludes_one:
        return (
            f"{first} is the fastest; {second}, the next, takes {_times(ratio.value)} ({interval})."
        )
    return (
        f"{first} and {second} are the fastest, and their difference is within noise "
        f"({second} takes {_times(ratio.value)}, {interval})."
    )


def _times(ratio: float) -> str:
    return f"{ratio:.2f}x" if abs(ratio - 1) >= _FEW - 1 else f"{ratio:.3f}x"


def tail_sentences(measurements: Iterable[Measurement]) -> list[str]:
    """What share of its network each tail is, of time or, on an emulated core, of instructions."""
    sentences = []
    for one in measurements:
        network = one.methods.get(_METHOD)
        for name, run in one.methods.items():
            if network is not None and is_tail(name) and one.valid:
                size = "x".join(map(str, one.input_shape[2:]))
                what = f"{one.model} {size} {one.precision} {one.runtime}"
                sentences += [f"{what}: {each}" for each in _share(run, network)]
    return sentences


def _share(tail: MethodRun, network: MethodRun) -> Iterator[str]:
    counts, of = typical(tail.counts), typical(network.counts)
    if counts and of:
        share = 100 * counts.instructions / of.instructions
        yield f"upsampling and argmax execute {share:.1f} % of the network's instructions."
    elif ratio := ratio_of_medians(network.by_process(), tail.by_process()):
        interval = f"95 % interval {100 * ratio.low:.1f}–{100 * ratio.high:.1f}"
        share = 100 * ratio.value
        yield f"upsampling and argmax take {share:.1f} % of the network's time ({interval})."


def _compared(group: Mapping[str, Measurement]) -> list[str]:
    """Each measurement against the fastest; ``group`` holds them by what they differ in."""
    if len(group) < 2:
        return []
    invalid = [name for name, one in group.items() if not one.valid]
    if invalid:
        verb = "is" if len(invalid) == 1 else "are"
        return [f"not compared, because {' and '.join(invalid)} {verb} not valid."]
    samples = {name: one.methods[_METHOD].by_process() for name, one in group.items()}
    fastest = min(samples, key=lambda name: _median(samples[name]))
    return [
        _sentence(name, fastest, samples[name], samples[fastest])
        for name in samples
        if name != fastest
    ]


def _median(samples: Samples) -> float:
    return statistics.median(statistics.median(each) for each in samples if each)


def _sentence(name: str, fastest: str, samples: Samples, base: Samples) -> str:
    ratio = ratio_of_medians(base, samples)
    if ratio is None:
        return f"{name} and {fastest} are not compared, because {fastest} takes no time."
    digits = 2 if ratio.value >= _FEW else 3
    interval = f"95 % interval {ratio.low:.{digits}f}–{ratio.high:.{digits}f}"
    if ratio.excludes_one:
        return f"{name} is {ratio.value:.{digits}f}x slower than {fastest} ({interval})."
    return f"{name} and {fastest} do not differ (ratio {ratio.value:.{digits}f}, {interval})."
