"""One measurement by what a person typed: a file, an id, the beginning of one, or a short id.

A measurement's id is its time and eight random hex digits (``20260729T101112345-5f0c2a91``). The
short id is the beginning of those digits, as long as it takes to keep all stored ones apart. The
id inside a file counts, not the file's name.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from seaformer.core import files
from seaformer.core.errors import UnknownName
from seaformer.core.measurement import Measurement
from seaformer.core.plural import counted
from seaformer.store.index import Listing, list_results
from seaformer.store.results import read_run

_FORM = re.compile(r"\d{8}T\d{9}-([0-9a-f]{8})")
_SHORTEST = 4
_HINT = "List all ids with: seaformer results list"


def short_ids(ids: Iterable[str]) -> dict[str, str]:
    """A short name for each id that ``find_run`` accepts, all of one length.

    An id of another form, or whose digits another id has too, stays whole.
    """
    tokens = {one: _token(one) for one in ids}
    uses = Counter(tokens.values())
    ordered = sorted(uses)
    shared = max(map(_shared, ordered, ordered[1:]), default=0)
    length = max(_SHORTEST, shared + 1)
    return {
        one: token[:length] if token and uses[token] == 1 else one for one, token in tokens.items()
    }


def find_run(root: Path, which: str) -> tuple[Path, Measurement]:
    """The run file that ``which`` means, and the measurement in it.

    Raises ``UnknownName`` when there is none or more than one, ``CorruptArtifact`` when it cannot
    be read.
    """
    path = files.expanded(which)
    if not path.is_file():
        listing = list_results(root)
        matches = _matches(listing, which) or _damaged(listing, which)
        if len(matches) != 1:
            count = (
                counted(len(matches), "measurement begins", "measurements begin") + " with"
                if matches
                else "No measurement has"
            )
            raise UnknownName(f"{count} the id {which!r} under {root}.", hint=_HINT)
        path = root / matches[0]
    return path, read_run(path, str(path))


def _matches(listing: Listing, which: str) -> Sequence[str]:
    """Paths of the runs with this id; without any, this short id, or an id that begins so."""
    entries = listing.entries if which else ()
    tests = (
        lambda one: one == which,
        lambda one: len(which) >= _SHORTEST and _token(one).startswith(which),
        lambda one: one.startswith(which),
    )
    for test in tests:
        paths = [entry.path for entry in entries if test(entry.id)]
        if paths:
            return paths
    return ()


def _damaged(listing: Listing, which: str) -> Sequence[str]:
    """Damaged files whose name begins so: reading one gives the reason."""
    names = ((file.path, PurePosixPath(file.path).name) for file in listing.damaged)
    return [path for path, name in names if which and name.startswith(which)]


def _token(one: str) -> str:
    """The random digits of an id; nothing of an id of another form."""
    form = _FORM.fullmatch(one)
    return form[1] if form else ""


def _shared(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    alike = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return len(list(alike))
