"""Names, specs and sizes: answered from the index, without torch."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from seaformer import models
from seaformer.core.errors import ShapeError, UnknownName, UsageError
from seaformer.models import (
    _names,
    check_size,
    find_models,
    from_variant,
    list_models,
    model_spec,
    resolve_name,
    zoo_entry,
)


def test_every_size_has_every_tag() -> None:
    names = [name for name in list_models("seaformer_[tsbl].*") if ".synth" not in name]
    assert len(names) == 32
    assert len({name.partition(".")[2] for name in names}) == 8
    assert list_models("seaformer_l.city*") == [
        "seaformer_l.cityscapes",
        "seaformer_l.cityscapes_half",
    ]
    assert list_models("nothing*") == []


@pytest.mark.parametrize(
    ("tag", "classes", "size"),
    [
        ("ade20k", 150, (512, 512)),
        ("cityscapes", 19, (1024, 2048)),
        ("cityscapes_half", 19, (512, 1024)),
        ("pascal_context", 60, (480, 480)),
        ("pascal_context_59", 59, (480, 480)),
        ("coco_stuff", 171, (512, 512)),
        ("imagenet", 1000, (224, 224)),
    ],
)
def test_a_tag_says_classes_and_input_size(tag: str, classes: int, size: tuple[int, int]) -> None:
    spec = model_spec(f"seaformer_s.{tag}")
    assert (spec.classes, spec.height, spec.width) == (classes, *size)


@pytest.mark.parametrize(
    ("name", "figures", "latencies_ms", "metric"),
    [
        ("seaformer_t.ade20k", (1.7, 0.6), (40, 22), 35.8),
        ("seaformer_s.ade20k", (4.0, 1.1), (67, 36), 39.4),
        ("seaformer_b.ade20k", (8.6, 1.8), (106, 56), 41.0),
        ("seaformer_l.ade20k", (14.0, 6.5), (367, 186), 43.7),
        ("seaformer_s.cityscapes_half", (None, 2.0), (129, None), 70.7),
        ("seaformer_b.cityscapes", (None, 13.7), (821, None), 77.7),
        ("seaformer_t.pascal_context_59", (None, 0.51), (None, None), 41.49),
        ("seaformer_b.coco_stuff", (None, 1.81), (None, None), 34.07),
        ("seaformer_l.imagenet", (14.0, 1.2), (61, None), 79.9),
    ],
)
def test_a_row_carries_its_line_of_the_paper(
    name: str,
    figures: tuple[float | None, float],
    latencies_ms: tuple[float | None, float | None],
    metric: float,
) -> None:
    row = model_spec(name).paper
    assert row is not None
    assert (row.params_m, row.flops_g) == figures
    assert (row.latency_ms, row.latency_fp16_ms) == latencies_ms
    assert row.metric_value == metric


@pytest.mark.parametrize(
    "name",
    ["seaformer_t.cityscapes", "seaformer_l.cityscapes_half", "seaformer_l.pascal_context"],
)
def test_a_model_the_paper_did_not_evaluate_has_no_line_of_it(name: str) -> None:
    assert model_spec(name).paper is None


@pytest.mark.parametrize("name", list_models())
def test_norms_and_resizing_add_less_than_a_seventh_to_the_multiply_accumulates(name: str) -> None:
    entry = zoo_entry(name)
    assert 1 <= entry.paper_flops / entry.macs < 1.15


def test_a_name_without_a_tag_means_ade20k() -> None:
    assert resolve_name("seaformer_t") == "seaformer_t.ade20k"
    assert resolve_name("seaformer_t.imagenet") == "seaformer_t.imagenet"
    assert resolve_name("SeaFormer_T") == "seaformer_t.ade20k"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("seafomer_t", "seaformer_t.ade20k"),
        ("seaformer_t.imagnet", "seaformer_t.imagenet"),
        ("seaformer_b.city", "seaformer_b.city"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(UnknownName) as caught:
        resolve_name(name)
    assert near in caught.value.hint


PLUS_T, DETECTORS = "seaformerpp_t.ade20k", [f"seaformer_{size}.coco" for size in "tsbl"]


@pytest.mark.parametrize(
    ("wanted", "said", "hints"),
    [
        ("seaformer_t.nope", "Unknown model", list_models("seaformer_t.*")),
        ("seaformerpp_t_kd.imagenet", "Unknown model", ["seaformerpp_t_kd.ade20k"]),
        ("seafomer_t.imagnet", "Unknown model", ["mean seaformer_t.imagenet?"]),
        ("seaformer_q++", "Unknown model", ["mean seaformerpp_"]),
        ("retinanet_t", "Unknown model", DETECTORS),
        ("retinanet*", "No model matches 'retinanet*'", DETECTORS),
        ("DeepLabV3+", "Unknown model", ["mobilenetv2_deeplabv3plus.ade20k"]),
        ("segformer", "Unknown model", ["List them: seaformer models 'segformer*'"]),
        ("segformer*.nope", "No model matches", ["List them: seaformer models 'segformer*'"]),
        ("x*", "No model matches 'x*'", ["List them: seaformer models"]),
        ("", "Unknown model", ["List them: seaformer models"]),
    ],
)
def test_what_nobody_has_is_answered_with_what_was_meant(
    wanted: str, said: str, hints: list[str]
) -> None:
    with pytest.raises(UnknownName) as caught:
        find_models(wanted)
    assert said in caught.value.message
    assert all(hint in caught.value.hint for hint in hints), caught.value.hint


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("t", "seaformer_t"),
        ("Tiny", "seaformer_t"),
        ("SeaFormer-T", "seaformer_t"),
        ("t++", "seaformerpp_t"),
        ("seaformer_t++", "seaformerpp_t"),
        ("seaformer++_t", "seaformerpp_t"),
        ("SeaFormer-T++", "seaformerpp_t"),
        ("l++kd", "seaformerpp_l_kd"),
        ("seaformer_t++kd", "seaformerpp_t_kd"),
        ("SeaFormer-T++(KD)", "seaformerpp_t_kd"),
    ],
)
def test_a_name_is_found_as_the_paper_and_the_command_line_spell_it(text: str, name: str) -> None:
    assert resolve_name(text) == f"{name}.ade20k"
    assert find_models(text) == [f"{name}.ade20k"]
    assert list_models(f"{text}.ade20k") == [f"{name}.ade20k"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("efficientformer_l1", "efficientformer_l1.imagenet"),
        ("EdgeViT-XXS", "edgevit_xxs.imagenet"),
        ("mobilenetv4_s", "mobilenetv4_s.imagenet"),
        ("repvit_m0_9", "repvit_m0_9.imagenet"),
        ("LVT", "lvt_cls.imagenet"),
        ("mobilenetv3_l_x075.imagenet", "mobilenetv3_l_x075.imagenet"),
        ("mobilenetv2_x100", "mobilenetv2_100.imagenet"),
    ],
)
def test_a_rival_is_found_without_the_tag_that_is_its_only_one(text: str, name: str) -> None:
    assert find_models(text) == [name]


def test_no_model_imports_the_transformers_library() -> None:
    """It is what the tests compare with; an export must not need it."""
    imports = re.compile(r"^\s*(import|from) (transformers|timm|torchvision)\b", re.MULTILINE)
    sources = sorted(Path(models.__file__).parents[1].rglob("*.py"))
    assert len(sources) > 100
    assert [path.name for path in sources if imports.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("glob", ["seaformer*++*", "SeaFormer++*", "*++*", "seaformerpp*"])
def test_a_glob_with_pluses_is_of_seaformer_plus(glob: str) -> None:
    assert find_models(glob) == [n for n in list_models() if n.startswith("seaformerpp_")]


def test_the_known_models_are_listed_by_their_families_in_one_short_sentence() -> None:
    with pytest.raises(UnknownName) as caught:
        resolve_name("xyz")
    shown, _, more = caught.value.hint.partition("(")[2].rstrip(")").partition(" and ")
    families = shown.split(", ")
    assert families[:2] == ["seaformer", "seaformerpp"]
    assert all(list_models(f"{family}_*") for family in families)
    every = {name.partition("_")[0] for name in list_models()}
    assert more == f"{len(every - set(families))} more"
    lines = textwrap.wrap(f"Error: {caught.value.message}", 80)
    assert len([*lines, *textwrap.wrap(caught.value.hint, 80)]) <= 3


def test_every_word_of_other_tools_means_models_that_are_there() -> None:
    for word, glob in _names.WORDS.items():
        assert list_models(glob), word


def test_a_glob_is_matched_in_any_case() -> None:
    assert list_models("SeaFormer_T.*") == list_models("seaformer_t.*") != []


def test_a_glob_or_a_name_finds_models() -> None:
    assert find_models("seaformer_[ts].ADE20K") == ["seaformer_t.ade20k", "seaformer_s.ade20k"]
    assert find_models("SeaFormer_T") == ["seaformer_t.ade20k"]


@pytest.mark.parametrize("variant", ["t", "T", "tiny", "Tiny", " t "])
def test_a_variant_is_short_for_a_model(variant: str) -> None:
    assert from_variant(variant) == "seaformer_t.ade20k"
    assert from_variant(variant, tag="cityscapes_half") == "seaformer_t.cityscapes_half"


@pytest.mark.parametrize(("variant", "base"), [("s", "s"), ("base", "b"), ("LARGE", "l")])
def test_every_size_has_a_variant(variant: str, base: str) -> None:
    assert from_variant(variant) == f"seaformer_{base}.ade20k"


@pytest.mark.parametrize(
    ("variant", "name"),
    [("t++", "seaformerpp_t"), ("S++KD", "seaformerpp_s_kd"), ("l++(KD)", "seaformerpp_l_kd")],
)
def test_plus_and_kd_are_seaformer_plus_and_its_students(variant: str, name: str) -> None:
    assert from_variant(variant) == f"{name}.ade20k"


def test_a_name_without_a_tag_means_the_only_one_there_is() -> None:
    assert resolve_name("mobilevit_xxs") == "mobilevit_xxs.imagenet_256"


@pytest.mark.parametrize("variant", ["x", "", "t+", "t++x", "t++ku", "seaformer_t"])
def test_an_unknown_variant_lists_the_known_ones(variant: str) -> None:
    with pytest.raises(UnknownName) as caught:
        from_variant(variant)
    words = ("t (tiny), s (small), b (base), l (large)", "++ or ++kd", "t++, t++kd")
    assert all(word in caught.value.message for word in words)


def test_a_variant_with_an_unknown_tag_is_an_unknown_name() -> None:
    with pytest.raises(UnknownName) as caught:
        from_variant("t", tag="ade21k")
    assert "seaformer_t.ade20k" in caught.value.hint


def test_another_size_or_number_of_classes_changes_the_spec() -> None:
    spec = model_spec("seaformer_t", size=(480, 640), classes=5)
    assert spec.input_shape == (1, 3, 480, 640)
    assert spec.output_shape == (1, 5, 60, 80)
    assert spec.paper is None
    assert model_spec("seaformer_t.imagenet", size=(256, 256)).output_shape == (1, 1000)


def test_asking_for_the_rows_own_size_keeps_the_papers_line() -> None:
    assert model_spec("seaformer_t", size=(512, 512), classes=150) == model_spec("seaformer_t")


@pytest.mark.parametrize(
    "size", [(32, 32), (512, 1024), (4096, 4096), (480, 480), (360, 480), (500, 333)]
)
def test_any_whole_number_of_pixels_is_a_size_the_network_takes(size: tuple[int, int]) -> None:
    check_size(model_spec("seaformer_t"), *size)


@pytest.mark.parametrize(
    ("size", "part"),
    [
        ((0, 512), "0x512"),
        ((512, -32), "512x-32"),
        ((8192, 512), "32 to 4096"),
        ((31, 512), "made for is 512x512"),
        ((16, 16), "32 to 4096"),
        ((512.0, 513), "whole numbers"),
    ],
)
def test_a_size_the_network_cannot_take_says_what_was_seen_and_what_it_takes(
    size: tuple[int, int], part: str
) -> None:
    with pytest.raises(ShapeError) as caught:
        check_size(model_spec("seaformer_t"), *size)
    assert part in f"{caught.value} {caught.value.hint}"


def test_a_model_has_at_least_one_class() -> None:
    with pytest.raises(UsageError, match="1 to 65,536 classes"):
        model_spec("seaformer_t", classes=-3)
    with pytest.raises(UsageError, match=r"not 9{57}\.\.\.\.$"):
        model_spec("seaformer_t", classes=int("9" * 300))


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


def test_listing_and_describing_models_does_not_import_torch() -> None:
    done = python(
        "import sys, seaformer.models as m; m.list_models(); m.model_spec('seaformer_t');"
        "m.from_variant('s'); m.zoo_entry('seaformer_l'); print('torch' in sys.modules)"
    )
    assert (done.stdout.strip(), done.stderr) == ("False", "")


def test_creating_a_model_without_torch_names_the_line_that_installs_it() -> None:
    done = python(
        "import sys\n"
        "class NoTorch:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'torch': raise ModuleNotFoundError('No torch', name=name)\n"
        "sys.meta_path.insert(0, NoTorch())\n"
        "import seaformer.models as m\n"
        "from seaformer.core.errors import MissingExtra\n"
        "try: m.create_model('seaformer_t')\n"
        "except MissingExtra as error: print(error, error.hint)"
    )
    assert "torch is not installed" in done.stdout
    assert "pip install 'seaformer[export]'" in done.stdout
