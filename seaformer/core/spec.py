"""``ModelSpec``: what a model is called, what goes in and out, and which row of the paper it is.

No module and no path is held here. The paper is SeaFormer++ (Wan et al.), the tables are in
``core/paper/*.csv``.
"""

from __future__ import annotations

from dataclasses import dataclass

from seaformer.core.precision import find_precision

SEEDED = "seeded"
CHECKPOINT, AVERAGED, WITH_BACKBONE = "sha256:", "+ema", "+backbone-sha256:"


@dataclass(frozen=True)
class PaperRow:
    """One row of a table of the paper; a figure the paper does not give is ``None``.

    ``flops_g`` counts a multiply-accumulate as one (10^9), ``latency_ms`` is one core of a
    Snapdragon 865 with TNN, FP32, logits at the head's own resolution.
    """

    table: str
    label: str
    params_m: float | None = None
    flops_g: float | None = None
    latency_ms: float | None = None
    latency_fp16_ms: float | None = None
    metric: str = ""
    metric_value: float | None = None

    def latency_in(self, precision: str) -> float | None:
        """The latency in ms in that precision, where the paper gives one."""
        field = find_precision(precision).paper_latency
        latency_ms: float | None = getattr(self, field) if field else None
        return latency_ms


@dataclass(frozen=True)
class ModelSpec:
    """A model by name: ``family_size.tag``, the tag being the weights' data set.

    ``input_shape`` is (1, 3, H, W), of a file without a manifest any shape. ``output_shape`` is
    (1, classes, h, w) for segmentation, at the head's own resolution, (1, classes) for
    classification and (1, classes, anchors) for detection, where boxes (1, 4, anchors) are a
    second output. ``weights`` is ``seeded:<seed>`` or ``sha256:<digest of the checkpoint>``; with
    ``+ema`` its averaged weights, ``seeded:<seed>+backbone-sha256:<digest>`` where a file filled
    the backbone. The network pads the image to sides that are multiples of ``size_step``.
    """

    name: str
    family: str
    task: str
    dataset: str
    classes: int
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    weights: str = f"{SEEDED}:0"
    paper: PaperRow | None = None
    size_step: int = 1

    @property
    def height(self) -> int:
        return self.input_shape[2]

    @property
    def width(self) -> int:
        return self.input_shape[3]
