"""What a file is that is not a checkpoint, by its first bytes or the names in its archive.

No torch, and nothing is unpacked.
"""

from __future__ import annotations

import codecs
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
_ONNX = Kind("an ONNX model", _STATE_DICT)
_PICTURE = Kind("a picture", "Name the checkpoint itself.")
_PROGRAM = Kind("a program", "Name the checkpoint itself.")
_DOCUMENT = Kind("a document", "Name the checkpoint itself.")
_TENSORFLOW = Kind("a part of TensorFlow's weights", _STATE_DICT)
_PADDLE_PROGRAM = Kind(
    "a part of a Paddle inference program", "Name its .pdparams file, from paddle.save."
)
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
    b"PK\x05\x06": Kind("an empty archive", "Download it again."),
    b"\x89PNG": _PICTURE,
    b"\xff\xd8\xff": _PICTURE,
    b"\x7fELF": _PROGRAM,
    b"MZ": _PROGRAM,
    b"%PDF": _DOCUMENT,
    b"SQLite format 3": Kind("an SQLite database", "Name the checkpoint itself."),
}
_SUFFIXES = {  # formats without a magic number
    ".onnx": _ONNX,
    ".pdiparams": _PADDLE_PROGRAM,
    ".pdmodel": _PADDLE_PROGRAM,
    ".index": _TENSORFLOW,
    ".pb": Kind("a TensorFlow graph", _STATE_DICT),
    ".msgpack": Kind("weights of Flax", _STATE_DICT),
    ".mlmodel": _CORE_ML,
}
# A protocol buffer whose first field is 3 to 15, ONNX's version, and then a field of its own.
_ONNX_START = re.compile(rb"\x08[\x03-\x0f][\x12\x1a\x22\x3a\x42]")
_TENSORFLOW_PART = re.compile(r".*\.data-\d{5}-of-\d{5}")
_HTML = re.compile(r"(<!--.*?-->|<\?xml[^>]*>|\s)*<(!doctype html|html|head|body)", re.I | re.S)
_FLATBUFFERS = {
    b"TFL3": Kind("a TensorFlow Lite model", _STATE_DICT),
    b"ET12": Kind("an ExecuTorch program", _STATE_DICT),
}
_IN_ZIP = {  # a name that such an archive holds, below its top folder or at the top
    r"(.*/)?constants\.pkl": _TORCHSCRIPT,
    r"(.*/)?(archive_format|serialized_exported_program\.json)": _EXPORTED,
    r"[^/]*\.npy": _ARRAYS,
    r".*\.mlmodel": _CORE_ML,
    r"(word|xl|ppt)/.*": _DOCUMENT,
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
    if _HTML.match(_text_of(head) or ""):
        return _PAGE
    if head.startswith(ZIP):
        return _kind_of_zip(path)
    if head[257:262] == b"ustar":
        return _PACKED
    if _ONNX_START.match(head):
        return _ONNX
    return _TENSORFLOW if _TENSORFLOW_PART.fullmatch(path.name) else _SUFFIXES.get(path.suffix)


def text_kind(path: Path) -> Kind | None:
    """Plain text, asked of a file that could not be read."""
    text = (_text_of(head_of(path)) or "").strip()
    if not text or not all(sign.isprintable() or sign.isspace() for sign in text):
        return None
    return _JSON if text[0] in "{[" else _TEXT


def _text_of(head: bytes) -> str | None:
    """The beginning of a text, whose last letter may be cut in two."""
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return None


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
