"""Milliseconds of a core that is not at hand, from the code that an emulated one executes.

``cost`` prices code in cycles, ``evidence`` has counts of the zoo and ``published`` latencies to
hold them against, ``calibration`` makes a scale of both, ``domain`` decides where the scale holds,
``run`` estimates. No torch here, nor in anything it calls.
"""

from __future__ import annotations

from seaformer.core.verb import make_callable

make_callable(__name__)
