"""The one loop that measures artifacts on targets. No torch here, nor in anything it calls."""

from __future__ import annotations

from seaformer.core.verb import make_callable

make_callable(__name__)
