"""PaddleViT's SegFormer and SETR, and PaddleSeg's PP-MobileSeg: their files without Paddle, and
their recorded outputs."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from seaformer.core import paper
from seaformer.models import create_model, list_models, model_spec
from seaformer.models.segformer import SegFormer
from tests.models import golden
from tests.models.checkpoints import refusal

SEGFORMER, SETR = "paddlevit_segformer_b0_ade20k", "paddlevit_setr_naive_vitl_pascal_context"
ROWS = [name for name in list_models() if "_paddlevit." in name]
TOLERANCE = 1e-5  # of the output's spread; a wrong epsilon gives 1.6e-5


def pdparams(name: str) -> dict[str, Any]:
    """What ``paddle.save(model.state_dict(), ...)`` pickles."""
    meta, _ = golden.load(name)
    state: dict[str, Any] = dict(golden.state(meta))
    names = dict(zip(state, meta["tensor_names"], strict=True))
    return state | {"StructuredToParameterName@@": names}


@pytest.fixture(scope="module")
def segformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("paddle") / "b0.pdparams"
    path.write_bytes(pickle.dumps(pdparams(SEGFORMER), protocol=4))
    return path


def assert_agrees(name: str, network: nn.Module, case: int) -> None:
    meta, arrays = golden.load(name)
    recorded = meta["cases"][case]
    with torch.no_grad():
        out = network(torch.from_numpy(golden.image(recorded["input_shape"]))).numpy()
    assert list(out.shape) == recorded["output_shape"]
    seen = golden.pick(out, recorded["strides"])
    error = np.abs(seen - arrays[recorded["array"]]).max() / recorded["output_std"]
    assert error < TOLERANCE


@pytest.mark.parametrize("case", range(2))
def test_segformer_computes_what_paddlevit_recorded(segformer: Path, case: int) -> None:
    network = create_model("segformer_b0_paddlevit", checkpoint=segformer)
    assert network.checkpoint is not None
    assert network.checkpoint.layout == "PaddleViT"
    assert_agrees(SEGFORMER, network, case)


@pytest.mark.parametrize(("size", "long"), [("t", "tiny"), ("b", "base")])
def test_pp_mobileseg_computes_what_paddleseg_recorded(
    tmp_path: Path, size: str, long: str
) -> None:
    name = f"paddleseg_pp_mobileseg_{long}_ade20k"
    path = tmp_path / "model.pdparams"
    path.write_bytes(pickle.dumps(pdparams(name), protocol=4))
    network = create_model(f"pp_mobileseg_{size}", checkpoint=path)
    assert network.checkpoint is not None
    assert network.checkpoint.layout == "PaddleSeg"
    for case in range(2):
        assert_agrees(name, network, case)


@pytest.mark.zoo  # 304 M parameters
def test_setr_computes_what_paddlevit_recorded(tmp_path: Path) -> None:
    path = tmp_path / "naive.pdparams"
    path.write_bytes(pickle.dumps(pdparams(SETR), protocol=4))
    network = create_model("setr_naive_l_paddlevit.pascal_context", checkpoint=path)
    assert network.checkpoint is not None
    assert set(network.checkpoint.left_out) == {
        "aux_decoder2",
        "aux_decoder3",
        "aux_decoder4",
        "encoder.transformer.embeddings.cls_token",
    }
    for case in range(2):
        assert_agrees(SETR, network, case)


def in_numpy_1(pickled: bytes) -> bytes:
    """A pickle of protocol 2 that calls numpy's core by its name before numpy 2."""
    return pickled.replace(b"cnumpy._core.", b"cnumpy.core.")


def cut_up(state: dict[str, Any], size: int) -> dict[str, Any]:
    """Arrays of more than so many numbers in flat parts, as protocols 2 and 3 have them."""
    saved, info = dict(state), {}
    for key, array in state.items():
        if not isinstance(array, np.ndarray) or array.size <= size:
            continue
        flat = saved.pop(key).ravel()
        parts = {
            f"{key}@@.{i}": flat[i * size : (i + 1) * size] for i in range(-(-flat.size // size))
        }
        info[key] = {"OriginShape": array.shape, "slices": list(parts)}
        saved |= parts
    return saved | {"UnpackBigParamInfor@@": info}


VARIANTS = {
    "protocol 2, numpy 1": lambda state: in_numpy_1(pickle.dumps(state, protocol=2)),
    "protocol 2, cut up": lambda state: pickle.dumps(cut_up(state, 100_000), protocol=2),
    "protocol 3": lambda state: pickle.dumps(state, protocol=3),
    "without names": lambda state: pickle.dumps(
        {k: v for k, v in state.items() if isinstance(v, np.ndarray)}
    ),
    "nested": lambda state: pickle.dumps(
        {"model": {k: (k, v) for k, v in state.items() if isinstance(v, np.ndarray)}, "epoch": 3}
    ),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_form_of_the_file_loads_the_same(
    tmp_path: Path, segformer: Path, variant: str
) -> None:
    path = tmp_path / "w.pdparams"
    path.write_bytes(VARIANTS[variant](pdparams(SEGFORMER)))
    expected = create_model("segformer_b0_paddlevit", checkpoint=segformer).state_dict()
    again = create_model("segformer_b0_paddlevit", checkpoint=path).state_dict()
    assert all(torch.equal(value, again[key]) for key, value in expected.items())


def test_a_file_of_another_function_is_refused_with_its_row(segformer: Path) -> None:
    assert "use --model segformer_b0_paddlevit" in refusal(segformer, "segformer_b0_mmseg")


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_bound_to_its_line_of_paddlevits_table(name: str) -> None:
    row = model_spec(name).paper
    assert row is not None
    assert row.table in ("zoo_setr", "zoo_segformer_ade20k")
    base, _, tag = name.partition(".")
    words = base.removesuffix("_paddlevit").split("_")
    assert words[1].lower() in row.label.lower()
    dataset = {"ade20k": "ADE20K", "cityscapes_768": "Cityscapes", "pascal_context": "Pascal"}
    assert words[0] == "segformer" or dataset[tag] in row.label
    assert row.metric_value in [line.number("miou") for line in paper.lines(row.table)]


def test_every_norm_of_segformer_has_paddles_epsilon() -> None:
    network = create_model("segformer_b0_paddlevit")
    assert isinstance(network, SegFormer)
    norms = [m for m in network.modules() if isinstance(m, nn.LayerNorm | nn.BatchNorm2d)]
    assert {norm.eps for norm in norms} == {1e-5}


# SETR, at the width of its smallest size: the same layers, a hundredth of the weights. ------------


def paddle_setr(decoder: str, state: dict[str, torch.Tensor]) -> dict[str, np.ndarray[Any, Any]]:
    """mmsegmentation's keys of a SETR in PaddleViT's names and layout, written out by hand."""
    renamed: dict[str, np.ndarray[Any, Any]] = {}
    for key, tensor in state.items():
        value = tensor.numpy()
        if key.endswith("num_batches_tracked"):
            continue
        name = _paddle_name(decoder, key)
        name = name.replace("running_mean", "_mean").replace("running_var", "_variance")
        renamed[name] = value.T.copy() if value.ndim == 2 and name.endswith("weight") else value
    return renamed


def _paddle_name(decoder: str, key: str) -> str:
    top, _, rest = key.partition(".")
    if top == "encoder":
        for ours, theirs in {
            "tokens.table": "embeddings.position_embeddings",
            "embed.": "embeddings.patch_embeddings.",
            "layers.": "encoder.layers.",
            ".norm1.": ".attn_norm.",
            ".norm2.": ".mlp_norm.",
            ".attention.to_qkv.": ".attn.qkv.",
            ".attention.project.": ".attn.out.",
            ".fc1.": ".mlp.fc1.",
            ".fc2.": ".mlp.fc2.",
        }.items():
            rest = rest.replace(ours, theirs)
        return f"encoder.transformer.{rest}"
    part, *more = rest.split(".")
    if part == "classify":
        last = {"naive": "conv_1", "pup": "conv_4", "mla": "cls"}[decoder]
        return f"decoder.{last}.{more[0]}"
    if part == "norm":
        return f"decoder.norm.{more[0]}"
    i, leaf = int(more[0]), more[-1]
    if part == "up":
        return f"decoder.{'conv' if more[1] == 'conv' else 'syncbn_fc'}_{i}.{leaf}"
    second = 0 if len(more) < 3 or more[1] == "conv" else 1
    return {
        "norms": f"encoder.norm_{i}.{leaf}",
        "project": f"encoder.mla.mla_p{i + 2}_1x1.{second}.{leaf}",
        "extract": f"encoder.mla.mla_p{5 - i}.{second}.{leaf}",
        "first": f"decoder.head{5 - i}.{second}.{leaf}",
        "second": f"decoder.head{5 - i}.{second + 3}.{leaf}",
    }[part]


@pytest.mark.parametrize("decoder", ["naive", "pup", "mla"])
def test_setr_takes_up_biases_and_turns_weights_and_levels(tmp_path: Path, decoder: str) -> None:
    name = f"setr_{decoder}_l_paddlevit"
    small = {"channels": 64, "depth": 4, "heads": 2, "levels": (0, 1, 2, 3)}
    first = create_model(name, seed=1, **small)  # type: ignore[arg-type]
    state = paddle_setr(decoder, first.state_dict())
    for j in range({"naive": 1, "pup": 4, "mla": 0}[decoder]):
        bias = np.linspace(-1, 1, 256, dtype=np.float32)
        state[f"decoder.conv_{j}.bias"] = bias
        state[f"decoder.syncbn_fc_{j}._mean"] = state[f"decoder.syncbn_fc_{j}._mean"] + bias
    if decoder == "mla":  # the shallowest level first
        blocks = np.split(state["decoder.cls.weight"], 4, axis=1)
        state["decoder.cls.weight"] = np.concatenate(blocks[::-1], axis=1)
    state["encoder.transformer.embeddings.cls_token"] = np.ones((1, 1, 64), np.float32)
    state["aux_decoder2.aux.weight"] = np.ones(3, np.float32)
    path = tmp_path / "w.pdparams"
    path.write_bytes(pickle.dumps(state, protocol=4))
    again = create_model(name, checkpoint=path, **small)  # type: ignore[arg-type]
    for key, value in first.state_dict().items():
        if "num_batches_tracked" not in key:
            torch.testing.assert_close(again.state_dict()[key], value, rtol=0, atol=1e-6)
    assert (
        first(torch.zeros(1, 3, 64, 96)).shape[2:]
        == {
            "naive": (4, 6),
            "pup": (64, 96),
            "mla": (16, 24),
        }[decoder]
    )
