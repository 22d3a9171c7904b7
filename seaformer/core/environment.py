"""Switches in the environment: variables that ask for something by being set."""

from __future__ import annotations

import os

_OFF = ("", "0", "false", "no", "off")


def is_on(variable: str) -> bool:
    """Whether a variable is set, and to none of the words for off."""
    return os.environ.get(variable, "").lower() not in _OFF
