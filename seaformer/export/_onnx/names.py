"""Which module a node of a traced graph is in, by its name."""

from __future__ import annotations

from seaformer.export._raw_input import own_path


def module_of(node_name: str) -> str:
    """``/stem/eighth/eighth.1/Add`` is in ``stem.eighth.1``: a child repeats its parent's name."""
    if not node_name.startswith("/"):
        return ""
    parts = node_name.split("/")[1:-1]  # none for /Resize, the tail of a scope
    children = [*parts, ""][1:]
    kept = [p for p, child in zip(parts, children, strict=True) if not child.startswith(f"{p}.")]
    return own_path(".".join(kept))
