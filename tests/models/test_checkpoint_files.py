"""Which file a checkpoint is, what a file that is none is, and that nothing in it runs."""

from __future__ import annotations

import collections
import contextlib
import functools
import json
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seaformer.core.errors import WeightsMismatch
from seaformer.models import create_model
from tests import requirements
from tests.models.checkpoints import State, assert_loads, official, refusal, save


@pytest.fixture(scope="module")
def tiny() -> State:
    return official("seaformer_t.ade20k")


# Folders, indexes and shards ---------------------------------------------------------------------


def write_shards(folder: Path, state: State) -> list[Path]:
    """Two shards and their index, as ``save_pretrained`` of Hugging Face writes them."""
    safetensors = requirements.module("safetensors.torch", requirements.ZOO)
    keys = list(state)
    parts = {1: keys[: len(keys) // 2], 2: keys[len(keys) // 2 :]}
    weight_map: dict[str, str] = {}
    for number, names in parts.items():
        name = f"model-{number:05d}-of-00002.safetensors"
        safetensors.save_file({key: state[key] for key in names}, folder / name)
        weight_map |= dict.fromkeys(names, name)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))
    return [folder / name for name in sorted(set(weight_map.values()))]


def test_a_folder_its_index_and_one_of_its_shards_all_load(tmp_path: Path, tiny: State) -> None:
    shards = write_shards(tmp_path, tiny)
    for path in (tmp_path, tmp_path / "model.safetensors.index.json", shards[1]):
        assert_loads(path)


def test_a_missing_shard_is_named(tmp_path: Path, tiny: State) -> None:
    first, second = write_shards(tmp_path, tiny)
    second.unlink()
    for path in (tmp_path, first):
        assert f"{second.name}, which is missing" in refusal(path)
    assert f"{first.name} is shard 1 of 2" in refusal(first)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "best.ckpt"])
def test_a_folder_with_one_checkpoint_loads(tmp_path: Path, tiny: State, name: str) -> None:
    if name.endswith(".safetensors"):
        safetensors = requirements.module("safetensors.torch", requirements.ZOO)
        safetensors.save_file(tiny, tmp_path / name)
    else:
        torch.save(tiny, tmp_path / name)
    (tmp_path / "config.json").write_text("{}")
    assert_loads(tmp_path)


def test_a_folder_with_several_checkpoints_names_them(tmp_path: Path) -> None:
    for name in ("a.pth", "b.pth"):
        save(tmp_path, {}, name)
    assert "2 checkpoints (a.pth, b.pth)" in refusal(tmp_path)


@pytest.mark.parametrize("names", [{"a": "../w.pth"}, {"a": "/etc/passwd"}, {"a": 3}, {}, []])
def test_an_index_names_files_beside_it_or_is_refused(tmp_path: Path, names: object) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": names}))
    assert "is not an index of shards" in refusal(index)


# What is not a checkpoint ------------------------------------------------------------------------


def torchscript(path: Path) -> None:
    torch.jit.trace(torch.nn.Linear(3, 4), torch.ones(1, 3)).save(str(path))  # type: ignore[no-untyped-call]


def exported(path: Path) -> None:
    torch.export.save(torch.export.export(torch.nn.Linear(3, 4), (torch.ones(1, 3),)), path)


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights/best.pth", b"x")


def tarred(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.add(__file__, "w.pth")


KINDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "TorchScript": (torchscript, "a TorchScript program"),
    "torch.export": (exported, "an exported program"),
    "a zip with a checkpoint": (zipped, "a packed archive"),
    "LFS": (
        lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9"),
        "a Git LFS pointer",
    ),
    "HTML": (lambda p: p.write_text("\n<!DOCTYPE html><html>404"), "a web page"),
    "JSON": (lambda p: p.write_text('{"a": 1}'), "JSON text"),
    "text": (lambda p: p.write_text("Not found"), "a text file"),
    "gzip": (lambda p: p.write_bytes(b"\x1f\x8b\x08\0" + bytes(20)), "a packed archive"),
    "HDF5": (lambda p: p.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(20)), "an HDF5 file"),
    "ExecuTorch": (lambda p: p.write_bytes(b"\x1c\0\0\0ET12" + bytes(20)), "an ExecuTorch program"),
    "ONNX": (lambda p: p.write_bytes(b"\x08\x0a\x12\x07pytorch" + bytes(20)), "an ONNX model"),
    "tar": (tarred, "a packed archive"),
    "HTML with a byte order mark": (
        lambda p: p.write_text("<!-- 404 --><HTML>", encoding="utf-16"),
        "a web page",
    ),
    "PNG": (lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20)), "a picture"),
    "text of accents": (lambda p: p.write_text("nicht verfügbar", encoding="utf-8"), "a text file"),
    "Paddle's inference": (lambda p: p.write_bytes(bytes(20)), "a part of a Paddle inference"),
}


SUFFIXES = {"torch.export": ".pt2", "Paddle's inference": ".pdiparams"}


@pytest.mark.filterwarnings("ignore")  # torch's about TorchScript, which is what the case is about
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_a_checkpoint_is_called_by_its_name(tmp_path: Path, kind: str) -> None:
    write, words = KINDS[kind]
    path = tmp_path / f"w{SUFFIXES.get(kind, '.pth')}"
    write(path)
    reason = refusal(path)
    assert f"{path.name} is {words}" in reason
    assert "not a checkpoint" in reason


def test_arrays_pickled_by_name_load_as_tensors(tmp_path: Path, tiny: State) -> None:
    arrays = {key: value.numpy() for key, value in tiny.items()}
    for protocol in (2, 4):
        path = tmp_path / f"w{protocol}.pkl"
        path.write_bytes(pickle.dumps({"model": arrays}, protocol=protocol))
        assert_loads(path)


def test_a_file_that_is_not_a_regular_one_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "w.pth")
    assert "is not a regular file" in refusal(tmp_path / "w.pth")


# Nothing in a file runs --------------------------------------------------------------------------


class Calls:
    """A pickle that calls a function when it is read without care."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.call


def attacks(trace: Path) -> list[object]:
    code = f"import os; os.mkdir({str(trace)!r})"
    return [
        Calls(eval, code),
        Calls(exec, code),
        Calls(os.system, f"mkdir {trace}"),
        Calls(torch.storage._load_from_bytes, pickle.dumps(Calls(os.mkdir, str(trace)))),
        Calls(functools.partial(os.mkdir, str(trace))),
        Calls(np.load, str(trace), None, True),
        Calls(torch.load, str(trace)),
    ]


@pytest.mark.parametrize("number", range(7))
@pytest.mark.parametrize("old", [False, True])
def test_no_function_that_a_checkpoint_names_is_called(
    tmp_path: Path, tiny: State, number: int, old: bool
) -> None:
    trace = tmp_path / "ran"
    attack = attacks(trace)[number]
    content = {"state_dict": tiny, "more": attack}
    path = save(tmp_path, content, _use_new_zipfile_serialization=not old)
    bare = tmp_path / "bare.pkl"
    bare.write_bytes(pickle.dumps({"more": attack}))
    for each in (path, bare):
        with contextlib.suppress(WeightsMismatch):  # some of them are inert, the weights load
            create_model("seaformer_t", checkpoint=each)
    assert not trace.exists()


def test_a_pickle_cannot_change_what_it_may_call(tmp_path: Path) -> None:
    before = vars(collections.OrderedDict).copy()
    for module, name in (
        ("collections", "OrderedDict"),
        ("torch._utils", "_rebuild_tensor_v2"),
        ("numpy", "ndarray"),
        ("torch", "Size"),
    ):
        path = tmp_path / f"{name}.pkl"
        state = b"N}U\x05extraK\x01s\x86"  # (None, {"extra": 1}): attributes to set
        path.write_bytes(b"\x80\x02c" + f"{module}\n{name}\n".encode() + state + b"b.")
        refusal(path)
    assert vars(collections.OrderedDict) == before
    assert not hasattr(torch._utils._rebuild_tensor_v2, "extra")
    assert not hasattr(np.ndarray, "extra")
    assert not hasattr(torch.Size, "extra")
