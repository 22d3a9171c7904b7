"""What a file is that is not a checkpoint, by its first bytes or the names in its archive.

No torch, and nothing is unpacked.
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

_HEAD = 512
ZIP, PICKLE = b"PK\x03\x04", b"\x80"
# What torch writes first in the format before 1.6: its magic number, pickled.
TORCH_BEFORE_1_6 = bytes.fromhex("8a0a6cfc9c46f9206aa85019")


@dataclass(frozen=True)
class Kind:
    """What a file is, and what to do instead."""

    what: str
    hint: str


_STATE_DICT = "Save its weights: torch.save(model.state_dict(), ...)."
_TORCHSCRIPT = Kind(
    "a TorchScript program",
    "Load it with torch.jit.load, and save its weights: torch.save(program.state_dict(), ...).",
)
_EXPORTED = Kind(
    "an exported program (torch.export)",
    "Load it with torch.export.load, and save its weights: torch.save(program.state_dict, ...).",
)
_PACKED = Kind("a packed archive", "Unpack it, and name the checkpoint in it.")
_ARRAYS = Kind("an archive of NumPy arrays", _STATE_DICT)
_CORE_ML = Kind("a Core ML model", _STATE_DICT)
_POINTER = Kind("a Git LFS pointer: the weights were not downloaded", "Run git lfs pull there.")
_PAGE = Kind("a web page (HTML)", "The link led to a page: download the file itself.")
_JSON = Kind("JSON text", "Name the file of weights; an index of shards ends with .index.json.")
_TEXT = Kind("a text file", "Download it again, or name the checkpoint itself.")
_STARTS = {
    b"version https://git-lfs": _POINTER,
    b"\x89HDF": Kind("an HDF5 file (Keras)", _STATE_DICT),
    b"GGUF": Kind("a GGUF file", _STATE_DICT),
    b"\x1f\x8b": _PACKED,
    b"7z\xbc\xaf": _PACKED,
    b"Rar!": _PACKED,
    b"\xfd7zXZ": _PACKED,
    b"BZh": _PACKED,
    b"\x28\xb5\x2f\xfd": _PACKED,
}
_FLATBUFFERS = {
    b"TFL3": Kind("a TensorFlow Lite model", _STATE_DICT),
    b"ET12": Kind("an ExecuTorch program", _STATE_DICT),
}
_IN_ZIP = {  # a name that such an archive holds, below its top folder or at the top
    r"(.*/)?constants\.pkl": _TORCHSCRIPT,
    r"(.*/)?(archive_format|serialized_exported_program\.json)": _EXPORTED,
    r"[^/]*\.npy": _ARRAYS,
    r".*\.mlmodel": _CORE_ML,
    r".*\.(pth|pt|bin|ckpt|safetensors|pdparams)": _PACKED,
}


def head_of(path: Path) -> bytes:
    with path.open("rb") as handle:
        return handle.read(_HEAD)


def is_safetensors(path: Path) -> bool:
    """By its suffix, or by a header's length and an opening brace."""
    head = head_of(path)
    return path.suffix == ".safetensors" or (len(head) > 9 and head[5:9] == b"\0\0\0{")


def foreign_kind(path: Path) -> Kind | None:
    """What a file is that torch should not be given; ``None`` for a possible checkpoint."""
    head = head_of(path)
    start = next((kind for magic, kind in _STARTS.items() if head.startswith(magic)), None)
    if start or head[4:8] in _FLATBUFFERS:
        return start or _FLATBUFFERS[head[4:8]]
    if re.match(rb"\s*<(!doctype html|html)", head, re.IGNORECASE):
        return _PAGE
    if head.startswith(ZIP):
        return _kind_of_zip(path)
    if path.suffix == ".onnx":
        return Kind("an ONNX model", _STATE_DICT)
    return None


def text_kind(path: Path) -> Kind | None:
    """Plain text, asked of a file that could not be read."""
    try:
        text = head_of(path).decode("ascii").strip()
    except UnicodeDecodeError:
        return None
    if not text or not all(sign.isprintable() or sign.isspace() for sign in text):
        return None
    return _JSON if text[0] in "{[" else _TEXT


def _kind_of_zip(path: Path) -> Kind | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return None  # cut short: reported when it is read
    for pattern, kind in _IN_ZIP.items():
        if any(re.fullmatch(pattern, name) for name in names):
            return kind
    return None
