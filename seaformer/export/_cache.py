"""The cache of exported files: a folder per request, named by all that its file depends on.

No torch here, as long as no rule of rewriting was edited: a bench first asks whether the artifact
is there already. Of an edited family of rules only those files are made again that one of its rules
meets (``relevant_rules``), now or when the file was made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from seaformer.core import codec, files, sources
from seaformer.core.artifact import Artifact, beside, load_artifact
from seaformer.core.engine import engine_of
from seaformer.core.errors import ArtifactError, MissingExtra
from seaformer.core.precision import find_precision
from seaformer.core.registry import missing
from seaformer.core.request import ExportRequest
from seaformer.export import FORMATS
from seaformer.models._checkpoints.source import find_source

_RULES = "rules"
_FAMILIES = "rewrites"
_SOURCES = ("models", "export", "agreement", "data")


def cached_export(
    request: ExportRequest, progress: Callable[[str], None] | None = None
) -> Artifact:
    """The artifact from the cache, exported first when it is missing or damaged."""
    artifact = find_export(request)
    if artifact is not None:
        return artifact
    from seaformer.export import export_request

    artifact = export_request(request, cache_folder(request), progress)
    _remember_rules(request, artifact)
    return artifact


def find_export(request: ExportRequest) -> Artifact | None:
    """The artifact in the cache, if it is there and whole. Needs no torch.

    The file of a module is never taken: what its code depends on beside its source is unknown.
    """
    if request.module:
        return None
    for manifest in sorted(cache_folder(request).glob("*.json")):
        if beside(manifest) is not None:
            continue  # an operator map
        try:
            artifact = load_artifact(manifest)
        except ArtifactError:
            continue  # damaged: it is exported again over it
        return artifact if _has_rules_of_today(request, artifact) else None
    return None


def check_exporter(requests: Iterable[ExportRequest]) -> None:
    """Raise ``MissingExtra`` where a file is to be exported and torch is not installed."""
    if find_spec("torch") is None and any(find_export(request) is None for request in requests):
        raise missing("torch", "an export", FORMATS.extra)


def _has_rules_of_today(request: ExportRequest, artifact: Artifact) -> bool:
    """Whether every rule that meets a module of the file is as it was when the file was made."""
    try:
        before = json.loads(_rules_file(request).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    families = family_digests()
    if before.get("families") == families:
        return True
    try:
        rules = _rules(request, artifact, families)
    except MissingExtra:
        return False  # the export says what is missing
    if before.get("rules") != rules:
        return False
    _remember_rules(request, artifact)
    return True


def _remember_rules(request: ExportRequest, artifact: Artifact) -> None:
    families = family_digests()
    document = {"families": families, "rules": _rules(request, artifact, families)}
    files.write_json(_rules_file(request), document)


def _rules_file(request: ExportRequest) -> Path:
    return cache_folder(request) / _RULES


def _rules(
    request: ExportRequest, artifact: Artifact, families: Mapping[str, str]
) -> list[list[str]]:
    """The rules that meet a module of the file, in their order, each with its file's digest."""
    from seaformer.export.rewrites import relevant_rules

    engine, precision = engine_of(request.format), find_precision(request.precision)
    free = bool(request.dynamic)
    rules = relevant_rules(artifact.kinds, engine, precision, request.no_rewrite, free=free)
    return [[name, families[family]] for name, family in rules.items()]


def family_digests() -> dict[str, str]:
    """The digest of each family of rules, by its name."""
    return {path.stem: sources.sha256([path]) for path in _families()}


def _families() -> list[Path]:
    folder = Path(__file__).parent / _FAMILIES
    return [path for path in sorted(folder.glob("*.py")) if not path.name.startswith("_")]


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
            "data": _calibration_digest(request.data),
        },
        "tools": {name: _version(name) for name in engine_of(request.format).tools},
        "sources": _digest_without_rules(),
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
    return sources.sha256(_paths())


@cache
def _digest_without_rules() -> str:
    """As ``sources_digest``, without the families of rules, which are compared one by one."""
    families = set(_families())
    return sources.sha256(path for path in _paths() if path not in families)


def _paths() -> list[Path]:
    root = Path(__file__).parents[1]
    return [path for folder in _SOURCES for path in sorted((root / folder).rglob("*.py"))]


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
