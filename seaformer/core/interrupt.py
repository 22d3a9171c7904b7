"""Ctrl-C at a moment that suits: held back while a child is started or ended.

    with held() as press:          Ctrl-C waits for the end of the block,
        with press.taken():        but for what may take long: here it is taken at once,
            ...                    also one that waited

An interrupt inside ``subprocess`` may come before anything owns the process that was started, or in
a destructor, where Python drops it. Only the main thread is interrupted: elsewhere nothing is held.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], object]


class Press:
    """The handler of Ctrl-C in the block, and whether it was pressed and not passed on."""

    def __init__(self, before: Handler | None) -> None:
        self._before = before
        self._open = False
        self._waits = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Pass it on where it may be taken; a second one is never held, the first may hang."""
        if self._open or self._waits:
            self._pass_on(number, frame)
        else:
            self._waits = True

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Ctrl-C is taken at once in this block."""
        self._open = True
        try:
            self.pass_on()
            yield
        finally:
            self._open = False

    def pass_on(self) -> None:
        """Take the one that waits."""
        if self._waits:
            self._pass_on(signal.SIGINT, None)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self._waits = False
        if self._before is not None:
            self._before(number, frame)


@contextmanager
def held() -> Iterator[Press]:
    """Ctrl-C waits until this block ends, and is raised there."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield Press(None)
        return
    press = Press(before)
    signal.signal(signal.SIGINT, press)
    try:
        yield press
    finally:
        signal.signal(signal.SIGINT, before)
        press.pass_on()
