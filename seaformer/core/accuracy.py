"""``Accuracy``: how right one model or file was on one data set; a record beside measurements.

One JSON file per record under ``results/accuracy`` holds exactly this noun (``store/accuracy.py``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

SCHEMA = 1
FOLDER = "accuracy"
MIOU, TOP1, AP = "mIoU", "top-1", "AP"
METRICS = (MIOU, TOP1, AP)


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """One evaluation. Figures are in per cent; ``None`` for what the task has not.

    ``format``, ``artifact_file`` and ``artifact_sha256`` are empty for a network that was not
    exported; ``weights`` are as in ``ModelSpec``. ``data`` is the name of the data set's folder,
    ``dataset`` its layout, ``mode`` how images were fed. ``miou_low`` to ``miou_high`` is the 95 %
    interval over images. ``iou`` is by class. ``device`` is the id of where it ran, empty here.
    """

    schema: int
    id: str
    created_at: str
    model: str
    input_shape: tuple[int, ...]
    format: str = ""
    precision: str = ""
    scope: str = ""
    weights: str = ""
    artifact_file: str = ""
    artifact_sha256: str = ""
    data: str = ""
    dataset: str = ""
    split: str = ""
    task: str = ""
    mode: str = ""
    images: int
    skipped: int = 0
    miou: float | None = None
    miou_low: float | None = None
    miou_high: float | None = None
    macc: float | None = None
    aacc: float | None = None
    iou: Mapping[str, float] = field(default_factory=dict)
    top1: float | None = None
    top5: float | None = None
    ap: float | None = None
    device: str = ""
    command: str = ""
    commit: str = ""

    @property
    def metric(self) -> str:
        """What its task is judged by: mIoU, top-1 or AP; empty where it has no figure."""
        return next((name for name in METRICS if self._figure(name) is not None), "")

    @property
    def value(self) -> float | None:
        """The figure of ``metric``."""
        return self._figure(self.metric) if self.metric else None

    def _figure(self, name: str) -> float | None:
        value = {MIOU: self.miou, TOP1: self.top1, AP: self.ap}[name]
        return value if value is not None and math.isfinite(value) else None
