"""``sh`` on the fake phone: translates a script with ``translate.py`` and runs it.

A program of its own, started by the shim ``sh`` without site packages: only what stands beside
it may be imported.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from translate import to_host

_SHELL = "/bin/sh"


def main(arguments: list[str]) -> None:
    """``sh [-eux] -c TEXT [NAME ARG...]``, ``sh [-eux] FILE [ARG...]`` or a script on stdin."""
    root, options = Path(os.environ["FAKE_ROOT"]), []
    while arguments and arguments[0][:1] in ("-", "+") and arguments[0] not in ("-c", "-s", "-"):
        if arguments[0].startswith("-") and arguments[0].endswith("c"):
            options.append(arguments[0][:-1])
            arguments[0] = "-c"
            break
        options.append(arguments.pop(0))
    if arguments[:1] == ["-c"]:
        text, rest = arguments[1], arguments[2:]
    elif arguments and arguments[0] not in ("-s", "-"):
        try:
            text = Path(arguments[0]).read_text(encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            sys.stderr.write(f"/system/bin/sh: {arguments[0]}: {error.strerror}\n")
            sys.exit(127)
        rest = arguments
    else:
        text, rest = sys.stdin.read(), ["sh", *arguments[1:]]
    os.execv(_SHELL, [_SHELL, *options, "-c", to_host(text, root), *(rest or ["sh"])])


main(sys.argv[1:])
