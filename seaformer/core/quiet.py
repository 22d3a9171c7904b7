"""The log lines of exporters and engines, kept off the user's screen.

torchao, coremltools and torch log about files they do not find and versions they were not tested
with, draw progress bars of their own and warn about their own insides; none of it is about the
user's model. What they raise is not touched.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence warnings, log lines and what is written to ``sys.stderr`` from Python."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def without_native_log() -> Iterator[None]:
    """Keep what C++ code of an engine prints off file descriptor 2.

    The Python packages of executorch 1.5.1 and ncnn 1.0.20261020 have no switch for their logs.
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
