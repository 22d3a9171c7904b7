"""``PhoneReport``: one phone as ``seaformer devices`` shows it."""

from __future__ import annotations

from dataclasses import dataclass

from seaformer.core.measurement import Cluster


@dataclass(frozen=True, kw_only=True)
class PhoneReport:
    """What is attached and what it could do; what it does not tell is ``None`` or empty.

    ``state`` is adb's word (``device`` is ready), ``way`` how it is reached and ``why`` so.
    ``clusters`` are the cores online; ``cpu`` is the one a bench would pin to and ``mask`` its
    ``taskset`` mask. ``thermal_status`` is 0 (none) to 6. ``notes`` are sentences about what
    differs from what is known of the phone; ``error`` and ``hint`` say why it cannot be used.
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
    error: str = ""
    hint: str = ""
