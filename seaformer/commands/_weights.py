"""Whether files that options name exist: asked before torch is imported, which takes seconds."""

from __future__ import annotations

from seaformer.core.errors import UsageError


def check_weights(*named: str) -> None:
    """Raise ``WeightsMismatch`` for a checkpoint that does not exist; empty ones are none."""
    from seaformer.models._checkpoints.source import find_source

    for path in named:
        if path:
            find_source(path)


def check_folder(option: str, named: str) -> None:
    """Raise ``UsageError`` unless the option names a folder, or nothing."""
    from seaformer.core.files import expanded

    path = expanded(named) if named else None
    if path is not None and not path.is_dir():
        what = "is not a folder" if path.exists() else "does not exist"
        raise UsageError(f"{option} {named} {what}.")
