"""How much room is left on the phone's /data, for pushes.

A job's own writes go to the host's file system and know no limit; ``FakePhone.fill`` makes one
file of the phone a full device.
"""

from __future__ import annotations

from tests.fakes.phone.faults import Faults


class Quota:
    """Counts against the fault ``enospc``; without it everything fits."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def take(self, size: int) -> bool:
        """Whether ``size`` more bytes fit; they are then gone."""
        fault = self._faults.armed("enospc")
        if fault is None:
            return True
        if size > fault.options["free"]:
            return False
        fault.options["free"] -= size
        return True

    def free(self, otherwise: int) -> int:
        """Bytes left."""
        fault = self._faults.armed("enospc")
        return otherwise if fault is None else int(fault.options["free"])
