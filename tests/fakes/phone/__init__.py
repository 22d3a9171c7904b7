"""A double of an Android phone for tests: a device-side adb daemon on loopback, needing no root.

``device.FakePhone`` is the phone, ``protocol`` the wire, ``auth`` its keys, ``shell`` and ``sync``
the services, ``userland`` with ``translate`` and ``shims/`` what a shell finds there, ``hardware``
its /proc, /sys and dumpsys, ``profiles`` the phones it can be, ``faults`` what goes wrong on
request. By hand: ``python -m tests.fakes.phone --profile two-core``. Linux only.

What it is not: a jail (a command runs as the user who runs the tests), Android's own shell and
toybox (the host's stand in, more lenient), SELinux, or a phone's speed.
"""

from tests.fakes.phone.device import EMULATED, FakePhone

__all__ = ["EMULATED", "FakePhone"]
