"""Renderers: a file per kind of document a report becomes, found by the registry.

A public file of this folder is an entry, with these two names (``Renderer``):

    FILES             the files it may make, relative to the results folder; () for a printed one
    render(report)    those documents by name, or what is printed under ``STDOUT``

A new file is written by ``seaformer report`` from then on. A printed one (a terminal, the summary
of a CI job) has nothing to write; a command that prints it asks it by its own function, which takes
what a document has no need of: a width, the room that is left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol, cast

from seaformer.core.registry import Registry

if TYPE_CHECKING:
    from seaformer.report.table import Report

RENDERERS = Registry("seaformer.report.renderers", noun="renderer")
STDOUT = "-"


class Renderer(Protocol):
    """What a public file of this folder has."""

    FILES: tuple[str, ...]

    def render(self, report: Report) -> Mapping[str, str]:
        """Documents by name; the same report gives the same bytes."""


def renderer(name: str) -> Renderer:
    """One entry by its name. Raises ``UnknownName`` with the nearest known one."""
    return cast(Renderer, RENDERERS.load(name))


def file_names() -> list[str]:
    """Every file that the renderers may make, whether or not there is something for it."""
    return [file for name in RENDERERS.names() for file in renderer(name).FILES]


def documents(report: Report) -> Iterator[tuple[str, str]]:
    """Name and text of every file the renderers make of ``report``."""
    for name in RENDERERS.names():
        entry = renderer(name)
        if entry.FILES:
            yield from entry.render(report).items()
