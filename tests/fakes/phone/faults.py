"""What can go wrong on request: armed faults, the conditions they wait for, and how they are used.

A fault is a name and its conditions. ``command`` is a regular expression on the service a client
opens (``shell,v2,raw:ls``, ``sync:``), ``path`` one on the path of a push or pull, ``bytes`` the
number of bytes on the wire (both ways, all connections) after which it fires, ``skip`` how many
matches pass first, ``times`` how often it fires (0: until cleared). What each does is written at
the place where it happens; the names:

    drop        reset the connection              bytes=N | command=RE [after_s=T: answer is lost]
    stall       send and read nothing a while     seconds=T, bytes=N | command=RE
    garbage     bytes that are not a packet       count=N, bytes=N | command=RE
    truncate    a push stops after N bytes        at=N, path=RE [silent=True: and reports OKAY]
    corrupt     one byte of a pulled file flips   path=RE
    enospc      N bytes are left for pushes       free=N
    fail        a command is not run              command=RE, code=N, stderr=TEXT
    missing     a tool does not exist             tool=NAME
    kill        SIGKILL to matching processes     match=RE, after_s=T | file=PATH
    reboot      as ``FakePhone.reboot``           command=RE [after_s=T], files="keep" | "lost"
    auth        what becomes of offered keys      mode="none" | "accept" | "pending" | "refuse"
    clients     further connections are closed    count=N
    offline     accepts TCP and never answers
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Any

LASTING = ("auth", "clients", "enospc", "missing", "offline")
NAMES = (
    "corrupt",
    "drop",
    "fail",
    "garbage",
    "kill",
    "reboot",
    "stall",
    "truncate",
    *LASTING,
)


@dataclass
class Fault:
    """One armed fault; ``options`` are what its effect needs."""

    name: str
    command: str | None = None
    path: str | None = None
    bytes: int | None = None
    skip: int = 0
    times: int = 1
    options: dict[str, Any] = field(default_factory=dict)
    armed_at: int = 0

    def matches(self, command: str | None, path: str | None) -> bool:
        """Whether what happens now is what the fault waits for."""
        if self.command is not None:
            return command is not None and re.search(self.command, command, re.S) is not None
        if self.path is not None:
            return path is not None and re.search(self.path, path) is not None
        return True


class Faults:
    """The armed faults of one phone, shared by all its connections."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self._lock = threading.RLock()
        self._wire_bytes = 0
        self.fired: list[str] = []

    def arm(self, name: str, **conditions: Any) -> Fault:
        """Arm one; conditions that are no field of ``Fault`` are its options."""
        if name not in NAMES:
            raise ValueError(f"no fault {name!r}: expected one of {', '.join(sorted(NAMES))}")
        known = {k: conditions.pop(k) for k in list(conditions) if k in Fault.__annotations__}
        known.setdefault("times", 0 if name in LASTING else 1)
        with self._lock:
            fault = Fault(name, **known, options=conditions, armed_at=self._wire_bytes)
            self._armed.append(fault)
        return fault

    def clear(self, name: str | None = None) -> None:
        """Disarm those of one name, or all."""
        with self._lock:
            self._armed = [fault for fault in self._armed if name not in (None, fault.name)]

    def armed(self, name: str) -> Fault | None:
        """The newest of a name, without using it up."""
        with self._lock:
            return next((f for f in reversed(self._armed) if f.name == name), None)

    def all(self, name: str) -> list[Fault]:
        """Every armed one of a name."""
        with self._lock:
            return [fault for fault in self._armed if fault.name == name]

    def take(self, name: str, command: str | None = None, path: str | None = None) -> Fault | None:
        """The first of a name whose conditions hold now, used up once."""
        with self._lock:
            for fault in self._armed:
                if fault.name != name or fault.bytes is not None:
                    continue
                if not fault.matches(command, path):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                return self._use(fault)
        return None

    def take_due(self) -> Fault | None:
        """The first one whose bytes have passed over the wire."""
        with self._lock:
            for fault in self._armed:
                if fault.bytes is not None and self._left(fault) <= 0:
                    return self._use(fault)
        return None

    def pass_bytes(self, count: int) -> None:
        """Bytes went over the wire, either way."""
        with self._lock:
            self._wire_bytes += count

    def room(self) -> int:
        """How many bytes may pass before the next one is due."""
        with self._lock:
            left = [self._left(fault) for fault in self._armed if fault.bytes is not None]
        return max(1, min(left, default=1 << 20))

    def _left(self, fault: Fault) -> int:
        return (fault.bytes or 0) - (self._wire_bytes - fault.armed_at)

    def _use(self, fault: Fault) -> Fault:
        self.fired.append(fault.name)
        if fault.times == 1:
            self._armed.remove(fault)
        elif fault.times > 1:
            fault.times -= 1
        return fault
