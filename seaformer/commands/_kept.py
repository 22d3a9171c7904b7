"""What was measured and could not be stored: on a full disk, or in a folder that is read-only."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path
from typing import Any

from seaformer.commands._print import notice, print_json


def keep_elsewhere(noun: str, id: str, document: dict[str, Any], root: Path) -> None:
    """Write it where temporary files are, or print it, with the line that stores it."""
    from seaformer.core import files
    from seaformer.core.errors import SeaFormerError

    merge = f"seaformer results merge --results {shlex.quote(str(root))}"
    path = Path(tempfile.gettempdir()) / f"seaformer-{id}.json"
    try:
        files.create_text(path, files.json_text(document))
    except SeaFormerError:
        print_json(document)
        notice(f"Not stored: the {noun} above. Save it to a file, then: {merge} FILE")
    else:
        notice(f"Not stored, but kept. Once there is room: {merge} {shlex.quote(str(path))}")
