"""What the files of a checkpoint hold, or the error with what they are instead."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from pathlib import Path

from seaformer.core.errors import MissingExtra, WeightsMismatch
from seaformer.core.registry import missing
from seaformer.models._checkpoints import kinds
from seaformer.models._checkpoints.source import Source
from seaformer.models._checkpoints.unpickling import CodeInFileError, read_pickled

_AGAIN = "Download it again, or copy it again from where it was trained."


def read_content(source: Source) -> object:
    """The object in a file; the tensors by name of several shards.

    Raises ``WeightsMismatch`` for a file that is empty, cut short, holds code, or is something
    else, and names it.
    """
    contents = [_read(path) for path in source.files]
    if len(contents) == 1:
        return contents[0]
    merged: dict[object, object] = {}
    for path, content in zip(source.files, contents, strict=True):
        if not isinstance(content, dict):
            message = f"{path.name} is not a shard: expected a dict of tensors."
            raise WeightsMismatch(message, hint=_AGAIN)
        merged |= content
    return merged


def _read(path: Path) -> object:
    try:
        if path.stat().st_size == 0:
            raise WeightsMismatch(f"{path.name} is empty.", hint=_AGAIN)
        kind = kinds.foreign_kind(path)
        if kind is not None:
            raise WeightsMismatch(f"{path.name} is {kind.what}, not a checkpoint.", hint=kind.hint)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old pickle protocols
            return _read_safetensors(path) if kinds.is_safetensors(path) else read_pickled(path)
    except PermissionError as error:
        raise WeightsMismatch(f"{path} cannot be read: {error.strerror}.") from error
    except (WeightsMismatch, MissingExtra):
        raise
    except CodeInFileError as error:
        raise WeightsMismatch(
            f"{path.name} holds more than tensors ({error.name}), and code from a file is never "
            "run.",
            hint="Save it again as torch.save(model.state_dict(), ...).",
        ) from error
    except Exception as error:  # a damaged pickle raises anything, from KeyError to EOFError
        raise _unreadable(path, error) from error


def _read_safetensors(path: Path) -> object:
    try:
        from safetensors.torch import load_file
    except ModuleNotFoundError as error:
        raise missing("safetensors", "a .safetensors checkpoint", "") from error
    return load_file(path)


def _unreadable(path: Path, error: Exception) -> WeightsMismatch:
    head = kinds.head_of(path)
    if head.startswith(kinds.ZIP) and (not zipfile.is_zipfile(path) or isinstance(error, OSError)):
        return WeightsMismatch(f"{path.name} is cut short: its end is missing.", hint=_AGAIN)
    kind = kinds.text_kind(path)
    if kind is not None:
        return WeightsMismatch(f"{path.name} is {kind.what}, not a checkpoint.", hint=kind.hint)
    truncated = isinstance(error, EOFError) or "truncated" in str(error)
    if head[:1] == kinds.PICKLE and isinstance(error, (EOFError, pickle.UnpicklingError)):
        what = "cut short" if truncated else "damaged"
        return WeightsMismatch(f"{path.name} is {what}, not a checkpoint that loads.", hint=_AGAIN)
    return WeightsMismatch(
        f"{path.name} is damaged, or not a checkpoint that torch reads.", hint=_AGAIN
    )
