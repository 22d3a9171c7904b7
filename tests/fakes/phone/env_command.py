"""``env`` on the fake phone: ``[-i] [-u NAME] [NAME=VALUE...] [COMMAND...]``.

A program of its own, started by the shim ``env``. What the double itself needs (FAKE_*, PATH)
outlives ``-i``.
"""

import os
import re
import sys


def main(arguments: list[str]) -> None:
    """Print the environment, or run a command in it."""
    environment = dict(os.environ)
    while arguments and arguments[0].startswith("-"):
        option = arguments.pop(0)
        if option in ("-i", "-"):
            environment = {k: v for k, v in environment.items() if _is_ours(k)}
        elif option == "-u" and arguments:
            environment.pop(arguments.pop(0), None)
        else:
            sys.stderr.write(f"env: Unknown option '{option}'\n")
            sys.exit(125)
    while arguments and re.match(r"[A-Za-z_]\w*=", arguments[0]):
        name, _, value = arguments.pop(0).partition("=")
        environment[name] = value
    if arguments:
        os.execvpe("_run", ["_run", *arguments], environment)
    sys.stdout.writelines(f"{k}={v}\n" for k, v in environment.items() if not k.startswith("FAKE_"))


def _is_ours(name: str) -> bool:
    return name.startswith("FAKE_") or name == "PATH"


main(sys.argv[1:])
