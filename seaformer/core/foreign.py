"""``Foreign``: what an ``Artifact`` has in addition without a manifest, or at another size."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Foreign:
    """How a file without a manifest is run, and what judges its output.

    ``shapes`` are the sizes of its inputs where it leaves some free, else nothing; ``external``
    the files that hold its weights, in or below its folder. ``fed`` names the input,
    ``judged_by`` what gave the expected output; ``unchecked`` is why there is none. ``described``:
    the file has a manifest, and is run at another size than the exported one.
    """

    shapes: tuple[tuple[int, ...], ...] = ()
    external: tuple[str, ...] = ()
    fed: str = ""
    judged_by: str = ""
    unchecked: str = ""
    described: bool = False
