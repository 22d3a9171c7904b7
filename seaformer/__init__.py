"""From a mobile vision model's definition to a latency that can be trusted.

    import seaformer
    model = seaformer.create_model("seaformer_t.ade20k")
    artifact = seaformer.export_model("seaformer_t.ade20k", format="executorch", out="artifacts")
    outputs = seaformer.load_session(artifact).run([image])
    measured = seaformer.bench(artifact)
    seaformer.report()

Everything is imported when it is first used: ``import seaformer`` costs nothing and needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seaformer.api import bench as bench
    from seaformer.api import compare as compare
    from seaformer.api import estimate as estimate
    from seaformer.api import evaluate as evaluate
    from seaformer.api import report as report
    from seaformer.evaluation.pictures import predict as predict
    from seaformer.export import export_model as export_model
    from seaformer.models import create_model as create_model
    from seaformer.models import list_models as list_models
    from seaformer.runtime import load_session as load_session
    from seaformer.training.loop import TrainPlan as TrainPlan
    from seaformer.training.loop import train as train

__version__ = "0.1.0"
__all__ = [
    "TrainPlan",
    "__version__",
    "bench",
    "compare",
    "create_model",
    "estimate",
    "evaluate",
    "export_model",
    "list_models",
    "load_session",
    "predict",
    "report",
    "train",
]

_VERBS = ("bench", "compare", "estimate", "report")  # packages that can be called: core/verb.py
_HOMES = {
    "create_model": "seaformer.models",
    "evaluate": "seaformer.api",
    "list_models": "seaformer.models",
    "export_model": "seaformer.export",
    "load_session": "seaformer.runtime",
    "predict": "seaformer.evaluation.pictures",
    "train": "seaformer.training.loop",
    "TrainPlan": "seaformer.training.loop",
}


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'seaformer' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
