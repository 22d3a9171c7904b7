"""The search for modules that stay in float: what it finds, where it ends, and what is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from seaformer.agreement.images import normalised
from seaformer.commands._integers import check_calibrated, check_integers
from seaformer.commands._options import QuantizeOptions
from seaformer.core.artifact import load_artifact
from seaformer.core.errors import ParityError, UsageError
from seaformer.core.quantization import Keep
from seaformer.core.quiet import quiet
from seaformer.core.request import ExportRequest
from seaformer.data.preprocessing import IMAGENET
from seaformer.evaluation.order import EvalOrder, evaluate_order
from seaformer.export import export_request
from seaformer.export.quantize import QUANTIZERS
from seaformer.export.quantize._calibration import open_calibration
from seaformer.export.quantize._observers import Array
from seaformer.export.quantize._search import Network, candidates, score, search, search_note
from tests import nets

SHAPE = (1, 3, 64, 64)


def request(
    net: str = "uneven", keep: Sequence[str] = ("auto",), **fields: object
) -> ExportRequest:
    base = {"precision": "int8", "module": f"tests.nets:{net}", "shape": SHAPE}
    return ExportRequest(net, "onnx", keep=tuple(keep), **(base | fields))  # type: ignore[arg-type]


def test_it_finds_the_one_bad_module_and_the_manifest_has_the_table(tmp_path: Path) -> None:
    steps: list[str] = []
    made = export_request(request(max_drop=2.0), tmp_path, steps.append)
    assert made.file == "uneven__64x64__int8__keep-auto__drop-2.onnx"
    quantization = load_artifact(made.path).quantization
    assert quantization is not None
    assert quantization.kept == ("uneven",)
    found = quantization.sensitivity
    assert found is not None
    assert (found.max_drop, found.images, found.added) == (2.0, 2, ("uneven",))
    assert {each.module for each in found.candidates} == {"stem", "uneven", "head"}
    first, *others = found.candidates
    assert first.module == "uneven"
    assert first.score.ratio_db > 10 + max(each.score.ratio_db for each in others)
    assert found.before.drop > 2 >= found.after.drop
    assert [step for step in steps if "of 3" in step] == [
        f"search for modules in float, {i} of 3: {name}"
        for i, name in enumerate(("stem", "uneven", "head"), 1)
    ]
    assert any("; in float: uneven" in note for note in made.notes)
    assert any(note.startswith("auto keeps uneven in float: same class ") for note in made.notes)


@pytest.mark.slow
def test_names_come_first_and_are_not_searched(tmp_path: Path) -> None:
    made = export_request(request(keep=("uneven", "auto")), tmp_path)
    assert made.quantization is not None
    found = made.quantization.sensitivity
    assert found is not None
    assert made.quantization.kept == ("uneven", *found.added)
    assert {each.module for each in found.candidates} == {"stem", "head"}


def test_a_limit_stated_that_cannot_be_met_refuses_the_file(tmp_path: Path) -> None:
    pattern = (
        r"--max-drop allows 0 points of same class, and \d.* are lost with .*uneven.* in float"
    )
    with pytest.raises(ParityError, match=pattern):
        search(
            Network(("stem", "uneven"), lambda kept, _: noisy(kept, floor=0.5), expected()),
            Keep(auto=True, max_drop=0.0),
            lambda _: None,
        )


NOISE = {"stem": 0.3, "uneven": 2.0, "head": 0.1}


def expected() -> list[Array]:
    generator = np.random.default_rng(0)
    return [generator.normal(0, 1, (1, 5, 16, 16)).astype(np.float32) for _ in range(2)]


def noisy(kept: Sequence[str], floor: float = 0.0) -> list[Array]:
    """As if each module that is not kept added noise of its own to the logits."""
    outputs = expected()
    for seed, (name, size) in enumerate({**NOISE, "": floor}.items()):
        if name not in kept:
            noise = np.random.default_rng(seed + 1)
            outputs = [each + size * noise.normal(0, 1, each.shape) for each in outputs]
    return outputs


@pytest.mark.parametrize(
    ("limit", "added"),
    [
        (100.0, ()),
        (30.0, ("uneven",)),
        (10.0, ("uneven", "stem")),
        (0.0, ("uneven", "stem", "head")),
    ],
)
def test_modules_are_added_by_their_effect_until_the_loss_is_small_enough(
    limit: float, added: tuple[str, ...]
) -> None:
    network = Network(tuple(NOISE), lambda kept, _: noisy(kept), expected())
    found = search(network, Keep(auto=True, max_drop=limit), lambda _: None)
    assert found.added == added
    assert found.after.drop <= limit
    assert [each.module for each in found.candidates] == ["uneven", "stem", "head"]


def test_a_candidate_alone_is_measured_on_few_images_and_the_loss_on_all() -> None:
    shown: list[tuple[tuple[str, ...], int]] = []
    exact = [each for _ in range(4) for each in expected()]

    def answers(kept: tuple[str, ...], count: int) -> list[Array]:
        shown.append((kept, count))
        return [each for _ in range(4) for each in noisy(kept)][:count]

    found = search(Network(tuple(NOISE), answers, exact), Keep(auto=True, max_drop=10), print)
    assert found.added == ("uneven", "stem")
    assert found.images == 8
    alone = [((name,), 4) for name in NOISE]
    assert shown == [((), 8), *alone, (("uneven",), 8), (("uneven", "stem"), 8)]


def test_without_a_limit_stated_a_loss_that_remains_is_only_reported() -> None:
    network = Network(tuple(NOISE), lambda kept, _: noisy(kept, floor=0.5), expected())
    found = search(network, Keep(auto=True), lambda _: None)
    assert found.added[0] == "uneven"
    assert found.added == ("uneven", "stem", "head")[: len(found.added)]
    assert 0 < found.after.drop < found.before.drop
    (note,) = search_note(found)
    assert re.search(r"; \d+\.\d\d points are lost and nothing else helps$", note)


def test_a_large_module_is_searched_by_its_children() -> None:
    large = [f"body.{i}.conv" for i in range(20) for _ in range(3)]
    paths = ("stem", "", *large, "head", "head")
    assert candidates(paths, ()) == ("stem", *(f"body.{i}" for i in range(20)), "head")
    assert candidates(paths, ("body",)) == ("stem", "head")
    # Operators of its own, which no child has, stay with the module.
    assert candidates(("a.b", "a.c", *["a"] * 9), ()) == ("a",)


def test_class_maps_are_compared_by_position() -> None:
    one, other = np.zeros((1, 8, 8), np.int64), np.zeros((1, 8, 8), np.int64)
    assert score([one], [other]).sqnr_db is None
    one[0, 0] = 3
    result = score([one], [other])
    assert result.same_class == pytest.approx(87.5)
    assert result.ratio_db == pytest.approx(10 * np.log10(1 / 0.25))


def test_what_cannot_be_searched_is_refused_in_a_sentence(tmp_path: Path) -> None:
    for fields, sentence in (
        ({"keep": ("stem",), "max_drop": 1.0}, "--max-drop requires --int8-keep auto"),
        ({"max_drop": 101.0}, r"--max-drop must be 0 to 100 points \(got 101\)"),
        ({"max_drop": float("nan")}, "--max-drop must be 0 to 100 points"),
        ({"precision": "fp16", "keep": (), "max_drop": 1.0}, "--max-drop is for --precision int8"),
        ({"net": "Named"}, "the outputs of Named are not known to score classes"),
    ):
        with pytest.raises(UsageError, match=sentence) as caught:
            export_request(request(**fields), tmp_path)
        assert "\n" not in caught.value.message
    with pytest.raises(UsageError, match="this graph has none"):
        search(Network(("", ""), lambda kept, _: noisy(kept), expected()), Keep(auto=True), print)
    assert not list(tmp_path.glob("*"))


@pytest.mark.slow
def test_a_captured_graph_is_searched_by_what_its_converted_forms_compute() -> None:
    images = open_calibration(None, SHAPE, IMAGENET)
    shown = [torch.from_numpy(image) for image in images.sample(2, raw=True)]
    network = nets.Uneven().eval()
    with quiet():
        program = torch.export.export(network, (shown[0],))
        quantizer = QUANTIZERS.load("executorch")
        keep = Keep(auto=True, max_drop=2.0)
        searched = quantizer.quantise(program, images, "mse", keep, lambda _: None)
        named = quantizer.quantise(program, images, "mse", Keep(("stem",)), lambda _: None)
    assert searched.kept == ("uneven",)
    table = {each.module: each.score for each in searched.sensitivity.candidates}
    assert set(table) == {"stem", "uneven", "head"}
    with torch.no_grad():
        exact = [network(image).numpy() for image in shown]
        for graph, claimed in (
            (searched.graph, searched.sensitivity.after),
            (searched.graph, table["uneven"]),
            (named.graph, table["stem"]),
        ):
            seen = score([graph(image).numpy() for image in shown], exact)
            assert seen.ratio_db == pytest.approx(claimed.ratio_db, abs=1e-3)
            assert seen.same_class == claimed.same_class


@pytest.mark.slow
def test_the_command_shows_each_candidate(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "seaformer", "export", "--precision", "int8", "--format", "onnx"]
    argv += ["--module", f"{nets.__file__}:uneven", "--shape", "1x3x64x64", "--out", str(tmp_path)]
    argv += ["--max-drop", "2", "--int8-keep", "auto"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "search for modules in float, 2 of 3: uneven" in done.stderr
    assert "auto keeps uneven in float" in done.stdout
    assert re.search(r"in float uneven +SQNR +\d\d\.\d dB, same class +\d\d\.\d\d %", done.stdout)


def test_the_command_refuses_a_limit_without_a_search() -> None:
    for options, precision, sentence in (
        (QuantizeOptions(max_drop=2.0), "int8", "--max-drop requires --int8-keep auto"),
        (QuantizeOptions(int8_keep="stem", max_drop=2.0), "int8", "requires --int8-keep auto"),
        (QuantizeOptions(max_drop=0.0), "fp32", "--max-drop is for --precision int8"),
    ):
        with pytest.raises(UsageError, match=sentence):
            check_integers(options, precision)
    with pytest.raises(UsageError, match="--sqnr is for --precision int8"):
        check_calibrated("--sqnr", "fp32")
    check_integers(QuantizeOptions(int8_keep="stem, auto", max_drop=2.0), "fp32,int8")


def labelled(folder: Path, images: int = 4) -> Path:
    """A set in ADE20K's layout whose labels are the classes that the float network gives."""
    network, generator = nets.Uneven().eval(), np.random.default_rng(1)
    for split in ("training", "validation"):
        for kind in ("images", "annotations"):
            (folder / kind / split).mkdir(parents=True)
        for number in range(images):
            small = generator.integers(0, 256, (6, 8, 3)).astype(np.uint8)
            image = Image.fromarray(small).resize((64, 64))
            image.save(folder / "images" / split / f"{number}.png")
            tensor = torch.from_numpy(normalised(np.asarray(image), IMAGENET))
            with torch.no_grad():
                scores = F.interpolate(network(tensor), size=(64, 64), mode="bilinear")
            mask = scores.argmax(1)[0].numpy().astype(np.uint8)
            Image.fromarray(mask).save(folder / "annotations" / split / f"{number}.png")
    names = ["a", "b", "c", "d", "e"]
    (folder / "classes.json").write_text(json.dumps({"schema": 1, "names": names}))
    return folder


@pytest.mark.slow
def test_points_are_those_that_eval_counts_where_a_data_set_judges(tmp_path: Path) -> None:
    data = labelled(tmp_path / "set")
    made = export_request(request(max_drop=3.0, data=str(data)), tmp_path / "out")
    name = r"uneven__64x64__int8__keep-auto__drop-3__on-set-[0-9a-f]{8}\.onnx"
    assert re.fullmatch(name, made.file)
    assert made.quantization is not None
    result = made.quantization.sensitivity
    assert result is not None
    assert (result.metric, result.data, result.images) == ("mIoU", "set", 4)
    assert result.added == ("uneven",)
    assert result.before.lost is not None
    assert result.after.lost is not None
    assert result.before.lost > 3 >= result.after.lost
    assert any("mIoU lost +" in note and "on 4 images of set" in note for note in made.notes)
    base = export_request(request(precision="fp32", keep=()), tmp_path / "out")
    rows = evaluate_order(EvalOrder(data), (base, made))
    assert rows[0].miou == pytest.approx(100)
    assert rows[1].difference is not None
    assert -rows[1].difference.miou == pytest.approx(result.after.lost, abs=0.5)


def test_a_data_set_that_cannot_judge_is_refused_in_a_sentence(tmp_path: Path) -> None:
    data = labelled(tmp_path / "set", images=1)
    with pytest.raises(UsageError, match="--data requires --int8-keep auto"):
        export_request(request(keep=(), data=str(data)), tmp_path / "out")
    names = [str(number) for number in range(7)]
    (data / "classes.json").write_text(json.dumps({"schema": 1, "names": names}))
    with pytest.raises(UsageError, match=r"has 7 classes, uneven 5\."):
        export_request(request(data=str(data)), tmp_path / "out")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())
