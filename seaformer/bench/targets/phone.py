"""A phone: the bundle's runner in a detached process on one of its cores (``_remote.py``).

``phone`` alone is the only attached phone (or ``ANDROID_SERIAL``); a serial, or ``HOST:PORT``, is
that one. ``seaformer/android_bench`` reaches it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from seaformer.android_bench.care import PhoneCare
from seaformer.android_bench.connection import ConnectionPolicy, Phone
from seaformer.android_bench.devices import Probe, check_abi, read_probe
from seaformer.android_bench.finder import ALL, Finder
from seaformer.bench.target import TargetOptions
from seaformer.bench.targets._remote import RemoteDevice, RemoteTarget
from seaformer.core.measurement import EMULATED, Flag
from seaformer.runtime.build.arm64 import build_arm64_bundle
from seaformer.runtime.build.bundle import Bundle

Progress = Callable[[str], None]


class PhoneTarget(RemoteTarget):
    """Runs requests on one phone; the arguments are those of ``RemoteTarget``."""

    def __init__(
        self,
        phone: Phone,
        bundle: Bundle,
        options: TargetOptions = TargetOptions(),
        progress: Progress = lambda sentence: None,
    ) -> None:
        probe = read_probe(phone.script, phone.serial)
        emulated = _is_emulator(probe)
        notes = [Flag("unexpected phone", False, note) for note in probe.notes]
        if emulated:
            detail = "an Android emulator: its times are not a phone's"
            notes.insert(0, Flag("emulated", False, detail))
        device = RemoteDevice(probe.info, PhoneCare(phone), probe.offline, tuple(notes))
        super().__init__(phone, bundle, device, options, progress)
        if emulated:
            self.source = EMULATED


def open_target(
    progress: Progress | None = None,
    serial: str = "",
    *,
    options: TargetOptions = TargetOptions(),
    policy: ConnectionPolicy = ConnectionPolicy(),
) -> PhoneTarget:
    """The phone ``serial``, or the only one attached; the bundle is built at first use.

    Raises ``NoDevice``, ``ManyDevices``, the error of the phone's state, or ``MissingExtra`` for
    what the bundle requires.
    """
    report = progress or (lambda sentence: None)
    finder = Finder(options.adb_host)
    (device,) = finder.choose(serial)
    pause = options.pause or time.sleep
    phone = Phone(finder, device, policy=policy, progress=report, pause=pause)
    try:
        check_abi(phone.serial, phone.run(["getprop", "ro.product.cpu.abi"]).stdout.strip())
        report(f"{phone.serial}: connected by {phone.way} ({phone.why})")
        bundle = build_arm64_bundle(progress, libraries=options.engines)
        return PhoneTarget(phone, bundle, options, report)
    except BaseException:
        phone.close()
        raise


def serials(options: TargetOptions = TargetOptions()) -> tuple[str, ...]:
    """Every attached phone, ready or not: ``--device all``."""
    return tuple(device.serial for device in Finder(options.adb_host).choose(ALL))


def _is_emulator(probe: Probe) -> bool:
    """An Android emulator on a computer, by the properties of its system image."""
    properties = probe.properties
    chip = properties.get("ro.hardware", "") in ("ranchu", "goldfish")
    return chip or "1" in (properties.get("ro.kernel.qemu"), properties.get("ro.boot.qemu"))
