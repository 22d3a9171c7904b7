"""Factories of modules that end badly, for the exports of a process of their own."""

from __future__ import annotations

import os
import signal
from typing import NoReturn


def raises() -> NoReturn:
    """As the code of a user may."""
    raise RuntimeError("no weights today")


def dies() -> NoReturn:
    """As a process that the kernel ends when memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError
