"""The phone's root folder on the host: tools, properties, and the environment of every command.

A command runs by the host's own ``/bin/sh`` with a PATH of one folder, ``/system/bin``: the shims
beside this file for what is Android's own, links to the host's tools for what toybox has too.
No root and no namespace is needed. The tools are GNU's or whatever the host has: more lenient
than toybox, and their error messages are their own.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from tests.fakes.phone.faults import Faults
from tests.fakes.phone.hardware import State
from tests.fakes.phone.profiles import Profile
from tests.fakes.phone.quota import Quota

HERE = Path(__file__).parent
TMP = Path("data/local/tmp")
_SHIMS = {
    "_run": ("_run",),
    "dumpsys": ("dumpsys",),
    "env": ("env",),
    "getprop": ("getprop", "setprop"),
    "id": ("id", "whoami", "uname", "nproc", "getenforce", "uptime", "df", "which"),
    "nohup": ("nohup", "setsid", "nice", "timeout", "ionice"),
    "ps": ("ps", "pidof", "pgrep", "pkill", "killall", "top"),
    "settings": ("settings",),
    "sh": ("sh", "mksh"),
    "svc": ("svc", "input", "cmd", "am", "pm", "wm", "settaskprofile", "logcat"),
    "taskset": ("taskset",),
}
_HOST_TOOLS = (
    "awk base64 basename cat chmod cksum cmp comm cp cut date dd diff dirname du echo expr false "
    "find flock fold grep gzip gunzip head kill ln ls md5sum mkdir mkfifo mktemp mv od paste "
    "printenv printf pwd readlink realpath rm rmdir sed seq sha1sum sha256sum sleep sort split "
    "stat strings sync tail tar tee test touch tr true truncate tty uniq unlink wc xargs xxd yes"
)
_HOST_PATH = "/usr/local/bin:/usr/bin:/bin"


def find_emulator() -> str:
    """The program that runs aarch64 binaries here, or nothing."""
    return shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static") or ""


def build(root: Path, profile: Profile) -> None:
    """Lay the folders, tools and properties down."""
    for folder in (TMP, "system/bin", "mnt/fake/props", "mnt/fake/settings", "proc", "sdcard"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / TMP).chmod(0o771)
    for shim, tools in _SHIMS.items():
        for tool in tools:
            _link(root, tool, HERE / "shims" / shim)
    for tool in _HOST_TOOLS.split():
        program = shutil.which(tool, path=_HOST_PATH)
        if program:
            _link(root, tool, Path(program))
    for name, value in profile.properties.items():
        (root / "mnt/fake/props" / name).write_text(value, encoding="utf-8")


def _link(root: Path, tool: str, target: Path) -> None:
    (root / "system/bin" / tool).symlink_to(target)


def set_tool(root: Path, tool: str, *, present: bool) -> None:
    """Take a tool away, or bring it back."""
    here, away = root / "system/bin" / tool, root / "mnt/fake" / f"missing-{tool}"
    source, target = (away, here) if present else (here, away)
    if source.is_symlink():
        source.rename(target)


def environment(root: Path, profile: Profile, fold: int | None) -> dict[str, str]:
    """Of every command; ``FAKE_*`` is the double's own."""
    return {
        "PATH": str(root / "system/bin"),
        "HOME": "/",
        "USER": "shell",
        "LOGNAME": "shell",
        "SHELL": "/bin/sh",
        "TERM": "dumb",
        "TMPDIR": str(root / TMP),
        "ANDROID_ROOT": "/system",
        "ANDROID_DATA": "/data",
        "FAKE_ROOT": str(root),
        "FAKE_HOST_PATH": _HOST_PATH,
        "FAKE_QEMU": find_emulator(),
        "FAKE_CPU": profile.emulated_cpu,
        "FAKE_FOLD": str(fold or ""),
        "FAKE_PYTHON": sys.executable,
        "FAKE_CODE": str(HERE),
    }


def write_status(root: Path, state: State, quota: Quota, faults: Faults) -> None:
    """The small files that shims read: room left, cores online, tools that are missing."""
    profile = state.profile
    free_kb = quota.free(profile.data_free_kb * 1024) // 1024
    mask = sum(1 << cpu for cpu in profile.cpus if cpu not in state.offline)
    for name, text in {"df": f"{profile.data_kb} {free_kb}", "cpus_mask": str(mask)}.items():
        scratch = root / "mnt/fake" / f".{name}"
        scratch.write_text(text + "\n", encoding="utf-8")
        scratch.replace(root / "mnt/fake" / name)
    missing = {fault.options["tool"] for fault in faults.all("missing")}
    for tool in missing:
        set_tool(root, tool, present=False)
    for away in (root / "mnt/fake").glob("missing-*"):
        if away.name.removeprefix("missing-") not in missing:
            set_tool(root, away.name.removeprefix("missing-"), present=True)


def empty(folder: Path) -> None:
    """Delete what is in a folder."""
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            Path(entry.path).unlink(missing_ok=True)
