"""Digests of model files: of one file, or of one together with those that hold its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from seaformer.core import files
from seaformer.core.errors import ChecksumMismatch, CorruptArtifact


def joint_sha256(path: Path, external: Sequence[str] = ()) -> str:
    """One digest of a file and those beside it that hold its weights; of one alone its own."""
    digests = [files.sha256_file(file) for file in (path, *(path.parent / e for e in external))]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def check_sha256(path: Path, expected: str, external: Sequence[str] = ()) -> None:
    """Raise ``ChecksumMismatch`` when a file is not the one a manifest describes.

    Check the ``external`` files first: then another digest is that of the file itself.
    """
    try:
        seen = joint_sha256(path, external)
    except OSError as error:
        raise CorruptArtifact(f"{path} cannot be read: {error.strerror}.") from error
    if seen != expected:
        raise ChecksumMismatch(
            f"{path} is not the file its manifest describes: "
            f"sha256 expected {expected[:16]}..., found {seen[:16]}...",
            hint="It was changed or cut short after the export; export the model again.",
        )
