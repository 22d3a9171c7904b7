"""``Recipe``: how a model is trained; one row of ``recipes.csv`` per official configuration.

Values are those of the official files, quirks included; ``corrected`` applies the rows of
``quirks.csv``, each with its reason. What all rows of a family share is its base below.

Sources: fudan-zvg/SeaFormer 9718d05, hustvl/TopFormer cc0f436, NVlabs/SegFormer, mmsegmentation
1.x, fudan-zvg/SETR 1361561, BR-IDL/PaddleViT 5ac7d89; detection is mmdetection's standard
schedule, of which the SeaFormer++ paper states only the length. The rows of generated sets are
ours.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib import resources
from typing import Any

from seaformer.core.errors import UsageError
from seaformer.core.registry import unknown

ALL, LABELLED = "all", "labelled"  # the pixels that a mean loss is divided by
STAGE, NETWORK = "stage", "network"  # over which layers stochastic depth grows


@dataclass(frozen=True)
class NameRule:
    """Parameters whose name contains ``part``: factors on learning rate and weight decay."""

    part: str
    lr: float = 1.0
    decay: float = 1.0


@dataclass(frozen=True)
class Schedule:
    """How the rate changes; ``schedules.rate`` computes it.

    ``kind``: ``poly`` (over iterations, ``power``, never below ``floor``) or ``step`` (times
    ``factor`` every ``every`` epochs, or at each of ``milestones``). Warm-up is linear over
    ``warmup`` iterations, or epochs where ``by_epoch``, from ``start`` times the rate, or from
    ``start`` itself where ``by_epoch``. ``noise_from`` is the share of the epochs after which the
    rate varies by up to ``noise``.
    """

    kind: str = "poly"
    power: float = 1.0
    floor: float = 0.0
    warmup: int = 1500
    start: float = 1e-6
    by_epoch: bool = False
    factor: float = 1.0
    every: float = 0.0
    milestones: tuple[int, ...] = ()
    noise_from: float = 1.0
    noise: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """One row. ``batch`` is the total of all processes; ``iterations`` or ``epochs`` is given.

    ``box`` is (long side, short side) that images are fitted into, ``crop`` (height, width).
    ``rules`` are looked up by official names, longest part first, and the first hit wins;
    ``undecayed`` leaves norms and biases out of weight decay. ``average``: the mean loss is over
    ``all`` pixels, or over those that are ``labelled``. ``depth_rule`` is whether stochastic depth
    grows within each ``stage`` or over the ``network``. ``randaugment`` is its magnitude, 0: none.
    ``pretrained``: it begins with a backbone trained on ImageNet. ``auxiliary`` is the factor of
    the loss of each auxiliary head, 0: there are none.
    """

    name: str = ""
    model: str = ""
    file: str = ""
    iterations: int = 0
    epochs: int = 0
    batch: int = 16
    lr: float = 1e-4
    box: tuple[int, int] = (2048, 512)
    crop: tuple[int, int] = (512, 512)
    classes: int = 150
    every: int = 4000
    optimiser: str = "adamw"
    weight_decay: float = 0.01
    momentum: float = 0.9
    eps: float = 1e-8
    rules: tuple[NameRule, ...] = ()
    undecayed: bool = False
    schedule: Schedule = Schedule()
    average: str = ALL
    dropout: float = 0.1
    stochastic_depth: float = 0.1
    depth_rule: str = STAGE
    clip: float = 0.0
    auxiliary: float = 0.0
    ema: float = 0.0
    smoothing: float = 0.0
    mixup: float = 0.0
    erase: float = 0.0
    randaugment: float = 0.0
    distort: bool = True
    ratios: tuple[float, float] = (0.5, 2.0)
    aligned: bool = False
    pretrained: bool = True


@dataclass(frozen=True)
class Quirk:
    """What an official recipe does by mistake: with ``--corrected`` ``field`` becomes ``value``."""

    recipes: str
    field: str
    value: Any
    reason: str


_HEAD = NameRule("head", lr=10.0)
_SEAFORMER = Recipe(
    rules=(NameRule("pos_emb", decay=0.0), NameRule("norm", decay=0.0), _HEAD),
)
_SEGFORMER = Recipe(
    rules=(NameRule("pos_block", decay=0.0), NameRule("norm", decay=0.0), _HEAD),
    depth_rule=NETWORK,
)
_SETR = Recipe(
    optimiser="sgd",
    weight_decay=0.0,
    rules=(_HEAD,),
    schedule=Schedule(power=0.9, floor=1e-4, warmup=0),
    stochastic_depth=0.0,
    auxiliary=0.4,
)
_SYNTH = replace(_SEAFORMER, undecayed=True, average=LABELLED, pretrained=False, stochastic_depth=0)
_IMAGENET = Recipe(
    optimiser="rmsprop_tf",
    weight_decay=2e-5,
    eps=1e-3,
    undecayed=True,
    schedule=Schedule(
        kind="step", warmup=10, start=1e-6, by_epoch=True, factor=0.973, every=2.4,
        noise_from=0.42, noise=0.67,
    ),
    dropout=0.0,
    ema=0.9999,
    smoothing=0.1,
    erase=0.2,
    randaugment=9.0,
    pretrained=False,
)  # fmt: skip
_DETECTION = Recipe(
    optimiser="sgd",
    weight_decay=1e-4,
    schedule=Schedule(kind="step", warmup=500, start=1e-3, factor=0.1, milestones=(8, 11)),
    dropout=0.0,
    stochastic_depth=0.0,
    clip=35.0,
    distort=False,
)
BASES = {
    "seaformer": _SEAFORMER,
    "topformer": replace(
        _SEAFORMER,
        rules=(NameRule("absolute_pos_embed", decay=0.0), NameRule("norm", decay=0.0), _HEAD),
    ),
    "segformer": _SEGFORMER,
    "segformer_paddlevit": replace(_SEGFORMER, rules=(_HEAD,), clip=1.0),
    "setr": _SETR,
    "setr_paddlevit": replace(_SETR, clip=1.0),
    "imagenet": _IMAGENET,
    "detection": _DETECTION,
    "synth": replace(_SYNTH, rules=(NameRule("pos_emb", decay=0.0),)),
    "synth_boxes": replace(
        _DETECTION, optimiser="adamw", schedule=Schedule(warmup=100, start=1e-3), pretrained=False
    ),
    "synth_classes": replace(
        _SYNTH, rules=(NameRule("pos_emb", decay=0.0),), dropout=0.0, smoothing=0.1
    ),
}
_ALIGNED = ("seaformer*.ade20k*", "topformer*.ade20k*", "segformer_b?.ade20k*", "*.synth")
# Models without a row of their own, and whose rows are theirs; the first that has one is taken.
_ALIASES = (
    (r"^seaformer(?:pp)?_([tsbl])(?:_\w+)?\.", r"seaformer_\1."),
    (r"^topformer_([tsb])_light\.", r"topformer_\1."),
    (r"^segformer_(b\d)\.", r"segformer_\1_mmseg."),
    (r"^(setr_[a-z]+)_[tsb]\.", r"\1_l."),
)
_PARSERS: dict[str, Callable[[str], Any]] = {
    "iterations": int,
    "epochs": int,
    "batch": int,
    "classes": int,
    "every": int,
    "lr": float,
    "mixup": float,
    "clip": float,
    "box": lambda text: tuple(map(int, text.split("x"))),
    "crop": lambda text: tuple(map(int, text.split("x"))),
    "undecayed": lambda text: text == "true",
    "average": str,
}


@functools.cache
def recipes() -> dict[str, Recipe]:
    """Every row by name, ``MODEL-NxM``: N images on each of M devices."""
    return {row["recipe"]: _recipe(row) for row in _rows("recipes.csv")}


def _recipe(row: dict[str, str]) -> Recipe:
    fields = {key: parse(row[key]) for key, parse in _PARSERS.items() if row.get(key)}
    base = BASES[row["base"]]
    if row["warmup"]:
        fields["schedule"] = replace(base.schedule, warmup=int(row["warmup"]))
    aligned = any(fnmatchcase(row["model"], pattern) for pattern in _ALIGNED)
    return replace(
        base, name=row["recipe"], model=row["model"], file=row["file"], aligned=aligned, **fields
    )


def recipe_of(model: str, name: str = "") -> Recipe:
    """The recipe called ``name``, or the first row of a model (that with the smallest batch).

    A model without a row takes that of the model it is a variant of: SeaFormer++ and its students
    SeaFormer's, SegFormer on Cityscapes mmsegmentation's. Raises ``UnknownName`` for an unknown
    name, ``UsageError`` for a model without recipe.
    """
    if name:
        if name not in recipes():
            names = [row.name for row in recipes_of(model)]
            raise unknown("recipe", name, names or recipes())
        return recipes()[name]
    own = recipes_of(model)
    if not own:
        raise UsageError(
            f"{model} has no official recipe.",
            hint="Name one with --recipe: seaformer_t.ade20k-2x8; docs/training.md has more.",
        )
    return own[0]


def recipes_of(model: str) -> tuple[Recipe, ...]:
    """The rows of a model, or of the model it is a variant of."""
    names = [model, *(re.sub(old, new, model) for old, new in _ALIASES)]
    for name in names:
        if rows := tuple(row for row in recipes().values() if row.model == name):
            return rows
    return ()


@functools.cache
def quirks() -> tuple[Quirk, ...]:
    """Every quirk of the official recipes."""
    return tuple(
        Quirk(row["recipes"], row["field"], _PARSERS[row["field"]](row["value"]), row["reason"])
        for row in _rows("quirks.csv")
    )


def quirks_of(recipe: Recipe) -> tuple[Quirk, ...]:
    """The quirks of one recipe: those that ``corrected`` would change."""
    return tuple(
        quirk
        for quirk in quirks()
        if fnmatchcase(recipe.name, quirk.recipes) and getattr(recipe, quirk.field) != quirk.value
    )


def corrected(recipe: Recipe) -> Recipe:
    """The recipe without its quirks."""
    changes = {quirk.field: quirk.value for quirk in quirks_of(recipe)}
    return replace(recipe, **changes)


def _rows(name: str) -> list[dict[str, str]]:
    source = resources.files("seaformer.training") / name
    return list(csv.DictReader(source.read_text(encoding="utf-8").splitlines()))
