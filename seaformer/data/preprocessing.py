"""Which normalisation each model of the zoo takes, and how its recipe resizes images.

Rows are matched by the model's name, the first that fits. The values are those of the recipes that
the published weights were trained by; where those state none, no rule of evaluation is given.
"""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase

from seaformer.core.preprocessing import FLOAT, Preprocessing
from seaformer.core.spec import ModelSpec
from seaformer.data.official import official_test

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

_IMAGENET_TEST = "bicubic, shorter side to 256, then the central 224x224"


def preprocessing_of(spec: ModelSpec, input: str = FLOAT) -> Preprocessing:
    """What a model of the zoo takes, with a file that takes ``input``."""
    own = next(row for pattern, row in _NORMALISATION if fnmatchcase(spec.name, pattern))
    rule = str(official_test(spec.name, spec.dataset))
    if fnmatchcase(spec.name, "seaformer*.imagenet"):
        rule = _IMAGENET_TEST
    return replace(own, evaluation=rule, input=input)
