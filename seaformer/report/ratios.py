"""Sentences about measurements that differ in one thing alone: the engine, or the precision.

seaformer_t.ade20k 512x512 fp32: executorch is 1.18x slower than onnxruntime (95 % interval
1.16–1.19).
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from seaformer.core.measurement import MEASURED, Measurement
from seaformer.core.ratio import ratio_of_medians

_METHOD = "forward"
_FEW = 1.02  # ratios below get a digit more
Samples = Sequence[Sequence[int]]


def ratio_sentences(measurements: Iterable[Measurement]) -> list[str]:
    """One sentence for each measurement that is slower than the fastest like it.

    Measurements are alike that were made on one device, with one plan, of one model, size and
    scope, and differ in engine or precision alone.
    """
    timed = [one for one in measurements if one.source == MEASURED and _METHOD in one.methods]
    sentences = []
    for varies, fixed in (("runtime", "precision"), ("precision", "runtime")):
        groups: dict[str, dict[str, Measurement]] = {}
        for one in timed:
            size = "x".join(map(str, one.input_shape[2:]))
            what = f"{one.model} {size} {getattr(one, fixed)}"
            place = f"{one.scope} {one.device.id} {one.plan}"
            groups.setdefault(f"{what}\0{place}", {})[getattr(one, varies)] = one
        for key, group in groups.items():
            what = key.partition("\0")[0]
            sentences += [f"{what}: {each}" for each in _compared(group)]
    return sentences


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
