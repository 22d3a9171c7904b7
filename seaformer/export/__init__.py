"""Formats: one file per format. Turns a model into an ``Artifact`` that was proved equal to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seaformer.core.registry import Registry, missing

if TYPE_CHECKING:
    from seaformer.export._pipeline import export_model as export_model

FORMATS = Registry("seaformer.export", noun="format", extra="export")

__all__ = ["FORMATS", "export_model"]


def __getattr__(name: str) -> object:
    """``export_model`` brings torch with it, so it is imported when it is first asked for.

    Raises ``MissingExtra`` where torch is not installed.
    """
    if name != "export_model":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from seaformer.export._pipeline import export_model
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "seaformer":
            raise
        raise missing(error.name, "an export", FORMATS.extra) from error
    return export_model
