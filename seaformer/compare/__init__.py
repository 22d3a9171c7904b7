"""Compare: two sets of measurements, what got worse, and the gate. No torch."""

from __future__ import annotations

from seaformer.core.verb import make_callable

make_callable(__name__)
