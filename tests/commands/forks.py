"""Runs command lines in processes forked from this one, which has imported torch.

Started by ``program.Forks``. A request is a line of JSON: arguments, folder, environment, and the
files for stdout and stderr. The answer is a line with the exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from contextlib import suppress
from typing import Any, NoReturn

from seaformer import cli
from seaformer.core.quiet import quiet


def run(request: dict[str, Any]) -> NoReturn:
    """Be the command, in a process of its own."""
    for name, descriptor in (("out", 1), ("err", 2)):
        handle = os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, descriptor)
        os.close(handle)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(request["cwd"])
    os.environ.update(request["environment"])
    sys.argv = ["seaformer", *request["arguments"]]
    code: object = 0
    try:
        cli.main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def main() -> None:
    """Import what commands import late, then answer until stdin ends."""
    with suppress(ImportError), quiet():
        importlib.import_module("seaformer.export._pipeline")
    for line in sys.stdin:
        child = os.fork()
        if not child:
            run(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
