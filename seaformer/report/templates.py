"""Documents from templates: Jinja2, with every value that is put into one escaped.

    html("page.html", page)
    markdown("seaformer.report", "report.md.j2", page)

A value in HTML is text and never an element or an attribute; one in Markdown shows exactly its
characters, on one line. Autoescape is on, and an undefined name is an error (``StrictUndefined``).
``Markup`` alone is put in as it is: what a template or ``html/markup`` has escaped already. A
template gets one noun, ``page``.

Markdown templates are in the ``templates/`` of the package that fills them, those of report in
``renderers/templates/``, whose grids every one may use.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from seaformer.report import words
from seaformer.report.html import svg

_SHARED = PackageLoader("seaformer.report", "renderers/templates")
_MARKS = re.compile(r"([\\`*\[\]|~]|^#)")
_SPECIAL = re.compile(r"[\\`*\[\]|~#_&<>]")  # nothing is escaped in a text without them
_ENDS = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


_HTML = PackageLoader("seaformer.report", "html/templates")


@dataclass(frozen=True)
class Grid:
    """A table of text: the names of its columns, and as many cells in each line."""

    header: Sequence[str]
    lines: Sequence[Sequence[str]]


def html(name: str, page: object) -> str:
    """The template ``name`` of ``html/templates/``, filled with ``page``."""
    return _html().get_template(name).render(page=page)


def markdown(package: str, name: str, page: object) -> str:
    """The template ``name`` of ``package``, filled with ``page``."""
    return _markdown(package).get_template(name).render(page=page)


def cell(text: str) -> Markup:
    """``text`` as Markdown that shows exactly these characters, on one line."""
    plain = words.clean(text)
    if not _SPECIAL.search(plain):
        return Markup(plain)
    plain = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Markup(_ENDS.sub(r"\\_", _MARKS.sub(r"\\\1", plain)))


def cells(line: Iterable[str]) -> Markup:
    """A line of a table, without the bars at its ends."""
    return Markup(" | ".join(map(cell, line)))


def code(text: str) -> Markup:
    """``text`` inside a code span, which has no escapes."""
    return Markup(words.clean(text).replace("`", "'"))


@lru_cache
def _html() -> Environment:
    environment = _environment(_HTML, words.printable)
    environment.filters["mark"] = svg.sign
    return environment


@lru_cache
def _markdown(package: str) -> Environment:
    own = _SHARED.package_name == package
    loader = _SHARED if own else ChoiceLoader([PackageLoader(package), _SHARED])
    environment = _environment(loader, cell)
    environment.filters |= {"cells": cells, "code": code, "runtime": words.runtime}
    return environment


def _environment(loader: BaseLoader, shown: Callable[[str], str]) -> Environment:
    """``shown`` makes text of this markup from a value that is none yet."""
    return Environment(
        loader=loader,
        autoescape=True,
        finalize=lambda value: value if isinstance(value, Markup) else shown(str(value)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
