"""Values that a shell completes: models, formats, precisions, scopes, inputs, devices, ids.

Called by the shell at each press of a key, so nothing heavy is imported and no error is shown.
"""

from __future__ import annotations

from collections.abc import Iterable

import typer


def models(incomplete: str) -> list[str]:
    """Full names, and bare ones that mean ADE20K; after a comma the next one."""
    from seaformer.core.zoo import entries

    names = list(entries())
    return _list(incomplete, [*dict.fromkeys(name.partition(".")[0] for name in names), *names])


def variants(incomplete: str) -> list[str]:
    sizes = ("t", "s", "b", "l")
    return _list(incomplete, [size + tail for tail in ("", "++", "++kd") for size in sizes])


def formats(incomplete: str) -> list[str]:
    from seaformer.core.engine import formats as names

    return _list(incomplete, names())


def precisions(incomplete: str) -> list[str]:
    from seaformer.core.precision import names

    return _list(incomplete, names())


def observers(incomplete: str) -> list[str]:
    from seaformer.core.quantization import OBSERVERS

    return _list(incomplete, OBSERVERS)


def cpus(incomplete: str) -> list[str]:
    from seaformer.core.quantization import CPUS

    return _beginning(incomplete, CPUS)


def scopes(incomplete: str) -> list[str]:
    from seaformer.core.artifact import SCOPES

    return _beginning(incomplete, SCOPES)


def tails(incomplete: str) -> list[str]:
    from seaformer.core.plan import TAILS

    return _beginning(incomplete, TAILS)


def axes(incomplete: str) -> list[str]:
    from seaformer.core.free import AXES

    return _list(incomplete, AXES)


def inputs(incomplete: str) -> list[str]:
    from seaformer.core.preprocessing import INPUTS

    return _beginning(incomplete, INPUTS)


def devices(incomplete: str) -> list[str]:
    from seaformer.core.cpu import emulated_cores

    cores = [f"emulator:{core.qemu}" for core in emulated_cores()]
    return _beginning(incomplete, ["host", "emulator", *cores, "phone", "all", "ssh:"])


def paper_tables(incomplete: str) -> list[str]:
    from seaformer.reproduce.plan import TABLES

    return _beginning(incomplete, TABLES)


def cache_kinds(incomplete: str) -> list[str]:
    from seaformer.core.cache import cache_kinds as kinds

    return _beginning(incomplete, [kind.name for kind in kinds()])


def results(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids of stored measurements, newest first, each with what it is of."""
    from seaformer.store.index import list_results
    from seaformer.store.results import results_dir

    root = results_dir(context.params.get("results") or None)
    entries = reversed(list_results(root).entries)
    return [
        (entry.id, f"{entry.model} {entry.size} {entry.format} {entry.precision} {entry.device}")
        for entry in entries
        if entry.id.startswith(incomplete)
    ]


def _list(incomplete: str, names: Iterable[str]) -> list[str]:
    """Completions of the last one of a list with commas; the others stay before it."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _beginning(last, names)]


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
