"""Records of evaluations, made up."""

from __future__ import annotations

from typing import Any

from seaformer.core.accuracy import SCHEMA, Accuracy


def accuracy(number: int = 1, **changes: Any) -> Accuracy:
    fields: dict[str, Any] = {
        "schema": SCHEMA,
        "id": f"20261129T0900{number:02d}000-0000000{number}",
        "created_at": f"2026-11-29T09:00:{number:02d}+00:00",
        "model": "seaformer_t.synth",
        "input_shape": (1, 3, 128, 128),
        "format": "onnx",
        "precision": "fp32",
        "scope": "logits",
        "data": "shapes",
        "dataset": "ade20k",
        "split": "val",
        "task": "segmentation",
        "mode": "whole",
        "images": 40,
        "miou": 40.0,
        "miou_low": 38.5,
        "miou_high": 41.25,
        "iou": {"sky": 80.0, "grass": 0.0},
    }
    return Accuracy(**fields | changes)
