"""Checkpoints of trainers and wrappers: prefixes, averaged weights, MMEngine, and what is said."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seaformer.core.checkpoint import LoadedCheckpoint
from seaformer.core.errors import UsageError
from seaformer.models import create_model
from tests.models.checkpoints import State, assert_loads, official, refusal, save


@pytest.fixture(scope="module")
def tiny() -> State:
    return official("seaformer_t.ade20k")


def read_as(path: Path, **options: Any) -> LoadedCheckpoint:
    checkpoint = create_model("seaformer_t", checkpoint=path, **options).checkpoint
    assert checkpoint is not None
    return checkpoint


def below(prefix: str, state: State) -> State:
    return {f"{prefix}{key}": value for key, value in state.items()}


@pytest.mark.parametrize(
    "prefix",
    [
        "model.",
        "net.",
        "_orig_mod.",
        "module.module.",
        "module.model.",
        "model._orig_mod.",
        "model_",
        "a.b.c.d.e.f.g.",
    ],
)
def test_a_prefix_of_all_keys_is_removed_and_reported(
    tmp_path: Path, tiny: State, prefix: str
) -> None:
    path = save(tmp_path, {"state_dict": below(prefix, tiny), "epoch": 3}, "l.ckpt")
    checkpoint = assert_loads(path)
    assert (checkpoint.prefix, checkpoint.entry) == (prefix, "state_dict")


def test_a_wrapper_inside_of_the_network_is_removed(tmp_path: Path, tiny: State) -> None:
    state = {key.replace("backbone.", "backbone._orig_mod."): v for key, v in tiny.items()}
    assert_loads(save(tmp_path, state))


def test_what_a_trainer_keeps_beside_the_network_is_left_out_and_reported(
    tmp_path: Path, tiny: State
) -> None:
    beside = {"loss.weight": torch.ones(150), "metric.count": torch.tensor(3)}
    path = save(tmp_path, {"state_dict": below("model.", tiny) | beside})
    assert assert_loads(path).left_out == {"loss": 1, "metric": 1}


def test_two_networks_that_fit_are_not_guessed_between(tmp_path: Path, tiny: State) -> None:
    path = save(tmp_path, below("student.", tiny) | below("teacher.", tiny))
    assert "2 networks that fit: 'student.', 'teacher.'" in refusal(path)


@pytest.mark.parametrize(
    "entry", ["model_state_dict", "model_state", "net", "params", "generator", "best"]
)
def test_the_entries_of_training_scripts_are_found(tmp_path: Path, tiny: State, entry: str) -> None:
    optimiser = {"state": {0: {"step": torch.tensor(3)}}, "param_groups": [{"lr": 0.1}]}
    path = save(tmp_path, {"epoch": 3, entry: tiny, "optimizer_state_dict": optimiser})
    assert assert_loads(path).entry == entry


def test_entries_of_other_names_are_not_guessed_between(tmp_path: Path, tiny: State) -> None:
    path = save(tmp_path, {"first": tiny, "second": {"a": torch.ones(3)}})
    assert "got other entries (first, second)" in refusal(path)
    deep = save(tmp_path, {"best": {"weights_of_it": {"it": tiny}}, "epoch": 3})
    assert assert_loads(deep).entry == "best.weights_of_it.it"


def test_a_prefix_with_another_model_behind_it_still_says_which(tmp_path: Path) -> None:
    path = save(tmp_path, below("net.", official("seaformer_s")))
    assert "seaformer_s: use --variant s." in refusal(path)


def test_a_prefix_with_other_classes_behind_it_says_the_option(tmp_path: Path) -> None:
    reason = refusal(save(tmp_path, below("net.", official("seaformer_t", classes=7))))
    assert "w.pth without the prefix net. does not fit seaformer_t.ade20k" in reason
    assert "add --classes 7." in reason


def test_a_prefix_that_hides_nothing_known_is_named(tmp_path: Path) -> None:
    layers = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 5))
    reason = refusal(save(tmp_path, below("net.", layers.state_dict())))
    assert "its 4 keys and their shapes were compared" in reason
    assert "also without the prefix net." in reason


# Averaged weights --------------------------------------------------------------------------------


def averaged(state: State) -> State:
    """Twice every floating number."""
    return {key: 2 * v if v.is_floating_point() else v for key, v in state.items()}


def twins(state: State, prefix: str = "") -> State:
    return {f"{prefix}ema_{key.replace('.', '_')}": v for key, v in averaged(state).items()}


def is_averaged(path: Path, tiny: State) -> bool:
    key, value = "head.classify.weight", tiny["decode_head.conv_seg.weight"]
    plain = create_model("seaformer_t", checkpoint=path)
    network = create_model("seaformer_t", checkpoint=path, ema=True)
    assert torch.equal(plain.state_dict()[key], value)
    assert network.spec.weights == f"{plain.spec.weights}+ema"
    return torch.equal(network.state_dict()[key], 2 * value)


@pytest.mark.parametrize("prefix", ["", "model."])
def test_averaged_twins_load_only_when_asked_for(tmp_path: Path, tiny: State, prefix: str) -> None:
    state = below(prefix, tiny) | twins(tiny, prefix)
    path = save(tmp_path, {"state_dict": state, "meta": {}})
    assert assert_loads(path).left_out == {f"{prefix}ema_*": len(tiny)}
    assert is_averaged(path, tiny)


def test_averaged_weights_below_a_name_of_their_own_load(tmp_path: Path, tiny: State) -> None:
    both = below("model.", tiny) | below("ema_model.module.", averaged(tiny))
    assert is_averaged(save(tmp_path, both), tiny)


def test_an_averaged_entry_is_taken_with_the_counter_of_torch(tmp_path: Path, tiny: State) -> None:
    model_ema = {"n_averaged": torch.tensor(9)} | below("module.", averaged(tiny))
    assert is_averaged(save(tmp_path, {"model": tiny, "model_ema": model_ema}), tiny)


def test_asking_for_averaged_weights_that_are_not_there_is_refused(
    tmp_path: Path, tiny: State
) -> None:
    assert "has no averaged weights" in refusal(save(tmp_path, tiny), ema=True)
    with pytest.raises(UsageError, match="--ema requires --checkpoint"):
        create_model("seaformer_t", ema=True)


# MMEngine ----------------------------------------------------------------------------------------


@pytest.fixture
def history_buffer() -> Iterator[type]:
    """A class as MMEngine's: with functions of its own in a dict, which are pickled by name."""
    module = types.ModuleType("mmengine.logging.history_buffer")

    class HistoryBuffer:
        def __init__(self) -> None:
            self._log_history = np.arange(3.0)
            self._statistics_methods = {"mean": HistoryBuffer.mean}

        def mean(self) -> float:
            return float(self._log_history.mean())

    for each in (HistoryBuffer, HistoryBuffer.mean):
        each.__module__ = module.__name__
        each.__qualname__ = each.__qualname__.rpartition("<locals>.")[2]
    module.HistoryBuffer = HistoryBuffer  # type: ignore[attr-defined]
    names = ("mmengine", "mmengine.logging", module.__name__)
    for name in names:
        sys.modules[name] = module if name == names[-1] else types.ModuleType(name)
    yield HistoryBuffer
    for name in names:
        sys.modules.pop(name, None)


def test_a_training_file_of_mmengine_loads_without_mmengine(
    tmp_path: Path, tiny: State, history_buffer: type
) -> None:
    buffers = {"train/loss": history_buffer()}
    content = {
        "meta": {"seed": 1, "dataset_meta": {"classes": ("wall",)}, "experiment_name": "x"},
        "state_dict": below("module.", tiny),
        "message_hub": {"log_scalars": buffers, "runtime_info": {"epoch": np.int64(3)}},
        "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]},
        "ema_state_dict": {"steps": torch.tensor(3)} | below("module.", averaged(tiny)),
    }
    path = save(tmp_path, content)
    with pytest.raises(Exception, match="HistoryBuffer"):
        torch.load(path, weights_only=True)  # which is why it has a reader of its own
    for name in [name for name in sys.modules if name.startswith("mmengine")]:
        del sys.modules[name]
    assert_loads(path)
    assert not [name for name in sys.modules if name.startswith("mmengine")]
    # MMEngine exchanges them when it saves: the averaged weights are under state_dict.
    assert read_as(path, ema=True).entry == "state_dict"


def test_a_whole_model_is_refused_by_its_class(tmp_path: Path) -> None:
    reason = refusal(save(tmp_path, {"model": torch.nn.Linear(3, 4), "epoch": 3}))
    assert "got an object of the class torch.nn.modules.linear.Linear" in reason
    assert "state_dict" in reason


def test_numbers_that_were_quantised_are_refused(tmp_path: Path, tiny: State) -> None:
    key = "decode_head.conv_seg.weight"
    reason = refusal(save(tmp_path, tiny | {key: tiny[key].to(torch.int8)}))
    assert f"int8 numbers in {key}" in reason


def test_bfloat16_loads_as_float32(tmp_path: Path, tiny: State) -> None:
    key = "decode_head.conv_seg.weight"
    state = {k: v.bfloat16() if v.is_floating_point() else v for k, v in tiny.items()}
    weights = create_model("seaformer_t", checkpoint=save(tmp_path, state)).state_dict()
    assert torch.equal(weights["head.classify.weight"], tiny[key].bfloat16().float())


def test_a_home_folder_is_expanded(
    tmp_path: Path, tiny: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, tiny)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read_as(Path("~/w.pth")).file == "w.pth"
    with pytest.raises(UsageError, match="names a home folder that does not exist"):
        create_model("seaformer_t", checkpoint="~nobody-of-that-name/w.pth")
