"""``Store``: files on the phone by their content; a file that is already there is not sent again.

    <root>/cache/<sha256>      every file
    <root>/bundle/<id>/<name>  links to them, under the names a program requires

The root is ``/data/local/tmp/seaformer`` on a phone, in the user's cache on a board (``place.py``).

A file is sent under a temporary name, hashed by the phone, and only then renamed: a part of a file
never gets its name. The files of earlier sessions are hashed again in each session.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seaformer.android_bench.connection import Phone
from seaformer.core import files
from seaformer.core.errors import DeviceError, DeviceFull, DeviceLost

_PART = ".part-"
_TRIES = 3
_HASH_BYTES_PER_S = 20_000_000
# For the output of a run: the outputs of a large model, logs.
_ROOM_BYTES = 32 << 20

_START = 'mkdir -p "$1" && chmod 771 "$1" && rm -f "$1"/.part-*'
_HASHES = 'cd "$1" || exit 1; shift; for f; do [ -f "$f" ] && sha256sum "$f"; done; exit 0'
_KEEP = 'h=$(sha256sum "$1") && [ "${h%% *}" = "$2" ] && chmod 755 "$1" && mv -f "$1" "$3"'
_LINK = (
    'mkdir -p "$1" && cd "$1" || exit 1; shift; while [ $# -gt 0 ]; do '
    'case $2 in */*) mkdir -p "${2%/*}";; esac; '
    '[ -f "$2" ] && [ "$2" -ef "$1" ] || { rm -f "$2"; ln "$1" "$2" 2>/dev/null || cp "$1" "$2"; } '
    "|| exit 1; shift 2; done"
)
_FREE = 'df -k "$1" | tail -n 1'
_DROP = (
    'cd "$1" || exit 0; shift; keep=" $* "; '
    'for f in *; do case $keep in *" $f "*) ;; *) rm -f "$f";; esac; done'
)


@dataclass(frozen=True)
class FileToPush:
    """A file of this computer that a run on the phone requires."""

    path: Path
    sha256: str
    size_bytes: int

    @classmethod
    def of(cls, path: Path) -> FileToPush:
        return cls(path, files.sha256_file(path), path.stat().st_size)


class Store:
    """The cache on one phone, for one session."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._place = phone.place
        self._verified: set[str] = set()
        self._folders: set[str] = set()
        self._started = False

    def put(self, items: Iterable[FileToPush]) -> Mapping[str, str]:
        """Push the files that are missing. Returns the path of each on the phone, by its sha256.

        Raises ``DeviceFull`` naming what is missing, ``DeviceError`` when a file arrives damaged
        again and again.
        """
        every = {item.sha256: item for item in items}
        self._start()
        missing = [item for item in every.values() if item.sha256 not in self._verified]
        if missing:
            present = self._present(missing)
            self._verified |= present
            absent = [item for item in missing if item.sha256 not in present]
            self._make_room(absent, keep=every)
            for item in absent:
                self._send(item)
        return {sha: f"{self._place.cache}/{sha}" for sha in every}

    def folder(self, name: str, contents: Mapping[str, FileToPush]) -> str:
        """A folder on the phone with these files under their names."""
        places = self.put(contents.values())
        home = f"{self._place.root}/bundle/{name}"
        if home in self._folders:
            return home
        pairs: list[str] = []
        for file, item in contents.items():
            pairs += [places[item.sha256], file]
        done = self._phone.script(_LINK, home, *pairs)
        if done.exit_code != 0:
            raise DeviceError(f"{self._phone.serial}: {home} could not be created: {done.summary}.")
        self._folders.add(home)
        return home

    def drop(self, items: Iterable[FileToPush]) -> None:
        """Remove files from the phone."""
        names = [item.sha256 for item in items]
        self._verified.difference_update(names)
        self._phone.run(["rm", "-f", *(f"{self._place.cache}/{name}" for name in names)])

    def forget(self) -> None:
        """After a reboot: check every file again."""
        self._verified.clear()
        self._folders.clear()
        self._started = False

    def free_bytes(self) -> int | None:
        """Free space; ``None`` when the output of the phone's ``df`` cannot be read."""
        done = self._phone.script(_FREE, self._place.root)
        words = done.stdout.split()
        at = next((i for i, word in enumerate(words) if word.endswith("%")), 0)
        return int(words[at - 1]) * 1024 if at > 0 and words[at - 1].isdecimal() else None

    def _start(self) -> None:
        if self._started:
            return
        done = self._phone.script(_START, self._place.cache)
        if done.exit_code != 0:
            raise DeviceError(
                f"{self._phone.serial}: {self._place.cache} could not be created: {done.summary}."
            )
        self._started = True

    def _present(self, items: Sequence[FileToPush]) -> set[str]:
        """The sha256 of each file that is in the cache with the content of its name."""
        limit = 30 + sum(item.size_bytes for item in items) / _HASH_BYTES_PER_S
        names = [item.sha256 for item in items]
        done = self._phone.script(_HASHES, self._place.cache, *names, timeout_s=limit)
        if "not found" in done.stderr + done.stdout:
            raise DeviceError(
                f"{self._phone.serial} has no sha256sum, so a push cannot be checked.",
                hint="Android 6 and later have it; or add a toybox to the phone's PATH.",
            )
        lines = (line.split() for line in done.stdout.splitlines())
        return {words[0] for words in lines if len(words) == 2 and words[0] == words[1]}

    def _make_room(self, absent: list[FileToPush], keep: Iterable[str]) -> None:
        """Make room for all of it before the first byte is sent, by removing other cached files."""
        needed = sum(item.size_bytes for item in absent)
        if not absent or self._fits(needed):
            return
        self._phone.progress(f"{self._phone.serial}: removing older cached files to make room")
        self._phone.script(_DROP, self._place.cache, *keep, *self._verified)
        self._phone.run(["rm", "-rf", f"{self._place.root}/bundle"])
        self._folders.clear()
        if not self._fits(needed):
            raise self._full(needed)

    def _fits(self, needed: int) -> bool:
        free = self.free_bytes()
        return free is None or free >= needed + _ROOM_BYTES

    def _full(self, needed: int) -> DeviceFull:
        free = self.free_bytes() or 0
        return DeviceFull(
            f"{self._phone.serial} has {free / 1e6:.0f} MB free in {self._place.parent}; "
            f"{(needed + _ROOM_BYTES) / 1e6:.0f} MB are needed.",
            hint="Free some space on the device and run the same command again.",
        )

    def _send(self, item: FileToPush) -> None:
        part = f"{self._place.cache}/{_PART}{secrets.token_hex(6)}"
        limit = 30 + item.size_bytes / _HASH_BYTES_PER_S
        for _ in range(_TRIES):
            try:
                self._phone.push(item.path, part)
            except DeviceFull:
                self._phone.run(["rm", "-f", part])
                raise self._full(item.size_bytes) from None
            except DeviceLost:
                raise
            except DeviceError as error:
                self._phone.run(["rm", "-f", part])
                if not self._fits(item.size_bytes):
                    raise self._full(item.size_bytes) from error
                raise
            kept = self._phone.script(
                _KEEP, part, item.sha256, f"{self._place.cache}/{item.sha256}", timeout_s=limit
            )
            if kept.exit_code == 0 or self._present([item]):
                self._verified.add(item.sha256)
                return
            self._phone.progress(
                f"{self._phone.serial}: {item.path.name} arrived damaged, sent again"
            )
        self._phone.run(["rm", "-f", part])
        raise DeviceError(
            f"{self._phone.serial}: {item.path.name} arrived damaged {_TRIES} times.",
            hint="Try another cable or port, then run the same command again.",
        )
