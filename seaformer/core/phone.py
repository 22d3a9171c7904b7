"""``PhoneReport``: one phone or board as ``seaformer devices`` shows it."""

from __future__ import annotations

from dataclasses import dataclass

from seaformer.core.measurement import Cluster


@dataclass(frozen=True, kw_only=True)
class PhoneReport:
    """One attached phone, or a board behind ssh; what it does not report is ``None`` or empty.

    ``state`` is adb's name of it (``device`` is ready), ``way`` how the phone is reached and
    ``why`` the reason. ``clusters`` are the online cores; ``cpu`` is the one a bench would pin to
    and ``mask`` its ``taskset`` mask. ``thermal_status`` is 0 (none) to 6. ``notes`` are sentences
    about differences from the row of its chip; ``error`` and ``hint`` are set when it cannot be
    used. A board has a ``system``, the temperature of its CPU, and what its firmware reports of
    ``throttling`` (empty: none). ``folder`` is where a bench keeps its files.
    """

    serial: str
    state: str
    link: str
    way: str
    why: str
    model: str = ""
    android: str = ""
    sdk: int | None = None
    soc: str = ""
    clusters: tuple[Cluster, ...] = ()
    offline: tuple[int, ...] = ()
    cpu: int | None = None
    mask: str = ""
    free_bytes: int | None = None
    battery_percent: int | None = None
    battery_c: float | None = None
    charging: bool | None = None
    thermal_status: int | None = None
    skin_c: float | None = None
    notes: tuple[str, ...] = ()
    system: str = ""
    folder: str = "/data/local/tmp"
    cpu_c: float | None = None
    throttling: tuple[str, ...] | None = None
    error: str = ""
    hint: str = ""
