"""In which order processes run: every artifact once per round, each round shuffled by the seed.

Interleaving shares drift (heat, other work on the machine) among the artifacts instead of giving
it all to the last one.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Sequence

from seaformer.core import codec
from seaformer.core.artifact import Artifact
from seaformer.core.plan import RunPlan, tail_method


def rounds(count: int, processes: int, seed: int) -> Iterator[tuple[int, ...]]:
    """``processes`` rounds over ``count`` artifacts, by index."""
    rng = random.Random(seed)
    for _ in range(processes):
        order = list(range(count))
        rng.shuffle(order)
        yield tuple(order)


def methods(plan: RunPlan, artifact: Artifact) -> list[str]:
    """The methods of an artifact that a plan measures; the whole network first, its tail last."""
    parts = artifact.components if plan.components else ()
    tails = [tail_method(plan.tail)] if plan.tail else []
    return [plan.method, *(name for name in parts if name != plan.method), *tails]


def bench_name(plan: RunPlan, artifacts: Sequence[Artifact], runner_build: str) -> str:
    """The same name for the same bench: how ``--resume`` finds it."""
    shas = [artifact.sha256 for artifact in artifacts]
    text = json.dumps([codec.to_json(plan), shas, runner_build], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
