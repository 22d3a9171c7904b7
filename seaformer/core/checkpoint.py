"""``LoadedCheckpoint``: what a file of weights was read as, kept in the manifest of each export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class LoadedCheckpoint:
    """What was taken from a checkpoint, and what was not.

    ``file`` is its name, ``sha256`` of one file or of all its shards. ``layout`` is whose names the
    weights have, ``entry`` where they are in the file (``state_dict``; empty: at the top), and
    ``prefix`` what was removed from the keys. ``left_out`` counts keys of the file that the network
    does not use, by their common beginning; ``zeros`` are keys that such files may lack and that
    are zero then. ``backbone`` files fill a part: ``seeded`` counts the model's keys they lack.
    """

    file: str
    sha256: str
    layout: str
    entry: str = ""
    prefix: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    zeros: tuple[str, ...] = ()
    averaged: bool = False
    backbone: bool = False
    seeded: Mapping[str, int] = field(default_factory=dict)
