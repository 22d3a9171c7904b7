"""In which order processes run: every artifact once per round, each round shuffled by the seed.

Interleaving shares drift (heat, other work on the machine) among the artifacts instead of giving
it all to the last one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator


def rounds(count: int, processes: int, seed: int) -> Iterator[tuple[int, ...]]:
    """``processes`` rounds over ``count`` artifacts, by index."""
    rng = random.Random(seed)
    for _ in range(processes):
        order = list(range(count))
        rng.shuffle(order)
        yield tuple(order)
