"""``Work``: which part of an evaluation a process does, and what is kept while it does it.

What was counted is written every half minute, so that a run that was killed continues where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from seaformer.core.errors import UsageError
from seaformer.core.files import check_dir
from seaformer.evaluation import part as parts
from seaformer.evaluation.part import Part, Share
from seaformer.evaluation.run import KEEP_SECONDS, Pass
from seaformer.evaluation.together import Device

Gather = Callable[[Part], Sequence[Part] | None]
Devices = Callable[[Sequence[Path]], AbstractContextManager[Sequence[Device | None]]]


def here(files: Sequence[Path]) -> AbstractContextManager[Sequence[Device | None]]:
    """This machine alone."""
    return nullcontext((None,))


@dataclass(frozen=True)
class Work:
    """A share of the images, and where its counts go.

    ``part`` is the file of the counts; without it a share must be gathered: ``gather`` takes the
    part of each process and gives all of them to the first, ``None`` to the others. ``resume``
    continues the counts in ``part``, which are written every ``keep_seconds``. ``devices`` opens
    those on which the files named to it run beside this machine, or instead of it; ``None`` is
    this machine.
    """

    share: Share = field(default_factory=Share)
    part: Path | None = None
    resume: bool = False
    gather: Gather | None = None
    keep_seconds: float = KEEP_SECONDS
    devices: Devices = here

    def check(self, has_network: bool) -> None:
        """Raise ``UsageError`` for options that do not go together, before any work."""
        if self.share.of > 1 and self.part is None and self.gather is None:
            raise UsageError("--shard requires --part FILE, where its counts go.")
        if self.gather is not None and self.part is not None:
            raise UsageError("--shard and --part are not for torchrun, which divides the images.")
        if self.resume and self.part is None:
            raise UsageError("--resume requires --part FILE, whose counts it continues.")
        if self.resume and has_network:
            raise UsageError("--resume is for model files: a network may have other weights now.")
        if self.part is not None:
            check_dir(self.part.parent)
            if self.part.exists() and not self.resume:
                raise UsageError(f"{self.part} exists already.", hint="Continue it: --resume")

    def go(self, how: Pass, count: Callable[[Pass], Part]) -> Part | None:
        """Count; the whole is what comes back, where this process has it."""
        if self.part is not None:
            before = parts.load(self.part) if self.resume and self.part.exists() else None
            how = replace(how, before=before, keep=self._keep, keep_seconds=self.keep_seconds)
        part = count(how)
        if self.part is not None:
            self._keep(part)
        gathered: Sequence[Part] | None = [part] if self.gather is None else self.gather(part)
        if gathered is None or (self.gather is None and part.of > 1):
            return None
        return parts.merged(gathered, [f"part {number}" for number in range(1, len(gathered) + 1)])

    def _keep(self, part: Part) -> None:
        assert self.part is not None
        parts.save(part, self.part)
