"""Which files a checkpoint is: one file, a Hugging Face folder, an index, or shards. No torch."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from seaformer.core import files
from seaformer.core.errors import WeightsMismatch
from seaformer.core.files import expanded
from seaformer.models.trained import trained_weights

INDEX = ".index.json"
_IN_FOLDERS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".pdparams")
_SHARD = re.compile(r"(.+-)(\d{5})(-of-)(\d{5})(\.\w+)")


@dataclass(frozen=True)
class Source:
    """A checkpoint as it was named, and the files that hold its weights."""

    path: Path
    files: tuple[Path, ...]

    @property
    def name(self) -> str:
        return self.path.name or str(self.path)

    def digest(self) -> str:
        """The SHA-256 of the file; of the names and digests of several."""
        digests = {path.name: files.sha256_file(path) for path in self.files}
        if len(digests) == 1:
            return next(iter(digests.values()))
        lines = "".join(f"{name} {digest}\n" for name, digest in digests.items())
        return hashlib.sha256(lines.encode()).hexdigest()


def find_source(path: Path | str) -> Source:
    """The files behind a path, or behind a name of ``models/trained``; ``~`` is expanded.

    Raises ``WeightsMismatch`` when there are none, naming the shards that are missing, and
    ``UsageError`` for the home folder of an unknown user.
    """
    name, path = str(path), expanded(path)
    if path.is_dir():
        return Source(path.resolve(), _resolved(_in_folder(path)))
    if not path.exists() and name in trained_weights():
        path = trained_weights()[name].path
    if not path.exists():
        raise WeightsMismatch(
            f"The checkpoint {path} does not exist.",
            hint="Name a .pth file, a folder, or weights that come with seaformer: "
            f"{', '.join(trained_weights())}.",
        )
    if not path.is_file():
        raise WeightsMismatch(f"{path} is not a regular file.", hint="Name a .pth file.")
    return Source(path, _resolved(path))


def _in_folder(folder: Path) -> Path:
    named = [folder / name for name in _IN_FOLDERS if (folder / name).is_file()]
    others = [path for path in sorted(folder.iterdir()) if path.suffix in _SUFFIXES]
    whole = [path for path in others if not _SHARD.fullmatch(path.name)]
    if named or len(whole) == 1:
        return (named or whole)[0]
    if not whole and others:
        return others[0]  # shards without their index
    if not whole:
        raise WeightsMismatch(
            f"{folder} is a folder without weights: expected {_IN_FOLDERS[0]}, {_IN_FOLDERS[2]} "
            "or an index of shards.",
            hint="Name the checkpoint itself.",
        )
    names = ", ".join(path.name for path in whole[:4])
    raise WeightsMismatch(
        f"{folder} is a folder with {len(whole)} checkpoints ({names}).", hint="Name one of them."
    )


def _resolved(path: Path) -> tuple[Path, ...]:
    """The file itself, or all shards of an index or beside a shard."""
    if path.name.endswith(INDEX):
        return _shards(path, _names_in(path), f"{path.name} names")
    shard = _SHARD.fullmatch(path.name)
    if shard is None:
        return (path,)
    base, number, of, count, suffix = shard.groups()
    names = [f"{base}{i:05d}{of}{count}{suffix}" for i in range(1, min(int(count), 9999) + 1)]
    what = f"{path.name} is shard {int(number)} of {int(count)}; it needs"
    return _shards(path, names, what) or (path,)


def _shards(path: Path, names: list[str], what: str) -> tuple[Path, ...]:
    missing = [name for name in names if not path.with_name(name).is_file()]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise WeightsMismatch(
            f"{what} {missing[0]}{more}, which is missing in {path.parent}.",
            hint="Download all shards into one folder.",
        )
    return tuple(path.with_name(name) for name in names)


def _names_in(index: Path) -> list[str]:
    """The shards an index names; they are beside it."""
    try:
        weight_map = json.loads(files.read_bytes(index))["weight_map"]
        names = sorted(set(weight_map.values()))
        safe = names and all(name == Path(name).name and name not in (".", "..") for name in names)
    except (ValueError, KeyError, TypeError, AttributeError):
        safe = False
    if not safe:
        raise WeightsMismatch(
            f"{index.name} is not an index of shards: expected file names under weight_map.",
            hint="Download it again.",
        )
    return names
