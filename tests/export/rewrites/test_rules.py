"""Every rule has a name of its own and a reason, is an equal function, and can be left out."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from seaformer.core.engine import engine_of, engines
from seaformer.core.errors import UnknownName
from seaformer.core.precision import BASE, find_precision
from seaformer.export import export_model
from seaformer.export._named import load_named
from seaformer.export.rewrites import (
    FAMILIES,
    check_rules,
    list_graph_rules,
    list_rules,
    select_rules,
)
from seaformer.export.rewrites._apply import rewrite
from seaformer.export.rewrites._rule import Rule
from seaformer.models import create_model

# A model that has modules of the rule's kind, and a size at which all of them have work.
EXAMPLES = {
    "bicubic-resize": ("efficientvit_b0", (64, 96)),
    "fold-batch-norm": ("seaformer_t", (64, 96)),
    "fold-padded-batch-norm": ("mobilenetv1_x025.imagenet", (64, 96)),
    "free-adaptive-pool": ("tests.nets:Sixteenths", (64, 96)),
    "free-grid-pool": ("mobilenetv2_psp", (64, 96)),
    "free-pyramid-pool": ("topformer_t", (96, 160)),
    "fusion-gate": ("seaformer_t", (64, 96)),
    "gelu-tanh": ("segformer_b0", (64, 64)),
    "grid-pool": ("mobilenetv2_psp", (64, 96)),
    "group-norm": ("mobilevitv2_050.imagenet_256", (64, 128)),
    "half-linear-attention": ("efficientvit_b0", (64, 96)),
    "injection-gate": ("topformer_t", (64, 96)),
    "layer-norm": ("segformer_b0", (64, 64)),
    "merged-qkv": ("seaformer_t_attention_local", (96, 160)),
    "learnt-tokens": ("mobileformer_96.imagenet", (64, 96)),
    "merged-weights": ("edgevit_xxs.imagenet", (64, 96)),
    "mobilevit-attention": ("mobilevit_xxs.imagenet_256", (64, 128)),
    "mobilevitv2-attention": ("mobilevitv2_050.imagenet_256", (64, 128)),
    "ncnn-attend": ("mobileformer_96.imagenet", (64, 96)),
    "ncnn-halved-image": ("seaformerpp_t_kd", (128, 192)),
    "ncnn-head-scale": ("seaformer_t", (64, 96)),
    "ncnn-largest": ("lvt_cls.imagenet", (64, 96)),
    "ncnn-linear-attention": ("efficientvit_b0", (64, 96)),
    "ncnn-mixed-heads": ("efficientformerv2_s0.imagenet", (64, 96)),
    "ncnn-plus-attention": ("seaformerpp_t", (128, 192)),
    "ncnn-sea-attention": ("seaformer_t", (64, 96)),
    "ncnn-simple-head-scale": ("topformer_t", (64, 96)),
    "ncnn-strided-depthwise": ("seaformer_t", (64, 96)),
    "ncnn-token-attention": ("topformer_t", (64, 96)),
    "nearest-double": ("seaformerpp_t.coco", (96, 160)),
    "offset-bias": ("efficientformerv2_s0.imagenet", (64, 96)),
    "padded-classes": ("seaformer_t", (64, 96)),
    "paddle-excite-gate": ("pp_mobileseg_t", (64, 96)),
    "plus-attention": ("seaformerpp_t", (128, 192)),
    "pyramid-pool": ("topformer_t", (96, 160)),
    "reduced-attention": ("segformer_b0", (64, 64)),
    "sea-attention": ("seaformer_t", (64, 96)),
    "silu": ("mobilevitv2_050.imagenet_256", (64, 128)),
    "squeeze-excite-gate": ("mobilenetv3_s.ade20k", (64, 96)),
    "token-positions": ("setr_naive_t", (64, 48)),
    "upsampling-gate": ("seaformerpp_t_kd", (128, 192)),
    "vit-attention": ("setr_naive_t", (64, 48)),
    "window-overlap": ("lvt_cls.imagenet", (64, 96)),
    "window-values": ("lvt_cls.imagenet", (64, 96)),
    "window-edges": ("seaformer_t_attention_local", (96, 160)),
}
# Only files in FP16 have these: 5e-4 per activation at most, and an epsilon of 1e-6.
APPROXIMATE = {"gelu-tanh": 1e-2, "half-linear-attention": 1e-2}
EXACT = 1e-10
KEPT = (
    "free-grid-pool",
    "grid-pool",
    "ncnn-strided-depthwise",
)  # which leave some modules of their kind as they are
RULES = pytest.mark.parametrize("rule", list_rules(), ids=lambda rule: str(rule.name))


@functools.cache
def model_of(name: str) -> nn.Module:
    """A model of the zoo, or a module of the tests where it has none with the layer.

    One for all tests of this file: a rewrite changes a copy.
    """
    return (load_named(name, 0) if ":" in name else create_model(name)).double()


def image(size: tuple[int, int]) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, 3, *size, generator=generator, dtype=torch.float64)


@functools.cache
def answers_of(name: str, size: tuple[int, int]) -> tuple[Tensor, ...]:
    """The outputs of that model for ``image``."""
    return _outputs(model_of(name), image(size))


def _outputs(network: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    with torch.no_grad():
        outputs = network(x)
    return outputs if isinstance(outputs, tuple) else (outputs,)


@functools.cache
def applied_to(name: str, size: tuple[int, int], rules: tuple[Rule, ...]) -> frozenset[str]:
    """Which of these rules find something in that model."""
    return frozenset(rewrite(model_of(name), image(size), rules).applied)


def difference(name: str, size: tuple[int, int], network: nn.Module) -> float:
    """The largest difference of any output, relative to its standard deviation."""
    pairs = zip(answers_of(name, size), _outputs(network, image(size)), strict=True)
    return max(float((a - b).abs().max() / a.std()) for a, b in pairs)


def test_names_are_unique_and_every_rule_has_an_example_and_a_reason() -> None:
    names = [rule.name for rule in list_rules()]
    assert sorted(names) == sorted(set(names)) == sorted(EXAMPLES)
    for rule in list_rules():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.name)
        assert re.fullmatch(r".{20,}[^.]", rule.reason), rule.name


def test_no_two_rules_of_one_stage_are_for_the_same_module() -> None:
    for engine in engines():
        for precision in (BASE, find_precision("fp16")):
            kinds = [(rule.stage, rule.kind) for rule in select_rules(engine, precision)]
            assert len(set(kinds)) == len(kinds)


def test_every_family_has_rules() -> None:
    every = len(list_rules()) + len(list_graph_rules())
    assert sum(len(FAMILIES.load(name).RULES) for name in FAMILIES.names()) == every
    assert all(FAMILIES.load(name).RULES for name in FAMILIES.names())


@RULES
def test_a_rule_alone_is_the_same_function_in_double_precision(rule: Rule) -> None:
    name, size = EXAMPLES[rule.name]
    model, x = model_of(name), image(size)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    result = rewrite(model, x, [rule])
    assert set(result.applied) == {rule.name}
    assert result.applied[rule.name] > 0
    assert not any(rule.matches(m) for m in result.network.modules()) or rule.name in KEPT
    assert difference(name, size, result.network) < APPROXIMATE.get(rule.name, EXACT)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@RULES
def test_a_rule_that_is_left_out_is_not_applied_and_the_others_are(rule: Rule) -> None:
    name, size = EXAMPLES[rule.name]
    engine, precision = engine_of(rule.engines[0] if rule.engines else "executorch"), BASE
    if rule.free:
        engine = engine_of("onnx")
    if not rule.applies(engine, precision, free=rule.free):
        precision = find_precision("fp16")
    every = applied_to(name, size, select_rules(engine, precision, free=rule.free))
    others = select_rules(engine, precision, [rule.name], free=rule.free)
    result = rewrite(model_of(name), image(size), others)
    assert every - set(result.applied) == {rule.name}
    assert set(result.applied) - every == set(rule.replaces)
    tolerance = max((APPROXIMATE.get(other, EXACT) for other in result.applied), default=EXACT)
    assert difference(name, size, result.network) < tolerance


def test_rules_for_one_backend_are_not_applied_for_engines_without_it() -> None:
    for rule in list_rules():
        for engine in engines():
            precisions = (BASE, find_precision("fp16"))
            applied = any(rule.applies(engine, p, free=rule.free) for p in precisions)
            delegated = not rule.delegates or engine.delegate in rule.delegates
            assert applied == (delegated and (not rule.engines or engine.name in rule.engines))


def test_a_file_of_free_sizes_has_no_rule_that_needs_one_and_the_other_way_round() -> None:
    for rule in list_rules():
        assert not (rule.sized and rule.free)
        for engine in engines():
            assert not (rule.sized and rule.applies(engine, BASE, free=True))
            assert not (rule.free and rule.applies(engine, BASE))


def test_classes_are_padded_where_that_pays_and_the_output_keeps_its_shape() -> None:
    def padded(format: str, precision: str, classes: int) -> bool:
        net = create_model("seaformer_t", size=(64, 64), classes=classes).eval()
        image = torch.zeros(1, 3, 64, 64)
        rules = [
            rule
            for rule in select_rules(engine_of(format), find_precision(precision))
            if rule.name == "padded-classes"
        ]
        rewritten = rewrite(net, image, tuple(rules))
        with torch.no_grad():
            assert rewritten.network(image).shape == (1, classes, 8, 8)
        return "padded-classes" in rewritten.applied

    assert padded("executorch", "fp32", 150)
    assert padded("executorch", "fp32", 171)
    assert not any(padded("executorch", "fp32", classes) for classes in (19, 152))
    assert not any(padded(*each, 150) for each in (("executorch", "fp16"), ("executorch", "int8")))
    assert not padded("onnx", "fp32", 150)


def test_an_unknown_rule_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match="rewrite 'sea-atention'") as caught:
        check_rules(["fusion-gate", "sea-atention"])
    assert caught.value.hint == "Did you mean sea-attention?"


@pytest.mark.slow
def test_a_file_without_a_rewrite_has_a_name_and_a_manifest_of_its_own(tmp_path: Path) -> None:
    whole = export_model("seaformer_t", format="onnx", size=(64, 64), out=tmp_path)
    left_out = ["sea-attention", "fusion-gate"]
    parted = export_model(
        "seaformer_t", format="onnx", size=(64, 64), no_rewrite=left_out, out=tmp_path
    )
    assert parted.file == "seaformer_t.ade20k__64x64__fp32__no-fusion-gate+sea-attention.onnx"
    assert (whole.no_rewrite, parted.no_rewrite) == ((), ("fusion-gate", "sea-attention"))
    assert whole.rewrites["sea-attention"] == 4
    assert whole.rewrites["fusion-gate"] == 2
    assert set(parted.rewrites) == {"fold-batch-norm"}
    assert parted.operators["HardSigmoid"] == 2 + 4  # fusion blocks and attention
    assert "HardSigmoid" not in whole.operators


def test_an_unknown_rewrite_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="rewrite 'gate'"):
        export_model("seaformer_t", format="onnx", no_rewrite=["gate"], out=tmp_path)
    assert list(tmp_path.iterdir()) == []
