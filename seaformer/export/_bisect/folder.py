"""The smallest failing model as a folder: the model, its input, the answer, and a script.

The script needs the engine's own package, numpy and torch, not seaformer. How it runs the file is
the format's (``REPRODUCE``).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seaformer.core import codec, files
from seaformer.core.bisection import Bisection, Gap
from seaformer.core.errors import MissingExtra, UsageError
from seaformer.export import FORMATS

if TYPE_CHECKING:
    from seaformer.export._format import Format
    from seaformer.export._job import Job

Array = npt.NDArray[Any]

_SCRIPT = '''\
"""{title}

Needs numpy, torch and {package}. Run it in its folder: python reproduce.py
Exit code 1: {file} departs from the eager model. Exit code 0: it does not.
"""

import sys
from importlib.metadata import version

import numpy as np
import torch

{run}

def sqnr_db(seen, expected):
    if not np.isfinite(seen).all():
        return float("-inf")
    noise = np.sum((seen.astype(np.float64) - expected.astype(np.float64)) ** 2)
    signal = np.sum(expected.astype(np.float64) ** 2)
    return 10 * np.log10(signal / noise) if noise else float("inf")


class Largest(torch.utils._python_dispatch.TorchDispatchMode):
    value = 0.0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {{}}))
        for each in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(each, torch.Tensor) and each.is_floating_point() and each.numel():
                Largest.value = max(Largest.value, float(each.abs().max()))
        return result


image = np.load("input.npy")
program = torch.export.load("eager.pt2").module()
with torch.no_grad(), Largest():
    answer = program(torch.from_numpy(image))
expected = [each.numpy() for each in (answer if isinstance(answer, (tuple, list)) else (answer,))]
seen = run("{file}", image)
ratios = [sqnr_db(a, b) for a, b in zip(seen, expected)]
print("{package}", version("{package}"), "torch", torch.__version__)
print("SQNR of each output in dB (at least {least:g} is expected):", ratios)
print("greatest absolute value in the eager model:", Largest.value, "{ends}")
sys.exit(1 if min(ratios) < {least:g} or Largest.value > {limit} else 0)
'''


@dataclass(frozen=True)
class Evidence:
    """The smallest model that fails, one input with the eager answer, its file, and how it fails.

    ``largest`` is the greatest absolute value that it computes.
    """

    network: nn.Module
    input: Tensor
    expected: list[Array]
    file: Path
    gap: Gap
    largest: float


def check_supported(writer: Format, format: str) -> None:
    """Raise ``UsageError`` for a format whose files no script can run."""
    if not hasattr(writer, "REPRODUCE"):
        able = [name for name in FORMATS.names() if _has_script(name)]
        raise UsageError(f"--bisect is supported for {' and '.join(able)} (got {format}).")


def _has_script(name: str) -> bool:
    """Whether files of a format can be run by a script; not of one that is not installed."""
    with suppress(MissingExtra):
        return hasattr(FORMATS.load(name), "REPRODUCE")
    return False


def check_free(target: Path) -> None:
    """Raise ``UsageError`` where the folder exists."""
    if target.exists() or target.is_symlink():
        raise UsageError(
            f"{target} exists already, and nothing is overwritten.",
            hint="Move it, or name another --out.",
        )


def write_folder(
    bisection: Bisection, evidence: Evidence, job: Job, scratch: Path, target: Path
) -> None:
    """The folder appears whole, under a name that was free."""
    home = files.make_dir(scratch / "folder")
    file = f"model{job.engine.suffix}"
    with files.os_errors(str(target)):
        evidence.file.replace(home / file)
        image = evidence.input
        program = torch.export.export(evidence.network, (image,))
        torch.export.save(program, home / "eager.pt2")
        np.save(home / "input.npy", image.numpy())
        for number, values in enumerate(evidence.expected):
            np.save(home / f"expected_{number}.npy", values)
    files.write_json(home / "bisection.json", codec.to_json(bisection))
    files.write_text(home / "reproduce.py", script(bisection, job, file))
    check_free(target)
    files.publish(home, target)


def script(bisection: Bisection, job: Job, file: str) -> str:
    """The text of ``reproduce.py``."""
    from seaformer.export._range import finite_limit

    limit = finite_limit(job.precision)
    where = bisection.smallest if bisection.smallest != bisection.first else "this module"
    title = f"{bisection.model}, {where}: {file} ({bisection.precision}) departs from eager."
    return _SCRIPT.format(
        title=_inert(title),
        package=job.engine.name,
        file=file,
        run=job.writer.REPRODUCE.strip() + "\n",  # type: ignore[attr-defined]
        least=bisection.least_db,
        limit="float('inf')" if limit is None else f"{limit:.0f}",
        ends="" if limit is None else f"({job.precision.dtype} ends at {limit:.0f})",
    )


def _inert(text: str) -> str:
    """Text that cannot end the docstring it is in: names of modules may come from a file."""
    return text.encode("unicode_escape").decode("ascii").replace('"', "'")
