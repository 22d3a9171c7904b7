"""The history that torch keeps of every node of a graph, shared by the passes that copy it.

torch 2.13: each pass puts the history of a node into that of its successor and copies it in depth,
so a lowering of sixty passes spends a third of its time on equal copies. Nothing of
it is in the file. Drop when ``torch.fx.traceback.NodeSource`` is shared by torch itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch.fx.traceback import NodeSource

_COPY = "__deepcopy__"


@contextmanager
def shared_provenance() -> Iterator[None]:
    """A deep copy of a graph refers to the same history of its nodes until the block ends."""
    before = vars(NodeSource).get(_COPY)
    setattr(NodeSource, _COPY, _itself)
    try:
        yield
    finally:
        if before is None:
            delattr(NodeSource, _COPY)
        else:
            setattr(NodeSource, _COPY, before)


def _itself(source: Any, _: dict[int, Any]) -> Any:
    return source
