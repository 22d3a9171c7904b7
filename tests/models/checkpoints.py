"""Checkpoints that tests make, and what becomes of them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from seaformer.core.checkpoint import LoadedCheckpoint
from seaformer.core.errors import WeightsMismatch
from seaformer.models import FAMILIES, create_model, model_spec
from seaformer.models._checkpoints.source import find_source

State = dict[str, Tensor]


def official(name: str, **overrides: Any) -> State:
    """The weights of a seeded model under the official names."""
    return dict(_official(name, **overrides))


@functools.cache  # seeding takes seconds
def _official(name: str, **overrides: Any) -> State:
    model = create_model(name, seed=1, **overrides)
    names = FAMILIES.load(model_spec(name).family).official_keys(model)
    return {names[key]: value for key, value in model.state_dict().items()}


def save(folder: Path, content: object, name: str = "w.pth", **options: Any) -> Path:
    torch.save(content, folder / name, **options)
    return folder / name


def assert_loads(path: Path, name: str = "seaformer_t.ade20k") -> LoadedCheckpoint:
    """The checkpoint holds the weights of seed 1; what it was read as."""
    loaded = create_model(name, checkpoint=path)
    assert loaded.spec.weights == f"sha256:{find_source(path).digest()}"
    names = FAMILIES.load(loaded.spec.family).official_keys(loaded)
    expected = _official(name)
    state = loaded.state_dict()
    assert all(torch.equal(value, expected[names[key]]) for key, value in state.items())
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    assert loaded.checkpoint is not None
    return loaded.checkpoint


def refusal(path: Path, name: str = "seaformer_t.ade20k", **overrides: Any) -> str:
    """The error's sentence and its hint; one line each."""
    options = {"checkpoint": path} | overrides
    with pytest.raises(WeightsMismatch) as caught:
        create_model(name, **options)
    assert caught.value.hint
    assert "\n" not in caught.value.message + caught.value.hint
    return f"{caught.value.message} {caught.value.hint}"
