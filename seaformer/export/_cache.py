"""The cache of exported files: a folder per request, named by all that its file depends on.

No torch here: a bench first asks whether the artifact is there already.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path

from seaformer.core import codec, files, sources
from seaformer.core.artifact import Artifact, load_artifact
from seaformer.core.engine import engine_of
from seaformer.core.errors import ArtifactError
from seaformer.core.request import ExportRequest
from seaformer.models._checkpoints.source import find_source

_SOURCES = ("models", "export", "agreement", "data")


def cached_export(
    request: ExportRequest, progress: Callable[[str], None] | None = None
) -> Artifact:
    """The artifact from the cache, exported first when it is missing or damaged."""
    artifact = find_export(request)
    if artifact is not None:
        return artifact
    from seaformer.export import export_request

    return export_request(request, cache_folder(request), progress)


def find_export(request: ExportRequest) -> Artifact | None:
    """The artifact in the cache, if it is there and whole. Needs no torch.

    The file of a module is never taken: what its code depends on beside its source is unknown.
    """
    if request.module:
        return None
    for manifest in sorted(cache_folder(request).glob("*.json")):
        try:
            return load_artifact(manifest)
        except ArtifactError:
            continue  # damaged: it is exported again over it
    return None


def cache_folder(request: ExportRequest) -> Path:
    """Where the cache keeps the file of a request."""
    return files.cache_dir() / "artifacts" / cache_key(request)


def cache_key(request: ExportRequest) -> str:
    """A digest of everything the file's content depends on."""
    parts = {
        "request": codec.to_json(request)
        | {
            "checkpoint": _checkpoint_digest(request.checkpoint),
            "backbone": _checkpoint_digest(request.backbone),
            "calibration": _calibration_digest(request.calibration),
        },
        "tools": {name: _version(name) for name in engine_of(request.format).tools},
        "sources": sources_digest(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _checkpoint_digest(checkpoint: str | None) -> str:
    return "" if checkpoint is None else find_source(checkpoint).digest()


def _calibration_digest(folder: str | None) -> str:
    if folder is None:
        return ""
    from seaformer.export.quantize import calibration_digest

    return calibration_digest(folder)


@cache
def sources_digest() -> str:
    """Digest of the code that makes a file: models, export, agreement, data."""
    root = Path(__file__).parents[1]
    return sources.sha256(
        path for folder in _SOURCES for path in sorted((root / folder).rglob("*.py"))
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
