"""``seaformer cache``: what can be made again, how large it is, and away with it."""

from __future__ import annotations

from typing import Annotated

import typer

from seaformer.commands import _complete
from seaformer.commands._options import AsJson, Yes
from seaformer.commands._print import (
    agreed,
    next_step,
    notice,
    print_json,
    say,
    show,
)

app = typer.Typer(help="Show or clear what can be made again: exports, builds, downloads.")


@app.callback(invoke_without_command=True)
def sizes(context: typer.Context, as_json: AsJson = False) -> None:
    """Show what is kept in the cache folder, and its size by kind."""
    from seaformer.core import codec, files
    from seaformer.core.cache import cache_kinds
    from seaformer.report.listing import cache_page

    if context.invoked_subcommand is not None:
        return
    kinds = cache_kinds()
    if as_json:
        print_json([codec.to_json(kind) for kind in kinds])
        return
    show(cache_page(files.cache_dir(), kinds))
    if kinds:
        next_step(f"seaformer cache clear {kinds[0].name}")


@app.command()
def clear(
    kind: Annotated[
        str,
        typer.Argument(
            help="artifacts, runner, ...; all when absent", autocompletion=_complete.cache_kinds
        ),
    ] = "",
    yes: Yes = False,
) -> None:
    """Delete one kind of content, or all; asks first. What is needed is made or fetched again."""
    from seaformer.core.cache import clear as delete
    from seaformer.core.cache import find_kinds

    kinds = find_kinds(kind)
    size = sum(each.size_bytes for each in kinds)
    names = ", ".join(each.name for each in kinds)
    if not kinds:
        say("Nothing to delete.")
        return
    if not (yes or agreed(f"Delete {size / 1e6:.1f} MB ({names})?")):
        notice("Nothing was deleted. --yes deletes without asking.")
        return
    for each in kinds:
        delete(each)
    say(f"{size / 1e6:.1f} MB deleted ({names}).")
