"""``ExportRequest``: what makes one exported file different from another, and the cache of them.

No torch here: a bench first asks whether the artifact is there already.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from seaformer.core import codec, files, sources
from seaformer.core.artifact import SCOPES, SCOPES_OF, Artifact, load_artifact
from seaformer.core.engine import DEFAULT_FORMAT, engine_of, engines
from seaformer.core.errors import ArtifactError, UsageError, WeightsMismatch
from seaformer.core.precision import BASE
from seaformer.core.registry import unknown
from seaformer.core.spec import ModelSpec

_SOURCES = ("models", "export", "agreement")


@dataclass(frozen=True)
class ExportRequest:
    """One file to be exported; the fields are ``export_model``'s arguments."""

    model: str
    format: str = DEFAULT_FORMAT
    precision: str = BASE.name
    size: tuple[int, int] | None = None
    scope: str = "logits"
    components: bool = False
    checkpoint: str | None = None
    classes: int | None = None
    seed: int = 0

    def export(self, out: Path, progress: Callable[[str], None] | None = None) -> Artifact:
        """Export now, into ``out``. Imports torch."""
        from seaformer.export import export_model

        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return export_model(fields.pop("model"), **fields, out=out, progress=progress)

    def cached(self, progress: Callable[[str], None] | None = None) -> Artifact:
        """The artifact from the cache, exported first when it is not there or is damaged."""
        return self.find() or self.export(self.folder(), progress)

    def find(self) -> Artifact | None:
        """The artifact in the cache, if it is there and whole. Needs no torch."""
        return _load(self.folder())

    def folder(self) -> Path:
        """Where the cache keeps it."""
        return files.cache_dir() / "artifacts" / self.key()

    def key(self) -> str:
        """A digest of everything the file's content depends on."""
        parts = {
            "request": codec.to_json(self) | {"checkpoint": _checkpoint_digest(self.checkpoint)},
            "tools": {name: _version(name) for name in engine_of(self.format).tools},
            "sources": sources_digest(),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def check_scope(spec: ModelSpec, scope: str) -> None:
    """Raise ``UnknownName`` for no scope, ``UsageError`` for one that the task does not have."""
    if scope not in SCOPES:
        raise unknown("scope", scope, SCOPES)
    *others, last = SCOPES_OF[spec.task]
    if scope not in (*others, last):
        tasks = " and ".join(task for task, scopes in SCOPES_OF.items() if scope in scopes)
        raise UsageError(
            f"{spec.name} is for {spec.task}: its scope is {', '.join(others)} or {last}, "
            f"not {scope}.",
            hint=f"The scope {scope} is for {tasks}.",
        )


def check_components(scope: str, format: str) -> None:
    """Raise ``UsageError`` where there are no components to be had."""
    if scope != "logits":
        raise UsageError(
            f"--components and --scope {scope} do not go together: the tail is no component.",
            hint="Leave --scope away: the components end with the logits.",
        )
    if not engine_of(format).components:
        able = [row.format for row in engines() if row.components]
        raise UsageError(
            f"--components is not supported for {format}.", hint=f"Use --format {','.join(able)}"
        )


def _load(folder: Path) -> Artifact | None:
    for manifest in sorted(folder.glob("*.json")):
        try:
            return load_artifact(manifest)
        except ArtifactError:
            continue  # damaged: it is exported again over it
    return None


def _checkpoint_digest(checkpoint: str | None) -> str:
    if checkpoint is None:
        return ""
    path = Path(checkpoint).expanduser()
    if not path.is_file():
        raise WeightsMismatch(f"The checkpoint {path} does not exist.")
    return files.sha256_file(path)


@cache
def sources_digest() -> str:
    """Digest of the code that makes a file: models, export, agreement."""
    root = Path(__file__).parents[1]
    return sources.sha256(
        path for folder in _SOURCES for path in sorted((root / folder).rglob("*.py"))
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
