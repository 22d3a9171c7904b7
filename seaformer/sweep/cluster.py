"""A Dask cluster: tasks out, results in as they end.

Without an address it is worker processes of this machine, whose connections are encrypted by
certificates that live as long as it does. A task whose worker died is run again by the scheduler,
on another worker or on the one that takes its place; after four dead workers it has failed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from seaformer.core.errors import SeaFormerError, UsageError
from seaformer.core.registry import missing

A = TypeVar("A")
B = TypeVar("B")
_CONNECT = "15s"
_ANY_PORT = "127.0.0.1:0"  # of the scheduler's own pages, which cannot be switched off


@dataclass(frozen=True)
class Ended(Generic[B]):
    """A task by its key: what it gave, or the sentence about what ended it."""

    key: str
    answer: B | None
    error: str = ""


@contextmanager
def cluster(scheduler: str, workers: int) -> Iterator[Any]:
    """A client of the scheduler at an address, or of so many processes here (0: one a core).

    Raises ``MissingExtra`` without Dask, ``UsageError`` where nothing answers at the address.
    """
    try:
        from distributed import Client, LocalCluster
        from distributed.security import Security
    except ModuleNotFoundError as error:
        raise missing("distributed", "a sweep", "sweep") from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # a killed worker is expected
    with ExitStack() as stack:
        if scheduler:
            try:
                client = Client(scheduler, timeout=_CONNECT)
            except (OSError, ValueError) as error:
                raise UsageError(
                    f"No scheduler answers at {scheduler}: {error}.",
                    hint="Start one: dask scheduler (docs/sweeps.md)",
                ) from error
        else:
            local = LocalCluster(
                n_workers=workers or os.cpu_count() or 1, threads_per_worker=1, processes=True,
                memory_limit=0, dashboard_address=None, security=Security.temporary(),
                silence_logs=logging.CRITICAL, scheduler_kwargs={"dashboard_address": _ANY_PORT},
            )  # fmt: skip
            stack.callback(local.close)
            client = Client(local)
        stack.callback(client.close)
        yield client


def each(
    client: Any, function: Callable[[A], B], items: Mapping[str, A], name: str
) -> Iterator[Ended[B]]:
    """``function`` of every item on the workers, by key, in the order they end.

    ``name`` begins the names of the tasks, which are new ones in each sweep.
    """
    from distributed import as_completed

    token = os.urandom(4).hex()
    futures = {
        client.submit(function, item, key=f"{name}-{token}-{key}", pure=False): key
        for key, item in items.items()
    }
    try:
        for future in as_completed(list(futures)):
            key, error = futures[future], future.exception()
            if error is None:
                yield Ended(key, future.result())
            else:
                yield Ended(key, None, _sentence(error))
            future.release()
    finally:
        client.cancel([future for future in futures if not future.done()])


def _sentence(error: BaseException) -> str:
    if isinstance(error, SeaFormerError):
        return error.message
    if type(error).__name__ == "KilledWorker":
        return "Each worker that had this task died."
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
