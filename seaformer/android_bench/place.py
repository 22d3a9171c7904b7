"""``Place``: what differs between devices once there is a shell: folders, and a few sentences."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """The folder of a bench on a device.

    ``ready`` is a script that prints the boot id and then 1 once the device has started;
    ``remove`` is the advice for a folder that another user made, ``killed`` the one after a job
    that the device ended.
    """

    root: str
    ready: str
    remove: str
    killed: str

    @property
    def lock(self) -> str:
        """The folder that is the lock."""
        return f"{self.root}/lock"

    @property
    def jobs(self) -> str:
        """The folder of all jobs."""
        return f"{self.root}/jobs"

    @property
    def cache(self) -> str:
        """The folder of files by their sha256."""
        return f"{self.root}/cache"

    @property
    def parent(self) -> str:
        """Where the folder is, for messages about free space."""
        return self.root.rpartition("/")[0]


ANDROID = Place(
    root="/data/local/tmp/seaformer",
    ready="read id < /proc/sys/kernel/random/boot_id; echo $id; getprop sys.boot_completed",
    remove="As another user (adb root) made it: adb shell rm -r /data/local/tmp/seaformer",
    killed="Android kills processes when memory is low: close other apps.",
)
