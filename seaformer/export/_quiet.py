"""The exporters' chatter, kept off the user's screen.

torchao, coremltools and torch log about files they do not find and versions they were not tested
with, draw progress bars of their own and warn about their own insides; none of it is about the
user's model. What they raise is not touched.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

_LOGGERS = ("coremltools", "torchao", "torch.utils._pytree", "torch.onnx", "executorch")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence warnings, log lines and what is written to ``sys.stderr`` from Python."""
    before = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
