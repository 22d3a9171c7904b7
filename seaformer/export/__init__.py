"""Formats: one file per format. Turns a model into an ``Artifact`` that was proved equal to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seaformer.core.registry import Registry, lazy_attribute

if TYPE_CHECKING:
    from seaformer.export._arguments import export_model as export_model
    from seaformer.export._bisect.search import bisect_request as bisect_request
    from seaformer.export._cache import cache_folder as cache_folder
    from seaformer.export._cache import cache_key as cache_key
    from seaformer.export._cache import cached_export as cached_export
    from seaformer.export._cache import check_exporter as check_exporter
    from seaformer.export._cache import find_export as find_export
    from seaformer.export._cache import sources_digest as sources_digest
    from seaformer.export._pipeline import export_request as export_request
    from seaformer.export._subject import module_name as module_name
    from seaformer.export._workers import Outcome as Outcome
    from seaformer.export._workers import export_all as export_all
    from seaformer.export._workers import failure as failure

FORMATS = Registry("seaformer.export", noun="format", extra="export")

__all__ = [
    "FORMATS",
    "Outcome",
    "bisect_request",
    "cache_folder",
    "cache_key",
    "cached_export",
    "check_exporter",
    "export_all",
    "export_model",
    "export_request",
    "failure",
    "find_export",
    "module_name",
    "sources_digest",
]

_HOMES = {  # the pipeline brings torch with it, so nothing is imported before it is asked for
    "_cache": (
        "cache_folder",
        "cache_key",
        "cached_export",
        "check_exporter",
        "find_export",
        "sources_digest",
    ),
    "_arguments": ("export_model",),
    "_bisect.search": ("bisect_request",),
    "_pipeline": ("export_request",),
    "_subject": ("module_name",),
    "_workers": ("Outcome", "export_all", "failure"),
}


def __getattr__(name: str) -> object:
    """Raises ``MissingExtra`` where torch is not installed and an export needs it."""
    home = next((module for module, names in _HOMES.items() if name in names), "")
    if not home:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return lazy_attribute(f"{__name__}.{home}", name, "an export", FORMATS.extra)
