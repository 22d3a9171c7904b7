"""Which normalisation each model of the zoo takes, and how its recipe resizes images.

Rows are matched by the model's name, the first that fits. The values are those of the recipes that
the published weights were trained by; where those state none, no rule of evaluation is given.
"""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase

from seaformer.core.preprocessing import FLOAT, Preprocessing
from seaformer.core.spec import ModelSpec

IMAGENET = Preprocessing(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))

_NORMALISATION = (
    # The library's MobileViT takes BGR from 0 to 1.
    ("mobilevit*", Preprocessing((0.0, 0.0, 0.0), (255.0, 255.0, 255.0), "BGR")),
    *((f"mobilenetv2_{size}.*", IMAGENET) for size in ("100_torchvision", "fcn", "psp")),
    ("mobilenetv[12]*", Preprocessing((127.5, 127.5, 127.5), (127.5, 127.5, 127.5))),
    # EfficientNet was trained with the roots of ImageNet's deviations: 255 * sqrt(0.229), ...
    ("efficientnet*", replace(IMAGENET, std=(122.02756, 120.68803, 120.95712))),
    ("*", IMAGENET),
)

_WITHIN = "bilinear, keeping the aspect ratio, within {} (longer side, shorter side)"
_STEPS = ", then each side up to a multiple of 32"
_WINDOWS = _WITHIN + ", in windows of {} every {} pixels"
_ADE20K = _WITHIN.format("2048x512")
_CONTEXT = _WITHIN.format("520x520")
_TO_224 = "bicubic, shorter side to 256, then the central 224x224"
_LIGHT = ("seaformer*", "topformer*")
_EVALUATION = (
    *((f"{family}.ade20k_448", _WITHIN.format("2048x448") + _STEPS) for family in _LIGHT),
    *((f"{family}.ade20k", _ADE20K + _STEPS) for family in _LIGHT),
    *((f"{family}.coco_stuff", _ADE20K) for family in _LIGHT),
    *((f"{family}.cityscapes", _WITHIN.format("2048x1024")) for family in _LIGHT),
    *((f"{family}.cityscapes_half", _WITHIN.format("1024x512")) for family in _LIGHT),
    *((f"{family}.pascal_context*", _CONTEXT) for family in _LIGHT),
    ("seaformer*.imagenet", _TO_224),
    ("pp_mobileseg_*.ade20k", _ADE20K + _STEPS),
    ("segformer_*_paddlevit.*", ""),
    ("segformer_*_mmseg.ade20k", _ADE20K),
    ("segformer_*.ade20k_640", _WITHIN.format("2048x640") + _STEPS),
    ("segformer_*.ade20k", _ADE20K + _STEPS),
    ("segformer_*.cityscapes_1024", _WINDOWS.format("2048x1024", "1024x1024", 768)),
    ("setr_*_paddlevit.*", ""),
    ("setr_*.ade20k", _WINDOWS.format("2048x512", "512x512", 341)),
    ("setr_*.cityscapes_768", _WINDOWS.format("2049x1025", "768x768", 512)),
    ("setr_*.pascal_context", _WINDOWS.format("520x520", "480x480", 320)),
)


def preprocessing_of(spec: ModelSpec, input: str = FLOAT) -> Preprocessing:
    """What a model of the zoo takes, with a file that takes ``input``."""
    own = next(row for pattern, row in _NORMALISATION if fnmatchcase(spec.name, pattern))
    rules = (rule for pattern, rule in _EVALUATION if fnmatchcase(spec.name, pattern))
    return replace(own, evaluation=next(rules, ""), input=input)
