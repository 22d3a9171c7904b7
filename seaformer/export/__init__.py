"""Formats: one file per format. Turns a model into an ``Artifact`` that was proved equal to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seaformer.core.registry import Registry

if TYPE_CHECKING:
    from seaformer.export._pipeline import export_model as export_model

FORMATS = Registry("seaformer.export", noun="format", extra="export")

__all__ = ["FORMATS", "export_model"]


def __getattr__(name: str) -> object:
    """``export_model`` brings torch with it, so it is imported when it is first asked for."""
    if name != "export_model":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from seaformer.export._pipeline import export_model

    return export_model
