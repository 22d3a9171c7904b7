"""Counts the index of all models, ``core/zoo.json``; ``python -m`` this file writes it.

A model's parameters and MACs are properties of its source, so they are counted once
(``_complexity.py``) and kept with a digest of the sources they were counted from. With names of
families only those are counted anew, and the rows of the others are kept: for a change that
cannot alter them.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path

from seaformer.core import codec, files, sources
from seaformer.core.errors import CorruptArtifact
from seaformer.core.zoo import INDEX, Zoo, read

_FOLDER = Path(__file__).parent
_NO_NUMBERS = (  # nothing is counted here
    "__init__.py",
    "_names.py",
    "_fields.py",
    "_zoo.py",
    "_eager.py",
    "_seeding.py",
    "_paddlevit.py",
    "_segformer_layouts.py",
    "_setr_layouts.py",
)


def sources_sha256() -> str:
    """Digest of the code the numbers follow from."""
    return sources.sha256(
        path for path in sorted(_FOLDER.glob("*.py")) if path.name not in _NO_NUMBERS
    )


def is_stale() -> bool:
    """Whether a model source changed since the index was written."""
    try:
        return read().sources_sha256 != sources_sha256()
    except CorruptArtifact:
        return True


def family_names() -> list[str]:
    """The model families in the order of the index: SeaFormer's own before its rivals."""
    from seaformer.models import FAMILIES

    return sorted(FAMILIES.names(), key=lambda name: not name.startswith("seaformer"))


def count(families: Collection[str] = ()) -> Zoo:
    """Count the models of ``families`` anew, or of all. Imports torch and fvcore.

    Raises ``UnknownName`` for a family that does not exist.
    """
    from seaformer.models import FAMILIES, _complexity

    kept = {row.spec.name: row for row in read().models} if families else {}
    for name in families:
        FAMILIES.load(name)
    modules = {name: FAMILIES.load(name) for name in family_names()}
    counted = [
        _complexity.entry(module, spec)
        if not families or name in families or spec.name not in kept
        else kept[spec.name]
        for name, module in modules.items()
        for spec in module.specs()
    ]
    return Zoo(sources_sha256=sources_sha256(), models=tuple(counted))


if __name__ == "__main__":
    files.write_json(INDEX, codec.to_json(count(sys.argv[1:])))
