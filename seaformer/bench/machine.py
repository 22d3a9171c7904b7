"""How this computer is asked what it has: packages by their metadata, programs, kernel files."""

from __future__ import annotations

import os
import re
import shutil
import sys
from importlib import metadata
from pathlib import Path

from seaformer.core import child, files


class Machine:
    """How this computer is asked. A test hands in another one."""

    def package(self, name: str) -> str | None:
        """The installed version of a Python package; nothing is imported."""
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return None

    def pinned(self, name: str) -> str | None:
        """The one version seaformer asks for, where it asks for exactly one."""
        try:
            requirements = metadata.requires("seaformer") or ()
        except metadata.PackageNotFoundError:  # run from a checkout that is not installed
            return None
        for line in requirements:
            if match := re.match(rf"{re.escape(name)}==([\w.]+)", line):
                return match.group(1)
        return None

    def program(self, name: str) -> Path | None:
        """Where a program is: beside this Python (PyPI's cmake) or on the PATH."""
        beside = str(Path(sys.executable).parent)
        path = shutil.which(name, path=beside) or shutil.which(name)
        return Path(path) if path else None

    def first_line(self, *command: str) -> str:
        """The first line a program prints, or nothing when it fails or takes over ten seconds."""
        try:
            ran = child.run(command, 10)
        except OSError:
            return ""
        lines = ran.stdout.strip().splitlines()
        return lines[0].strip() if ran.returncode == 0 and lines else ""

    def text(self, path: Path) -> str | None:
        """The text of a file of the kernel."""
        try:
            return path.read_text(errors="replace").strip()
        except OSError:
            return None

    def cores(self) -> tuple[int, ...]:
        """The cores this process may run on."""
        if hasattr(os, "sched_getaffinity"):
            return tuple(sorted(os.sched_getaffinity(0)))
        return tuple(range(os.cpu_count() or 1))

    def load(self) -> float:
        """The one-minute load average."""
        return os.getloadavg()[0]

    def free_bytes(self, folder: Path) -> int:
        """Free space where ``folder`` is or will be."""
        return files.free_bytes(folder)

    def writable(self, folder: Path) -> str:
        """Nothing when ``folder`` can be written to or made, else why not. It is not made."""
        home = files.nearest(folder)
        if not (home.is_dir() and os.access(home, os.W_OK | os.X_OK)):
            return f"{home} cannot be written to"
        return ""

    def fetched_engines(self) -> str:
        """The engines that were fetched for a base install, or nothing."""
        from seaformer.runtime.build.wheels import fetched_engines

        return ", ".join(f"{engine.name} {engine.version}" for engine in fetched_engines())

    def arm64_bundle(self) -> tuple[Path, int] | None:
        """The bundle for ARM devices, if it has been built, and the largest page it loads on."""
        from seaformer.runtime.build.arm64 import find_arm64_bundle
        from seaformer.runtime.build.bundle import check_pages

        bundle = find_arm64_bundle()
        return None if bundle is None else (bundle.folder, check_pages(bundle.folder))

    def libraries(self, target: str) -> tuple[str, ...]:
        """The engines whose library was built from source for ``host`` or ``arm64``."""
        from seaformer.runtime.build.compiled import built_libraries

        return tuple(library.name for library in built_libraries(target))

    def host_runner(self) -> str | None:
        """The C++ runner built for this host, if it has been built."""
        from seaformer.runtime.build.runner import find_host_runner

        build = find_host_runner()
        return None if build is None else str(build)
