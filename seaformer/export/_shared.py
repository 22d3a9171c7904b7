"""What exports of one model have in common, made once: network, answers, rewritten copies, traces.

Only what belongs to the last model is kept, so a list of models takes the memory of one. The rules
of rewriting differ by engine and precision; files whose rules are the same share the copy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from seaformer.core.request import ExportRequest

_T = TypeVar("_T")


class Once(Protocol):
    """What is made once for a step of a name; see ``Shared.once``."""

    def __call__(self, step: str, make: Callable[[], _T], /) -> _T:
        """What ``make`` gave for this step; it is called when nothing did so far."""
        ...


def every_time(_: str, make: Callable[[], _T], /) -> _T:
    """A ``Once`` that shares nothing."""
    return make()


class Shared:
    """Results by what they depend on, of one network at a time."""

    def __init__(self) -> None:
        self._network: ExportRequest | None = None
        self._results: dict[tuple[Any, ...], Any] = {}

    def begin(self, request: ExportRequest) -> None:
        """Forget everything when the request is not for the network of the one before."""
        network = network_of(request)
        if network != self._network:
            self._network = network
            self._results.clear()

    def once(self, key: tuple[Any, ...], make: Callable[[], _T]) -> _T:
        """What ``make`` gave for this key; it is called when nothing did so far."""
        if key not in self._results:
            self._results[key] = make()
        result: _T = self._results[key]
        return result


def network_of(request: ExportRequest) -> ExportRequest:
    """The request without all that the network and its input do not depend on."""
    free = ExportRequest("")
    return replace(
        request,
        format=free.format,
        precision=free.precision,
        scope=free.scope,
        components=free.components,
        no_rewrite=free.no_rewrite,
        opset=free.opset,
        calibration=free.calibration,
        observer=free.observer,
        keep=free.keep,
        max_drop=free.max_drop,
        data=free.data,
        cpu=free.cpu,
        dynamic=free.dynamic,
    )
