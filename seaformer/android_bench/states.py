"""The states of a phone as adb names them, and the error with a remedy for each."""

from __future__ import annotations

from seaformer.core.errors import (
    DeviceError,
    DeviceOffline,
    NoPermission,
    NotBooted,
    Unauthorized,
)

_REBOOT = "Restart it into Android: adb reboot, or hold the power button."


def state_error(serial: str, state: str) -> DeviceError:
    """The error for a phone in ``state``, which is not ``device``."""
    if state in ("unauthorized", "authorizing"):
        return Unauthorized(
            f"{serial} has not accepted this computer's key.",
            hint="Unlock the phone and tap Allow on 'Allow USB debugging?'; if it does not ask, "
            "revoke USB debugging authorisations in its developer options and plug it in again.",
        )
    if state == "no permissions":
        return NoPermission(
            f"{serial} is on USB, but this user has no permission to open it.",
            hint="Install udev rules (Debian: apt install android-sdk-platform-tools-common), "
            "join the group plugdev, and plug the phone in again.",
        )
    if state in ("recovery", "rescue", "sideload", "bootloader"):
        return NotBooted(f"{serial} is in {state} mode, not in Android.", hint=_REBOOT)
    if state in ("offline", "connecting", "detached"):
        return DeviceOffline(
            f"{serial} is {state}: it is listed but does not answer.",
            hint="Plug it in again, or switch USB debugging off and on; on the network: "
            f"adb disconnect {serial}; adb connect {serial}",
        )
    return DeviceOffline(f"{serial} is in state {state!r}; 'device' is required.", hint=_REBOOT)
